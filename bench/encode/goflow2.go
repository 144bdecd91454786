package encode

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// goflow2 is the JSON that goflow2 writes, parsed into attributes. There its times in
// nanoseconds become doubles, good to a quarter of a microsecond.
func goflow2() format {
	return format{
		name:   "goflow2",
		oneWay: true,
		logs:   asParsedAttributes(goflow2Document),
		line:   asJSON(goflow2Document),
		kept: func(f flow.Record) flow.Record {
			f = bare(f)
			f.Time = int64(float64(f.Time))
			return f
		},
	}
}

func goflow2Document(f *flow.Record) document {
	d := document{
		"type":               "IPFIX",
		"sampling_rate":      1,
		"sampler_address":    "192.0.2.1",
		"time_received_ns":   f.Time + int64(2*time.Second),
		"time_flow_start_ns": f.Time - int64(10*time.Second),
		"time_flow_end_ns":   f.Time,
		"packets":            packets(f.Sent),
		"proto":              "TCP",
		"src_port":           int64(f.SourcePort),
		"dst_port":           int64(f.DestinationPort),
	}
	d.bytes("bytes", f.Sent)
	d.address("src_addr", f.Source)
	d.address("dst_addr", f.Destination)
	return d
}
