package decode

import (
	"encoding/binary"

	"github.com/otel-exfil/exfil/internal/flow"
)

// ecs is a network event in the Elastic Common Schema, as Elastic Defend, Packetbeat and
// Filebeat's modules write it. source.bytes is what the source sent and
// destination.bytes the reply; where that is missing, the record is one of NetFlow or a VPC
// flow log in this schema, and the reply has one of its own.
//
// Documents that are alerts are left out: those of an intrusion detection system tell the bytes of
// their flow so far, each time anew, and the flow has a document of its own.
type ecs struct {
	kind                    keys
	ends                    endpoints
	counts                  counters
	time, direction         keys
	who                     actors
	sourceAt, destinationAt placeKeys

	flowID, flowFinal, reporter keys
	id                          idKeys // for people
}

func newECS(c *compiler) format {
	return one{&ecs{
		kind: c.keys("event.kind"),
		ends: endpoints{
			source:          append(c.signs("source.ip"), c.keys("source.address")...),
			sourcePort:      c.keys("source.port"),
			destination:     append(c.signs("destination.ip"), c.keys("destination.address")...),
			destinationPort: c.keys("destination.port"),
		},
		counts:    counters{sent: c.signs("source.bytes"), received: c.signs("destination.bytes")},
		time:      c.keys("event.end", "@timestamp"),
		direction: c.keys("network.direction"),
		who: actors{
			host:    c.keys("host.name", "host.hostname", "agent.name"),
			user:    c.keys("user.name", "source.user.name"),
			process: c.keys("process.name"),
		},
		sourceAt:      ecsPlace(c, "source."),
		destinationAt: ecsPlace(c, "destination."),
		flowID:        c.keys("flow.id"),
		flowFinal:     c.signs("flow.final"),
		reporter:      c.keys("agent.id", "host.id", "host.name"),
		id:            idKeys{telling: c.keys("network.community_id", "flow.id"), opaque: c.keys("event.id")},
	}}
}

func ecsPlace(c *compiler, end string) placeKeys {
	return placeKeys{
		region:  c.keys(end+"geo.region_name", end+"geo.region_iso_code"),
		country: c.keys(end + "geo.country_iso_code"),
		city:    c.keys(end + "geo.city_name"),
	}
}

func (f *ecs) record(s *Scratch, r *flow.Record) Reason {
	switch s.text(f.kind) {
	case "alert", "signal":
		return NotAFlow
	}
	if why := f.counts.read(s, r); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = s.timeOr(f.time)
	r.Direction = declaredDirection(s.text(f.direction))
	f.who.read(s, r)
	f.sourceAt.read(s, &r.SourcePlace)
	f.destinationAt.read(s, &r.DestinationPlace)
	f.series(s, r)
	r.ID = s.id(f.id)
	r.OneWay = r.Received == flow.UnknownBytes && r.Total == 0
	return Accepted
}

// series tells Packetbeat's running totals from plain counts by flow.final, which Packetbeat
// alone writes; others use flow.id too. A flow is one flow only on the
// agent that saw it, so the agent is part of its identity.
func (f *ecs) series(s *Scratch, r *flow.Record) {
	final, is := s.truth(f.flowFinal)
	if is != good {
		return
	}
	id := s.text(f.flowID)
	if id == "" {
		r.Total, r.Final = s.identity.ends(r)|series, final
		return
	}
	r.Total, r.Final = s.identity.chain(s.identity.text(id), s.identity.text(s.text(f.reporter)))|series, final
}

// series is set in the identity of every series: 0 means that there is none.
const series = 1

// ends identifies a connection by its addresses and ports.
func (h *identity) ends(r *flow.Record) uint64 {
	source, destination := r.Source.As16(), r.Destination.As16()
	return h.chain(
		binary.BigEndian.Uint64(source[:8]), binary.BigEndian.Uint64(source[8:]),
		binary.BigEndian.Uint64(destination[:8]), binary.BigEndian.Uint64(destination[8:]),
		uint64(r.SourcePort)<<16|uint64(r.DestinationPort))
}
