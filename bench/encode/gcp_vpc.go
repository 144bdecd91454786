package encode

import (
	"strconv"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// gcpVPC is a Google Cloud log entry with a VPC flow log's payload, parsed into the body. Its
// numbers of 64 bits are text, as in all of Google's JSON.
func gcpVPC() format {
	return format{
		name:   "gcp_vpc",
		oneWay: true,
		logs:   asParsedBody(gcpDocument),
		line:   asJSON(gcpDocument),
		kept: func(f flow.Record) flow.Record {
			out := bare(f)
			if f.Direction == flow.External || f.Direction == flow.Undeclared {
				return withRegions(out, f)
			}
			out.Direction, out.Host = f.Direction, f.Host
			return withRegions(out, f)
		},
	}
}

// withRegions keeps region and city; Google's country codes have three letters.
func withRegions(out, f flow.Record) flow.Record {
	out.SourcePlace = flow.Place{Region: f.SourcePlace.Region, City: f.SourcePlace.City}
	out.DestinationPlace = flow.Place{Region: f.DestinationPlace.Region, City: f.DestinationPlace.City}
	return out
}

func gcpDocument(f *flow.Record) document {
	connection := document{"protocol": 6}
	connection.address("src_ip", f.Source)
	connection.address("dest_ip", f.Destination)
	connection.port("src_port", f.SourcePort)
	connection.port("dest_port", f.DestinationPort)
	payload := document{
		"connection":   connection,
		"packets_sent": strconv.FormatInt(packets(f.Sent), 10),
		"start_time":   instant(f.Time - int64(5*time.Second)).Format(time.RFC3339Nano),
		"end_time":     instant(f.Time).Format(time.RFC3339Nano),
	}
	if f.Sent != flow.UnknownBytes {
		payload["bytes_sent"] = strconv.FormatInt(f.Sent, 10)
	}
	switch f.Direction {
	case flow.Outbound:
		payload["reporter"] = "SRC"
		gcpInstance(payload, "src_instance", f.Host)
	case flow.Inbound:
		payload["reporter"] = "DEST"
		gcpInstance(payload, "dest_instance", f.Host)
	case flow.Internal:
		payload["reporter"] = "SRC"
		gcpInstance(payload, "src_instance", f.Host)
		gcpInstance(payload, "dest_instance", "peer")
	}
	gcpLocation(payload, "src_location", &f.SourcePlace)
	gcpLocation(payload, "dest_location", &f.DestinationPlace)
	return document{
		"logName":     "projects/example/logs/compute.googleapis.com%2Fvpc_flows",
		"timestamp":   instant(f.Time + int64(10*time.Second)).Format(time.RFC3339Nano),
		"jsonPayload": payload,
	}
}

func gcpInstance(d document, key, name string) {
	if name != "" {
		d[key] = document{"vm_name": name, "project_id": "example", "zone": "europe-west3-a"}
	}
}

func gcpLocation(d document, key string, p *flow.Place) {
	if *p != (flow.Place{}) {
		at := document{}
		at.text("region", p.Region)
		at.text("city", p.City)
		d[key] = at
	}
}
