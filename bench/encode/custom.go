package encode

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// CustomFields is the configuration of a custom input that reads the custom encoding: the
// log of an imaginary proxy.
func CustomFields() map[string][]string {
	return map[string][]string{
		"bytes":               {"proxy.bytes_up"},
		"bytes_received":      {"proxy.bytes_down"},
		"source_address":      {"proxy.client.ip"},
		"source_port":         {"proxy.client.port"},
		"destination_address": {"proxy.server.ip"},
		"destination_port":    {"proxy.server.port"},
		"time":                {"proxy.ended"},
		"direction":           {"proxy.direction"},
		"host":                {"proxy.client.name"},
		"user":                {"proxy.user"},
		"process":             {"proxy.agent"},
		"region":              {"proxy.server.region"},
		"country":             {"proxy.server.country"},
		"city":                {"proxy.server.city"},
		"flow_id":             {"proxy.connection"},
	}
}

// custom is nested JSON under keys of no known format, parsed into the body.
func custom() format {
	return format{
		name: "custom",
		logs: asParsedBody(customDocument),
		line: asJSON(customDocument),
		kept: func(f flow.Record) flow.Record {
			f.OneWay, f.Total, f.Final = false, 0, false
			f.DestinationPlace.Coarse = false
			f.SourcePlace = f.DestinationPlace // one place, that of the outside end
			return f
		},
	}
}

func customDocument(f *flow.Record) document {
	client, server := document{}, document{}
	client.address("ip", f.Source)
	client.port("port", f.SourcePort)
	client.text("name", f.Host)
	server.address("ip", f.Destination)
	server.port("port", f.DestinationPort)
	server.text("region", f.DestinationPlace.Region)
	server.text("country", f.DestinationPlace.Country)
	server.text("city", f.DestinationPlace.City)
	proxy := document{
		"client": client,
		"server": server,
		"ended":  instant(f.Time).Format(time.RFC3339Nano),
	}
	proxy.bytes("bytes_up", f.Sent)
	proxy.bytes("bytes_down", f.Received)
	proxy.text("connection", f.ID.Text)
	proxy.text("user", f.User)
	proxy.text("agent", f.Process)
	proxy.text("direction", directionText(f.Direction))
	return document{"proxy": proxy}
}
