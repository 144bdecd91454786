package flow

import "net/netip"

// Outcome says what became of a record that was looked at for bytes that leave.
type Outcome uint8

// The outcomes. Only Leaves yields a flow.
const (
	Leaves      Outcome = iota // bytes went from inside to outside
	InsideOnly                 // both ends are inside
	OutsideOnly                // both ends are outside, and the event says so
	InboundOnly                // only bytes that came in are reported
	Undecidable                // no end is known to be inside
	NotUnicast                 // an end is multicast, broadcast, unspecified or missing
	NothingSent                // the inside end sent nothing, or it is not reported how much
	outcomeCount
)

var outcomeNames = [outcomeCount]string{
	Leaves:      "leaves",
	InsideOnly:  "internal",
	OutsideOnly: "external",
	InboundOnly: "inbound_only",
	Undecidable: "undecidable",
	NotUnicast:  "not_unicast",
	NothingSent: "nothing_sent",
}

// String returns the outcome's name as telemetry carries it, for example "inbound_only".
func (o Outcome) String() string {
	if o >= outcomeCount {
		return "unknown"
	}
	return outcomeNames[o]
}

// Outcomes returns every outcome in order, so that o is at index o.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomeCount)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// Scope tells bytes that leave from all others. It is immutable and safe for
// concurrent use.
type Scope struct {
	inside *Networks
}

// NewScope returns the scope of an organisation whose networks are the private
// ones (see PrivateNetworks) and those given.
func NewScope(internal []netip.Prefix) *Scope {
	return &Scope{inside: NewNetworks(internal)}
}

// Resolve finds the bytes of r that left and fills f with them. f is written
// only if the outcome is Leaves. It does not allocate, but for a name that it has to
// change: this is where names from the network become safe, see Name.
//
// A record that counts both directions is one connection, opened by its source:
// where the source is inside, what it sent left; where the destination is
// inside, its reply left, under the port of the service that the destination
// offers and at the client's place. A one-way record is about bytes from source
// to destination and does not tell who opened the connection; its port is
// the likelier service of the two (see servicePort).
func (s *Scope) Resolve(r *Record, f *Flow) Outcome {
	source, destination := s.inside.side(r.Source), s.inside.side(r.Destination)
	if source == noEnd || destination == noEnd {
		return NotUnicast
	}
	sourceInside, destinationInside := insideEnds(r.Direction, source == insideEnd, destination == insideEnd)
	switch {
	case sourceInside && destinationInside:
		return InsideOnly
	case sourceInside:
		return outgoing(r, f)
	case destinationInside:
		return reply(r, f)
	case r.Direction == External:
		return OutsideOnly
	}
	return Undecidable
}

// insideEnds says which ends are inside where their networks say so much. Membership in a known network proves that an
// end is inside; its absence proves nothing, because not every network is listed.
// So the event's declaration can move an end inside, but one that puts a known
// inside address outside is wrong about both ends and is not believed at all.
func insideEnds(d Direction, source, destination bool) (sourceInside, destinationInside bool) {
	switch d {
	case Outbound:
		if !destination {
			return true, false
		}
	case Inbound:
		if !source {
			return false, true
		}
	case Internal:
		return true, true
	}
	return source, destination
}

func outgoing(r *Record, f *Flow) Outcome {
	if r.Sent <= 0 {
		return NothingSent
	}
	port := r.DestinationPort
	if r.OneWay {
		port = servicePort(r.SourcePort, r.DestinationPort)
	}
	f.Source, f.Destination, f.Bytes, f.Port = r.Source, r.Destination, r.Sent, port
	fill(r, f, &r.DestinationPlace)
	return Leaves
}

func reply(r *Record, f *Flow) Outcome {
	if r.OneWay || r.Received <= 0 {
		return InboundOnly
	}
	f.Source, f.Destination, f.Bytes, f.Port = r.Destination, r.Source, r.Received, r.DestinationPort
	fill(r, f, &r.SourcePlace)
	return Leaves
}

// fill writes what does not depend on who sent. It writes each field where it stays: a Flow that is made elsewhere and
// copied costs as much again.
func fill(r *Record, f *Flow, place *Place) {
	f.Time = r.Time
	f.Host, f.User, f.Process = Name(r.Host), Name(r.User), Name(r.Process)
	f.Place.Region, f.Place.Country, f.Place.City, f.Place.Coarse = Name(place.Region), place.Country, Name(place.City), place.Coarse
	f.Total, f.Final = r.Total, r.Final
	f.ID.Text, f.ID.Number, f.ID.Opaque = Name(r.ID.Text), r.ID.Number, r.ID.Opaque
	f.NoAlert, f.NoLearning = 0, 0
}

// Port ranges as clients and services use them. RFC 6335 lets ephemeral ports
// begin at 49152, but Linux hands out 32768 and up by default.
const (
	firstRegisteredPort = 1024
	firstEphemeralPort  = 32768
)

// servicePort guesses which port of a one-way record is the service's. A lower
// class wins: well-known before registered before ephemeral. Within a class:
//
//   - both well-known (NTP, rsh): the destination's, the record being one of bytes sent to it;
//   - both registered: the lower one, for translated clients get any port above 1024
//     and their replies would else become a key each;
//   - both ephemeral: the destination's. A service on such a port is rare, and it is
//     the inside client's request whose port must stay in one piece.
//
// Where only one port is reported, it is that one; 0 where none is.
func servicePort(source, destination uint16) uint16 {
	switch {
	case destination == 0:
		return source
	case source == 0:
		return destination
	}
	s, d := portClass(source), portClass(destination)
	switch {
	case s < d:
		return source
	case s > d:
		return destination
	case s == registered:
		return min(source, destination)
	}
	return destination
}

const (
	wellKnown = iota
	registered
	ephemeral
)

func portClass(p uint16) int {
	switch {
	case p < firstRegisteredPort:
		return wellKnown
	case p < firstEphemeralPort:
		return registered
	}
	return ephemeral
}
