package decode

import "github.com/otel-exfil/exfil/internal/flow"

// otel is a flow in OpenTelemetry's semantic conventions: source.*, destination.* and a
// byte counter. A record with one counter is one-way: whoever writes these also writes
// the reply's, with source and destination swapped. network.io.direction is not read: it is that of the host's
// interface, and the ends already say which way the bytes went.
type otel struct {
	ends                    endpoints
	counts                  counters
	time                    keys
	direction               keys
	id                      idKeys
	who                     actors
	sourceAt, destinationAt placeKeys
}

func newOTel(c *compiler) format {
	return one{&otel{
		ends: endpoints{
			source:          c.signs("source.address", "client.address"),
			sourcePort:      c.keys("source.port", "client.port"),
			destination:     c.signs("destination.address", "server.address"),
			destinationPort: c.keys("destination.port", "server.port"),
		},
		counts: counters{
			sent:     append(c.signs("network.io.bytes"), c.keys("flow.bytes", "flow.io.bytes", "source.bytes")...),
			received: c.keys("destination.bytes"),
		},
		time:      c.keys("flow.end", "event.end"),
		direction: c.keys("network.direction"),
		id:        idKeys{telling: c.keys("network.community_id", "flow.id"), opaque: c.keys("event.id")},
		who: actors{
			host:    c.keys("host.name"),
			user:    c.keys("user.name", "user.id", "enduser.id"),
			process: c.keys("process.executable.name", "process.name"),
		},
		sourceAt:      otelPlace(c, "source."),
		destinationAt: otelPlace(c, "destination."),
	}}
}

// otelPlace reads the place of one end. A bare geo.*, which names no end, can
// only have been looked up for a public address, and the outside end is the
// only one whose place is used.
func otelPlace(c *compiler, end string) placeKeys {
	return placeKeys{
		region:  c.keys(end+"geo.region_name", end+"geo.region.iso_code", "geo.region_name", "geo.region.iso_code"),
		country: c.keys(end+"geo.country_iso_code", end+"geo.country.iso_code", "geo.country_iso_code", "geo.country.iso_code"),
		city:    c.keys(end+"geo.city_name", end+"geo.locality.name", "geo.city_name", "geo.locality.name"),
	}
}

func (f *otel) record(s *Scratch, r *flow.Record) Reason {
	if why := f.counts.read(s, r); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.OneWay = r.Received == flow.UnknownBytes
	r.Time = s.timeOr(f.time)
	r.Direction = declaredDirection(s.text(f.direction))
	f.who.read(s, r)
	r.ID = s.id(f.id)
	f.sourceAt.read(s, &r.SourcePlace)
	f.destinationAt.read(s, &r.DestinationPlace)
	return Accepted
}
