// Package encode writes flows as the sources of flows do, so that one scenario can be
// expressed in every format that the detector reads: the reverse of package decode.
package encode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Errors that Logs, Line and Expected wrap.
var (
	ErrUnknownFormat = errors.New("unknown encoding")
	ErrNoLine        = errors.New("encoding has no text form")
)

// format is how one source writes flows.
type format struct {
	name string
	// oneWay sources write each direction of a connection as a record of its own.
	oneWay bool
	// logs appends the records that a receiver would deliver.
	logs func(flows []flow.Record, out plog.LogRecordSlice) error
	// line writes one flow as an agent would to a file; nil where no agent does.
	line func(f *flow.Record) ([]byte, error)
	// kept is what a lossless reader finds of a flow that is written so.
	kept func(f flow.Record) flow.Record
}

func formats() []format {
	return []format{
		otel(), ecs(), ecsNestedBody(), netflow(), goflow2(), awsVPC(), awsVPCLine(), gcpVPC(),
		azureVNet(), azureNSG(), zeek(), suricata(), custom(),
	}
}

// Reader returns the name of the decoder's format that reads an encoding, "" for custom, which is
// read by an input with CustomFields.
func Reader(encoding string) string {
	switch encoding {
	case "ecs_nested_body":
		return "ecs"
	case "aws_vpc_line":
		return "aws_vpc"
	case "azure_nsg":
		return "azure_vnet"
	case "custom":
		return ""
	}
	return encoding
}

// Formats returns the names of all encodings.
func Formats() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

func find(name string) (format, error) {
	all := formats()
	i := slices.IndexFunc(all, func(f format) bool { return f.name == name })
	if i < 0 {
		return format{}, fmt.Errorf("%w %q; known are %s", ErrUnknownFormat, name, strings.Join(Formats(), ", "))
	}
	return all[i], nil
}

// Logs writes flows as a receiver would deliver them, in one resource. A flow becomes one record,
// but in formats that count one way, where a flow with a reply becomes two, and in Azure's,
// where a record holds many.
func Logs(name string, flows []flow.Record) (plog.Logs, error) {
	logs := plog.NewLogs()
	f, err := find(name)
	if err != nil {
		return logs, err
	}
	out := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	if err := f.logs(f.split(flows), out); err != nil {
		return logs, fmt.Errorf("encoding as %s: %w", name, err)
	}
	return logs, nil
}

// Line writes a flow as an agent would write it to a file, without a final newline. In
// formats that count one way a flow with a reply becomes two lines.
func Line(name string, f flow.Record) ([]byte, error) {
	format, err := find(name)
	if err != nil {
		return nil, err
	}
	if format.line == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoLine, name)
	}
	var out []byte
	for i, part := range format.split([]flow.Record{f}) {
		if i > 0 {
			out = append(out, '\n')
		}
		line, err := format.line(&part)
		if err != nil {
			return nil, fmt.Errorf("encoding as %s: %w", name, err)
		}
		out = append(out, line...)
	}
	return out, nil
}

// Expected returns what a lossless reader finds in Logs of the same flows: what the format
// has no words for is gone, and times are as coarse as it writes them. Total, which
// only names a series, may come back as any other number that is not 0.
func Expected(name string, flows []flow.Record) ([]flow.Record, error) {
	f, err := find(name)
	if err != nil {
		return nil, err
	}
	out := f.split(slices.Clone(flows))
	for i := range out {
		out[i].OneWay = f.oneWay
		out[i] = f.kept(out[i])
	}
	return out, nil
}

// split makes a record of each direction, where the format wants that.
func (f *format) split(flows []flow.Record) []flow.Record {
	if !f.oneWay {
		return flows
	}
	var out []flow.Record
	for _, r := range flows {
		if r.Sent != flow.UnknownBytes {
			there := r
			there.Received = flow.UnknownBytes
			out = append(out, there)
		}
		if !r.OneWay && r.Received > 0 {
			out = append(out, back(r))
		}
	}
	return out
}

// back is the record of a connection's reply.
func back(r flow.Record) flow.Record {
	r.Source, r.Destination = r.Destination, r.Source
	r.SourcePort, r.DestinationPort = r.DestinationPort, r.SourcePort
	r.SourcePlace, r.DestinationPlace = r.DestinationPlace, r.SourcePlace
	r.Sent, r.Received = r.Received, flow.UnknownBytes
	switch r.Direction {
	case flow.Outbound:
		r.Direction = flow.Inbound
	case flow.Inbound:
		r.Direction = flow.Outbound
	}
	return r
}
