package decode

import "github.com/otel-exfil/exfil/internal/flow"

// custom is a format that the user describes by its keys.
type custom struct {
	ends                 endpoints
	sent, received, rate keys
	time, direction      keys
	id                   idKeys
	who                  actors
	place                placeKeys
}

// CustomFields returns the fields that a custom input may name keys for:
//
//	bytes                                      bytes from source to destination (needed)
//	bytes_received                             bytes of the reply; where it is not listed, each
//	                                           direction is taken to be a record of its own
//	sampling_rate                              one in how many packets was counted
//	source_address, destination_address        (needed)
//	source_port, destination_port
//	time                                       epoch in s, ms, µs or ns, or RFC 3339
//	direction                                  egress, ingress, outbound, inbound, internal, external
//	host, user, process                        who sent
//	region, country, city                      where the outside end is
//	flow_id                                    by which the source's own logs name the flow
func CustomFields() []string {
	return []string{
		"bytes", "bytes_received", "city", "country", "destination_address", "destination_port", "direction", "flow_id", "host",
		"process", "region", "sampling_rate", "source_address", "source_port", "time", "user",
	}
}

func neededFields() []string {
	return []string{"bytes", "source_address", "destination_address"}
}

func newCustom(c *compiler, fields map[string][]string) format {
	k := func(field string) keys { return c.keys(fields[field]...) }
	return one{&custom{
		sent:     c.signs(fields["bytes"]...),
		received: k("bytes_received"),
		rate:     k("sampling_rate"),
		ends: endpoints{
			source: k("source_address"), sourcePort: k("source_port"),
			destination: k("destination_address"), destinationPort: k("destination_port"),
		},
		time:      k("time"),
		direction: k("direction"),
		id:        idKeys{telling: k("flow_id")}, // what it tells is not known
		who:       actors{host: k("host"), user: k("user"), process: k("process")},
		place:     placeKeys{region: k("region"), country: k("country"), city: k("city")},
	}}
}

func (f *custom) record(s *Scratch, r *flow.Record) (why Reason) {
	if r.Sent, why = s.sampled(f.sent, f.rate); why != Accepted {
		return why
	}
	if r.Received, why = s.sampled(f.received, f.rate); why != Accepted {
		return why
	}
	if r.Sent == flow.UnknownBytes && r.Received == flow.UnknownBytes {
		return NoBytes
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.OneWay = len(f.received) == 0
	r.Time = s.timeOr(f.time)
	r.Direction = declaredDirection(s.text(f.direction))
	f.who.read(s, r)
	r.ID = s.id(f.id)
	// Only the outside end's place is ever used, so it may stand at both.
	f.place.read(s, &r.SourcePlace)
	r.DestinationPlace = r.SourcePlace
	return Accepted
}
