package decode

import "github.com/otel-exfil/exfil/internal/flow"

// suricata is an event of type flow in Suricata's EVE JSON. Other events, alerts among
// them, carry the flow so far as well and would count it again.
type suricata struct {
	kind   keys
	ends   endpoints
	counts counters
	time   keys
	id     idKeys
}

func newSuricata(c *compiler) format {
	return one{&suricata{
		kind: c.keys("event_type"),
		ends: endpoints{
			source: c.keys("src_ip"), sourcePort: c.keys("src_port"),
			destination: c.signs("dest_ip"), destinationPort: c.keys("dest_port"),
		},
		counts: counters{
			sent:     c.signs("flow.bytes_toserver"),
			received: c.signs("flow.bytes_toclient"),
		},
		time: c.keys("flow.end", "timestamp"),
		id:   idKeys{telling: c.keys("community_id"), opaque: c.keys("flow_id")},
	}}
}

func (f *suricata) record(s *Scratch, r *flow.Record) Reason {
	if s.text(f.kind) != "flow" {
		return NotAFlow
	}
	if why := f.counts.read(s, r); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = s.timeOr(f.time)
	r.ID = s.id(f.id)
	return Accepted
}
