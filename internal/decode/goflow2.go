package decode

import "github.com/otel-exfil/exfil/internal/flow"

// goflow2 is a NetFlow, IPFIX or sFlow record in the JSON that goflow2 writes to files and
// Kafka. Each direction is a record of its own.
type goflow2 struct {
	ends        endpoints
	bytes, rate keys
	time        keys
}

func newGoflow2(c *compiler) format {
	return one{&goflow2{
		ends: endpoints{
			source: c.signs("src_addr"), sourcePort: c.keys("src_port"),
			destination: c.signs("dst_addr"), destinationPort: c.keys("dst_port"),
		},
		bytes: c.keys("bytes"),
		rate:  c.keys("sampling_rate"),
		time:  c.keys("time_flow_end_ns", "time_flow_end", "time_received_ns", "time_received"),
	}}
}

func (f *goflow2) record(s *Scratch, r *flow.Record) Reason {
	if why := readOneWay(s, r, f.bytes, f.rate); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = s.timeOr(f.time)
	return Accepted
}
