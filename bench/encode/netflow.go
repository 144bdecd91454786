package encode

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// netflow is attributes as the collector's netflow receiver sets them. Its Timestamp is when the
// datagram came, here two seconds after the flow ended, and its ObservedTimestamp when
// the flow began, here ten seconds before.
func netflow() format {
	const began, sent = 10 * time.Second, 2 * time.Second
	return format{
		name:   "netflow",
		oneWay: true,
		logs: func(flows []flow.Record, out plog.LogRecordSlice) error {
			for i := range flows {
				f := &flows[i]
				record := out.AppendEmpty()
				record.SetTimestamp(pcommon.Timestamp(f.Time + int64(sent)))
				record.SetObservedTimestamp(pcommon.Timestamp(f.Time - int64(began)))
				d := document{
					"source.port":          int64(f.SourcePort),
					"destination.port":     int64(f.DestinationPort),
					"network.transport":    "tcp",
					"network.type":         "ipv4",
					"flow.type":            "netflow_v9",
					"flow.io.bytes":        f.Sent,
					"flow.io.packets":      packets(f.Sent),
					"flow.sequence_num":    int64(i),
					"flow.time_received":   f.Time + int64(sent),
					"flow.start":           f.Time - int64(began),
					"flow.end":             f.Time,
					"flow.sampling_rate":   int64(0),
					"flow.sampler_address": "192.0.2.1",
				}
				d.address("source.address", f.Source)
				d.address("destination.address", f.Destination)
				if err := d.fill(record.Attributes()); err != nil {
					return err
				}
			}
			return nil
		},
		kept: bare,
	}
}

// packets is how many full packets carry that many bytes.
func packets(bytes int64) int64 {
	const payload = 1400
	return bytes/payload + 1
}
