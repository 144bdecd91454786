package decode

import (
	"math"
	"strings"

	"github.com/otel-exfil/exfil/internal/flow"
)

// zeek is a line of Zeek's conn.log in JSON. Its ts is the connection's start in seconds;
// the bytes are counted until ts + duration.
type zeek struct {
	ends                          endpoints
	counts                        counters
	ip                            counters
	path, state, missed           keys
	id                            idKeys
	start, duration               keys
	localSource, localDestination keys
}

func newZeek(c *compiler) format {
	return one{&zeek{
		ends: endpoints{
			source:          c.signs("id.orig_h", "id_orig_h"),
			sourcePort:      c.keys("id.orig_p", "id_orig_p"),
			destination:     c.signs("id.resp_h", "id_resp_h"),
			destinationPort: c.keys("id.resp_p", "id_resp_p"),
		},
		counts:           counters{sent: c.keys("orig_bytes"), received: c.keys("resp_bytes")},
		ip:               counters{sent: c.keys("orig_ip_bytes"), received: c.keys("resp_ip_bytes")},
		path:             c.keys("_path"),
		state:            c.keys("conn_state"),
		id:               idKeys{telling: c.keys("community_id"), opaque: c.keys("uid")},
		missed:           c.keys("missed_bytes"),
		start:            c.keys("ts"),
		duration:         c.keys("duration"),
		localSource:      c.keys("local_orig"),
		localDestination: c.keys("local_resp"),
	}}
}

func (f *zeek) record(s *Scratch, r *flow.Record) Reason {
	if path := s.text(f.path); path != "" && path != "conn" {
		return NotAFlow
	}
	if why := f.bytes(s, r); why != Accepted {
		return why
	}
	if why := f.ends.read(s, r); why != Accepted {
		return why
	}
	r.Time = f.end(s)
	r.Direction = f.direction(s)
	r.ID = s.id(f.id)
	return Accepted
}

// bytes reads the payload counters, or the packets' where no payload was counted.
func (f *zeek) bytes(s *Scratch, r *flow.Record) Reason {
	var packets flow.Record
	why := f.counts.read(s, r)
	whyPackets := f.ip.read(s, &packets)
	switch {
	case why == BadBytes || whyPackets == BadBytes:
		return BadBytes
	case why == NoBytes && whyPackets == NoBytes && s.text(f.state) == "":
		return NotAFlow // another of Zeek's logs, without its _path
	case why == NoBytes && whyPackets == NoBytes:
		return NoBytes
	}
	if r.Sent == flow.UnknownBytes {
		r.Sent = packets.Sent
	}
	if r.Received == flow.UnknownBytes {
		r.Received = packets.Received
	}
	if f.doubtful(s) {
		missed, _ := s.bytes(f.missed)
		r.Sent = capped(r.Sent, packets.Sent, missed)
		r.Received = capped(r.Received, packets.Received, missed)
	}
	return Accepted
}

// doubtful says whether the payload counters may be off by gigabytes. They come from sequence
// numbers, and those of a stray reset, or of a connection whose beginning was not
// seen, can be anything. After an orderly end they are right, and more so than the
// packets' own bytes, of which a sensor that loses packets sees but a part: capping
// then would hide an upload behind the loss.
func (f *zeek) doubtful(s *Scratch) bool {
	state := s.text(f.state)
	return state == "" || state == "OTH" || strings.HasPrefix(state, "RST")
}

// capped limits payload bytes to those of the packets that were seen and those known to be missed.
func capped(payload, packets, missed int64) int64 {
	if payload == flow.UnknownBytes || packets == flow.UnknownBytes {
		return payload
	}
	return min(payload, packets+max(missed, 0))
}

// end returns the connection's end.
func (f *zeek) end(s *Scratch) int64 {
	start := s.time(f.start)
	if start == 0 {
		return s.received
	}
	duration := s.seconds(f.duration)
	if start > math.MaxInt64-duration {
		return start
	}
	return start + duration
}

// direction turns Zeek's own view of what is local into one; it needs both ends.
func (f *zeek) direction(s *Scratch) flow.Direction {
	source, sourceKnown := s.truth(f.localSource)
	destination, destinationKnown := s.truth(f.localDestination)
	switch {
	case sourceKnown != good || destinationKnown != good:
		return flow.Undeclared
	case source && destination:
		return flow.Internal
	case source:
		return flow.Outbound
	case destination:
		return flow.Inbound
	}
	return flow.External
}
