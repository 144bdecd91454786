package encode

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// suricata is an event of type flow in Suricata's EVE JSON, parsed into attributes.
func suricata() format {
	return format{
		name: "suricata",
		logs: asParsedAttributes(suricataDocument),
		line: asJSON(suricataDocument),
		kept: func(f flow.Record) flow.Record {
			out := bare(f)
			out.OneWay = false
			out.Time = coarse(f.Time, time.Microsecond)
			out.ID = flow.ID{Number: f.ID.Number, Opaque: f.ID.Number != 0}
			return out
		},
	}
}

func suricataDocument(f *flow.Record) document {
	const layout = "2006-01-02T15:04:05.000000-0700"
	counts := document{
		"start": instant(f.Time - int64(3*time.Second)).Format(layout),
		"end":   instant(f.Time).Format(layout),
		"state": "closed",
	}
	counts.bytes("bytes_toserver", f.Sent)
	counts.bytes("bytes_toclient", f.Received)
	d := document{
		"timestamp":  instant(f.Time + int64(time.Minute)).Format(layout),
		"event_type": "flow",
		"proto":      "TCP",
		"flow":       counts,
	}
	if f.ID.Number != 0 {
		d["flow_id"] = f.ID.Number
	}
	d.address("src_ip", f.Source)
	d.port("src_port", f.SourcePort)
	d.address("dest_ip", f.Destination)
	d.port("dest_port", f.DestinationPort)
	return d
}
