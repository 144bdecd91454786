package decode

import (
	"math"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// goflow2 is a NetFlow, IPFIX or sFlow record in the JSON that goflow2 writes to files and
// Kafka. Each direction is a record of its own. The unit of its times is in their names: _ns, or seconds
// in those of version 1.
//
// When a flow ended is what its router reports, whose clock may be wrong or may never have been set; when it was
// received is what goflow2's clock said.
type goflow2 struct {
	ends                 endpoints
	bytes, rate          keys
	ended, endedNs       keys
	received, receivedNs keys
}

func newGoflow2(c *compiler) format {
	return one{&goflow2{
		ends: endpoints{
			source: c.signs("src_addr"), sourcePort: c.keys("src_port"),
			destination: c.signs("dst_addr"), destinationPort: c.keys("dst_port"),
		},
		bytes:      c.keys("bytes"),
		rate:       c.keys("sampling_rate"),
		ended:      c.keys("time_flow_end"),
		endedNs:    c.keys("time_flow_end_ns"),
		received:   c.keys("time_received"),
		receivedNs: c.keys("time_received_ns"),
	}}
}

func (f *goflow2) record(s *Scratch, r *flow.Record) Reason {
	if why := readOneWay(s, r, f.bytes, f.rate); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = f.time(s)
	return Accepted
}

const (
	// aheadOfReceipt is how far the end of a flow may be after its receipt before the router's clock is not
	// believed: as much as max_clock_skew lets a clock be ahead by default.
	aheadOfReceipt = int64(5 * time.Minute)
	// aheadOfNow is how far any other time may be ahead of the clock here. What is less is the detector's to
	// refuse and to tell of; what is more was never meant as the time.
	aheadOfNow = int64(24 * time.Hour)
)

// time is when the flow ended; where that cannot be, when it was received; and where that cannot be
// either, the record's own time.
func (f *goflow2) time(s *Scratch) int64 {
	latest := int64(math.MaxInt64)
	if !s.Now.IsZero() {
		latest = s.Now.UnixNano() + aheadOfNow
	}
	received := f.either(s, latest, f.receivedNs, f.received)
	if received > 0 {
		latest = min(received, math.MaxInt64-aheadOfReceipt) + aheadOfReceipt
	}
	if ended := f.either(s, latest, f.endedNs, f.ended); ended > 0 {
		return ended
	}
	if received > 0 {
		return received
	}
	return s.received
}

func (f *goflow2) either(s *Scratch, latest int64, nanoseconds, seconds keys) int64 {
	if t := s.timeUntil(latest, time.Nanosecond, nanoseconds); t > 0 {
		return t
	}
	return s.timeUntil(latest, time.Second, seconds)
}
