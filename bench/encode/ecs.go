package encode

import (
	"fmt"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// ecs is a network event in the Elastic Common Schema with dotted keys, as attributes.
func ecs() format {
	return format{
		name: "ecs",
		logs: asAttributes(ecsDocument),
		line: asJSON(ecsNested),
		kept: ecsKept,
	}
}

// ecsNestedBody is the same with nested keys, in the body and parsed from JSON.
func ecsNestedBody() format {
	return format{
		name: "ecs_nested_body",
		logs: asParsedBody(ecsNested),
		line: asJSON(ecsNested),
		kept: ecsKept,
	}
}

// ecsKept: Beats write times to the millisecond.
func ecsKept(f flow.Record) flow.Record {
	f.Time = coarse(f.Time, time.Millisecond)
	f.OneWay = f.Received == flow.UnknownBytes && f.Total == 0 // no word for it but the reply's absence
	f.SourcePlace.Coarse, f.DestinationPlace.Coarse = false, false
	if f.ID.Text == "" && f.Total != 0 {
		f.ID.Text = ecsFlowID(&f)
	}
	return f
}

const ecsTime = "2006-01-02T15:04:05.000Z"

func ecsDocument(f *flow.Record) document {
	d := document{
		"@timestamp":        instant(f.Time).Format(ecsTime),
		"event.category":    "network",
		"network.transport": "tcp",
	}
	d.address("source.ip", f.Source)
	d.port("source.port", f.SourcePort)
	d.bytes("source.bytes", f.Sent)
	d.address("destination.ip", f.Destination)
	d.port("destination.port", f.DestinationPort)
	d.bytes("destination.bytes", f.Received)
	d.text("network.direction", directionText(f.Direction))
	d.text("network.community_id", f.ID.Text)
	d.text("host.name", f.Host)
	d.text("user.name", f.User)
	d.text("process.name", f.Process)
	ecsPlace(d, "source.", &f.SourcePlace)
	ecsPlace(d, "destination.", &f.DestinationPlace)
	if f.Total != 0 {
		d["flow.id"] = ecsFlowID(f)
		d["flow.final"] = f.Final
	}
	return d
}

func ecsFlowID(f *flow.Record) string { return fmt.Sprintf("%016x", f.Total) }

func ecsPlace(d document, end string, p *flow.Place) {
	d.text(end+"geo.region_name", p.Region)
	d.text(end+"geo.country_iso_code", p.Country)
	d.text(end+"geo.city_name", p.City)
}

// ecsNested is ecsDocument with an object for each part of a key.
func ecsNested(f *flow.Record) document {
	out := document{}
	for key, value := range ecsDocument(f) {
		parts := strings.Split(key, ".")
		at := out
		for _, part := range parts[:len(parts)-1] {
			below, ok := at[part].(document)
			if !ok {
				below = document{}
				at[part] = below
			}
			at = below
		}
		at[parts[len(parts)-1]] = value
	}
	return out
}
