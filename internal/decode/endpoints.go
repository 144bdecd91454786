package decode

import "github.com/otel-exfil/exfil/internal/flow"

// endpoints names the two ends of a flow.
type endpoints struct {
	source, sourcePort, destination, destinationPort keys
}

func (e *endpoints) read(s *Scratch, r *flow.Record) (why Reason) {
	if r.Source, why = s.address(e.source); why != Accepted {
		return why
	}
	if r.Destination, why = s.address(e.destination); why != Accepted {
		return why
	}
	if r.SourcePort, why = s.port(e.sourcePort); why != Accepted {
		return why
	}
	r.DestinationPort, why = s.port(e.destinationPort)
	return why
}

// counters names the bytes of a source that counts both directions.
type counters struct {
	sent, received keys
}

func (c *counters) read(s *Scratch, r *flow.Record) (why Reason) {
	if r.Sent, why = s.bytes(c.sent); why != Accepted {
		return why
	}
	if r.Received, why = s.bytes(c.received); why != Accepted {
		return why
	}
	if r.Sent == flow.UnknownBytes && r.Received == flow.UnknownBytes {
		return NoBytes
	}
	return Accepted
}

// readOneWay reads the bytes of a source that counts each direction in a record of its
// own and may have looked at only one in rate packets.
func readOneWay(s *Scratch, r *flow.Record, bytes, rate keys) (why Reason) {
	r.OneWay, r.Received = true, flow.UnknownBytes
	if r.Sent, why = s.sampled(bytes, rate); why == Accepted && r.Sent == flow.UnknownBytes {
		return NoBytes
	}
	return why
}

// actors names who sent: the host that reports itself, its user and process.
type actors struct {
	host, user, process keys
}

func (a *actors) read(s *Scratch, r *flow.Record) {
	r.Host, r.User, r.Process = s.text(a.host), s.text(a.user), s.text(a.process)
}

// declaredDirection reads a flow's direction in the words of ECS network.direction.
func declaredDirection(t string) flow.Direction {
	switch t {
	case "egress", "outbound":
		return flow.Outbound
	case "ingress", "inbound":
		return flow.Inbound
	case "internal":
		return flow.Internal
	case "external":
		return flow.External
	}
	return flow.Undeclared
}
