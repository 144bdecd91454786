package encode

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// awsVPC is the attributes that the collector's AWS log encoding makes of a VPC flow log.
func awsVPC() format {
	return format{
		name:   "aws_vpc",
		oneWay: true,
		logs: func(flows []flow.Record, out plog.LogRecordSlice) error {
			for i := range flows {
				record := out.AppendEmpty()
				record.SetTimestamp(pcommon.Timestamp(coarse(flows[i].Time, time.Second)))
				if err := awsDocument(&flows[i]).fill(record.Attributes()); err != nil {
					return err
				}
			}
			return nil
		},
		line: awsLine,
		kept: awsKept,
	}
}

// awsVPCLine is the line itself as the body, with all columns up to version 5.
func awsVPCLine() format {
	return format{
		name:   "aws_vpc_line",
		oneWay: true,
		logs: func(flows []flow.Record, out plog.LogRecordSlice) error {
			for i := range flows {
				line, err := awsLine(&flows[i])
				if err != nil {
					return err
				}
				out.AppendEmpty().Body().SetStr(string(line))
			}
			return nil
		},
		line: awsLine,
		kept: awsKept,
	}
}

func awsKept(f flow.Record) flow.Record {
	out := bare(f)
	out.Time = coarse(f.Time, time.Second)
	if f.Direction == flow.Outbound || f.Direction == flow.Inbound {
		out.Direction = f.Direction
	}
	return out
}

func awsDocument(f *flow.Record) document {
	d := document{
		"aws.vpc.flow.log.version": int64(5),
		"aws.vpc.flow.start":       f.Time/int64(time.Second) - 60,
		"aws.vpc.flow.packets":     packets(f.Sent),
		"aws.vpc.flow.action":      "ACCEPT",
		"aws.vpc.flow.status":      "OK",
		"network.interface.name":   "eni-0123456789abcdef0",
		"network.protocol.name":    "tcp",
		"source.port":              int64(f.SourcePort),
		"destination.port":         int64(f.DestinationPort),
	}
	d.bytes("aws.vpc.flow.bytes", f.Sent)
	d.address("source.address", f.Source)
	d.address("destination.address", f.Destination)
	switch f.Direction {
	case flow.Outbound:
		d["network.io.direction"] = "transmit"
	case flow.Inbound:
		d["network.io.direction"] = "receive"
	}
	return d
}

func awsLine(f *flow.Record) ([]byte, error) {
	end := f.Time / int64(time.Second)
	direction := "-"
	switch f.Direction {
	case flow.Outbound:
		direction = "egress"
	case flow.Inbound:
		direction = "ingress"
	}
	source, destination := dash(f.Source), dash(f.Destination)
	columns := []string{
		"5", "123456789012", "eni-0123456789abcdef0", source, destination,
		strconv.Itoa(int(f.SourcePort)), strconv.Itoa(int(f.DestinationPort)), "6",
		strconv.FormatInt(packets(f.Sent), 10), strconv.FormatInt(f.Sent, 10),
		strconv.FormatInt(end-60, 10), strconv.FormatInt(end, 10), "ACCEPT", "OK",
		"vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "i-0123456789abcdef0", "19", ipType(f.Source), source, destination,
		"eu-central-1", "euc1-az1", "-", "-",
		"-", "-", direction, "-",
	}
	return fmt.Append(nil, strings.Join(columns, " ")), nil
}

// dash writes an address as AWS does: "-" for none.
func dash(a netip.Addr) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

func ipType(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
