package encode

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// tuplesPerRecord is how many flows go into one Azure record.
const tuplesPerRecord = 50

// azureVNet is Azure's virtual network flow log, version 4, parsed into the body.
func azureVNet() format {
	return azure("azure_vnet", time.Millisecond, vnetRecord)
}

// azureNSG is Azure's network security group flow log, version 2, parsed into the body.
func azureNSG() format {
	return azure("azure_nsg", time.Second, nsgRecord)
}

func azure(name string, resolution time.Duration, record func([]flow.Record) document) format {
	return format{
		name: name,
		logs: func(flows []flow.Record, out plog.LogRecordSlice) error {
			for len(flows) > 0 {
				n := min(len(flows), tuplesPerRecord)
				d, err := record(flows[:n]).parsed()
				if err != nil {
					return err
				}
				if err := d.fill(out.AppendEmpty().Body().SetEmptyMap()); err != nil {
					return err
				}
				flows = flows[n:]
			}
			return nil
		},
		line: func(f *flow.Record) ([]byte, error) {
			return json.Marshal(record([]flow.Record{*f}))
		},
		kept: func(f flow.Record) flow.Record {
			out := bare(f)
			out.OneWay = false
			out.Time = coarse(f.Time, resolution)
			if f.Direction == flow.Outbound || f.Direction == flow.Inbound {
				out.Direction = f.Direction
			}
			return out
		},
	}
}

func vnetRecord(flows []flow.Record) document {
	tuples := make([]string, len(flows))
	for i := range flows {
		f := &flows[i]
		tuples[i] = fmt.Sprintf("%d,%s,%s,%d,%d,6,%s,E,NX,%s,%s,%s,%s",
			f.Time/int64(time.Millisecond), azureAddress(f.Source), azureAddress(f.Destination), f.SourcePort, f.DestinationPort,
			azureDirection(f.Direction), azurePackets(f.Sent), azureCount(f.Sent), azurePackets(f.Received), azureCount(f.Received))
	}
	return document{
		"time":           instant(flows[0].Time).Format(time.RFC3339Nano),
		"flowLogVersion": 4,
		"category":       "FlowLogFlowEvent",
		"macAddress":     "00224871C205",
		"flowRecords": document{"flows": []any{document{
			"aclID":      "00000000-1234-abcd-ef00-c1c2c3c4c5c6",
			"flowGroups": []any{document{"rule": "DefaultRule_AllowInternetOutBound", "flowTuples": tuples}},
		}}},
	}
}

func nsgRecord(flows []flow.Record) document {
	tuples := make([]string, len(flows))
	for i := range flows {
		f := &flows[i]
		tuples[i] = fmt.Sprintf("%d,%s,%s,%d,%d,T,%s,A,E,%s,%s,%s,%s",
			f.Time/int64(time.Second), azureAddress(f.Source), azureAddress(f.Destination), f.SourcePort, f.DestinationPort,
			azureDirection(f.Direction), azurePackets(f.Sent), azureCount(f.Sent), azurePackets(f.Received), azureCount(f.Received))
	}
	return document{
		"time":          instant(flows[0].Time).Format(time.RFC3339Nano),
		"category":      "NetworkSecurityGroupFlowEvent",
		"operationName": "NetworkSecurityGroupFlowEvents",
		"properties": document{
			"Version": 2,
			"flows": []any{document{
				"rule":  "DefaultRule_AllowInternetOutBound",
				"flows": []any{document{"mac": "00224871C205", "flowTuples": tuples}},
			}},
		},
	}
}

func azureAddress(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func azureDirection(d flow.Direction) string {
	switch d {
	case flow.Outbound:
		return "O"
	case flow.Inbound:
		return "I"
	}
	return ""
}

// azureCount writes a byte count; nothing for an unknown one.
func azureCount(n int64) string {
	if n == flow.UnknownBytes {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func azurePackets(bytes int64) string {
	if bytes == flow.UnknownBytes {
		return ""
	}
	return strconv.FormatInt(packets(bytes), 10)
}
