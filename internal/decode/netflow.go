package decode

import "github.com/otel-exfil/exfil/internal/flow"

// netflow is a NetFlow, IPFIX or sFlow record as the collector's netflow receiver writes it.
// Each direction is a record of its own. The record's Timestamp is the time of
// receipt and its ObservedTimestamp the flow's start; the flow's own times are
// attributes in nanoseconds.
type netflow struct {
	ends        endpoints
	bytes, rate keys
	time        keys
}

func newNetflow(c *compiler) format {
	c.signs("flow.type", "network.flow.type", "flow.sampler_address", "network.flow.sampler_address")
	return one{&netflow{
		ends: endpoints{
			source: c.keys("source.address"), sourcePort: c.keys("source.port"),
			destination: c.keys("destination.address"), destinationPort: c.keys("destination.port"),
		},
		bytes: c.keys("flow.io.bytes", "network.io.bytes", "flow.bytes"),
		rate:  c.signs("flow.sampling_rate", "network.flow.sampling_rate"),
		time: append(c.keys("flow.end", "network.flow.end"),
			c.signs("flow.time_received", "network.flow.time_received")...),
	}}
}

func (f *netflow) record(s *Scratch, r *flow.Record) Reason {
	if why := readOneWay(s, r, f.bytes, f.rate); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = s.timeOr(f.time)
	return Accepted
}
