package encode

import (
	"cmp"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// zeek is a line of Zeek's conn.log in JSON, parsed into attributes. Its time is the
// connection's start, here a second and a half before its end.
func zeek() format {
	return format{
		name: "zeek",
		logs: asParsedAttributes(zeekDocument),
		line: asJSON(zeekDocument),
		kept: func(f flow.Record) flow.Record {
			out := bare(f)
			out.OneWay = false
			out.Direction = f.Direction
			out.Time = coarse(f.Time, time.Microsecond)
			out.ID = flow.ID{Text: zeekUID(&f), Opaque: true}
			return out
		},
	}
}

func zeekDocument(f *flow.Record) document {
	const duration = 1500 * time.Millisecond
	d := document{
		"ts":         float64((f.Time-int64(duration))/int64(time.Microsecond)) / 1e6,
		"uid":        zeekUID(f),
		"duration":   duration.Seconds(),
		"proto":      "tcp",
		"conn_state": "SF",
	}
	d.address("id.orig_h", f.Source)
	d.port("id.orig_p", f.SourcePort)
	d.address("id.resp_h", f.Destination)
	d.port("id.resp_p", f.DestinationPort)
	zeekBytes(d, "orig_", f.Sent)
	zeekBytes(d, "resp_", f.Received)
	switch f.Direction {
	case flow.Outbound:
		d["local_orig"], d["local_resp"] = true, false
	case flow.Inbound:
		d["local_orig"], d["local_resp"] = false, true
	case flow.Internal:
		d["local_orig"], d["local_resp"] = true, true
	case flow.External:
		d["local_orig"], d["local_resp"] = false, false
	}
	return d
}

func zeekUID(f *flow.Record) string { return cmp.Or(f.ID.Text, "CAcJw21BbVedgFnYH3") }

// zeekBytes writes one side's payload and, with headers, its packets.
func zeekBytes(d document, side string, n int64) {
	if n == flow.UnknownBytes {
		return
	}
	const headers = 40 // IPv4 and TCP, without options
	d[side+"bytes"] = n
	d[side+"pkts"] = packets(n)
	d[side+"ip_bytes"] = n + headers*packets(n)
}
