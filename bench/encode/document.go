package encode

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// document is a JSON object or a set of attributes.
type document map[string]any

// bytes puts a byte count, if it is known.
func (d document) bytes(key string, n int64) {
	if n != flow.UnknownBytes {
		d[key] = n
	}
}

// port puts a port, if there is one.
func (d document) port(key string, p uint16) {
	if p != 0 {
		d[key] = int64(p)
	}
}

// text puts a text, if there is one.
func (d document) text(key, t string) {
	if t != "" {
		d[key] = t
	}
}

// address puts an address, if there is one.
func (d document) address(key string, a netip.Addr) {
	if a.IsValid() {
		d[key] = a.String()
	}
}

// fill puts the document's values into m, in the order of their keys.
func (d document) fill(m pcommon.Map) error {
	m.EnsureCapacity(len(d))
	for _, key := range slices.Sorted(maps.Keys(d)) {
		v := m.PutEmpty(key)
		var err error
		switch x := d[key].(type) {
		case document:
			err = x.fill(v.SetEmptyMap())
		case map[string]any:
			err = document(x).fill(v.SetEmptyMap())
		default:
			err = v.FromRaw(x)
		}
		if err != nil {
			return fmt.Errorf("value of %s: %w", key, err)
		}
	}
	return nil
}

// parsed is a document as a collector's JSON parser returns it: every number a double.
func (d document) parsed() (document, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	out := document{}
	return out, json.Unmarshal(text, &out)
}

// asAttributes delivers each flow's document as the attributes of a record, numbers as they are.
func asAttributes(describe func(*flow.Record) document) func([]flow.Record, plog.LogRecordSlice) error {
	return func(flows []flow.Record, out plog.LogRecordSlice) error {
		for i := range flows {
			if err := describe(&flows[i]).fill(out.AppendEmpty().Attributes()); err != nil {
				return err
			}
		}
		return nil
	}
}

// asParsedAttributes delivers each flow as a JSON parser does by default: into the attributes.
func asParsedAttributes(describe func(*flow.Record) document) func([]flow.Record, plog.LogRecordSlice) error {
	return func(flows []flow.Record, out plog.LogRecordSlice) error {
		for i := range flows {
			d, err := describe(&flows[i]).parsed()
			if err != nil {
				return err
			}
			if err := d.fill(out.AppendEmpty().Attributes()); err != nil {
				return err
			}
		}
		return nil
	}
}

// asParsedBody delivers each flow as a JSON parser does that is told to keep it in the body.
func asParsedBody(describe func(*flow.Record) document) func([]flow.Record, plog.LogRecordSlice) error {
	return func(flows []flow.Record, out plog.LogRecordSlice) error {
		for i := range flows {
			d, err := describe(&flows[i]).parsed()
			if err != nil {
				return err
			}
			if err := d.fill(out.AppendEmpty().Body().SetEmptyMap()); err != nil {
				return err
			}
		}
		return nil
	}
}

// asJSON writes each flow as a line of JSON.
func asJSON(describe func(*flow.Record) document) func(*flow.Record) ([]byte, error) {
	return func(f *flow.Record) ([]byte, error) { return json.Marshal(describe(f)) }
}

// bare is a flow without all that only few formats know.
func bare(f flow.Record) flow.Record {
	return flow.Record{
		Time: f.Time, Source: f.Source, Destination: f.Destination,
		SourcePort: f.SourcePort, DestinationPort: f.DestinationPort,
		Sent: f.Sent, Received: f.Received, OneWay: f.OneWay,
	}
}

// coarse cuts a time to a multiple of d.
func coarse(t int64, d time.Duration) int64 {
	return t - t%int64(d)
}

func instant(t int64) time.Time {
	return time.Unix(0, t).UTC()
}

// directionText is a direction in the words of ECS, "" for none.
func directionText(d flow.Direction) string {
	switch d {
	case flow.Outbound:
		return "outbound"
	case flow.Inbound:
		return "inbound"
	case flow.Internal:
		return "internal"
	case flow.External:
		return "external"
	}
	return ""
}
