package encode

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// otel is attributes in OpenTelemetry's semantic conventions.
func otel() format {
	return format{
		name:   "otel",
		oneWay: true, // one counter only: network.io.bytes
		logs: func(flows []flow.Record, out plog.LogRecordSlice) error {
			for i := range flows {
				record := out.AppendEmpty()
				record.SetTimestamp(pcommon.Timestamp(flows[i].Time))
				if err := otelDocument(&flows[i]).fill(record.Attributes()); err != nil {
					return err
				}
			}
			return nil
		},
		kept: func(f flow.Record) flow.Record {
			f.Total, f.Final = 0, false
			f.SourcePlace.Coarse, f.DestinationPlace.Coarse = false, false
			return f
		},
	}
}

func otelDocument(f *flow.Record) document {
	d := document{}
	d.address("source.address", f.Source)
	d.port("source.port", f.SourcePort)
	d.address("destination.address", f.Destination)
	d.port("destination.port", f.DestinationPort)
	d.bytes("network.io.bytes", f.Sent)
	d.text("network.direction", directionText(f.Direction))
	d.text("network.community_id", f.ID.Text)
	d.text("host.name", f.Host)
	d.text("user.name", f.User)
	d.text("process.executable.name", f.Process)
	otelPlace(d, "source.", &f.SourcePlace)
	otelPlace(d, "destination.", &f.DestinationPlace)
	return d
}

func otelPlace(d document, end string, p *flow.Place) {
	d.text(end+"geo.region.iso_code", p.Region)
	d.text(end+"geo.country.iso_code", p.Country)
	d.text(end+"geo.locality.name", p.City)
}
