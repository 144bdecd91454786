// Package flow holds the words that every other package speaks: the record as a
// source reports it, the flow of bytes that leaves, and the fields a rule may
// key on. It knows neither OpenTelemetry nor statistics.
package flow

import (
	"net/netip"
	"strconv"
)

// Direction is the direction that an event itself declares, seen from the
// organisation's network (ECS network.direction and its relatives), not from
// one host's interface.
type Direction uint8

// The directions an event may declare.
const (
	Undeclared Direction = iota // the event does not say
	Outbound                    // the initiator is inside, the responder outside
	Inbound                     // the initiator is outside, the responder inside
	Internal                    // both ends inside
	External                    // both ends outside
)

// UnknownBytes marks a byte count that the source does not report.
const UnknownBytes int64 = -1

// Record is one observation as its source reports it, before anyone has asked
// which end is inside. Strings alias the decoded batch's memory, and are whatever the source wrote.
type Record struct {
	Time            int64      // event time, nanoseconds since the Unix epoch
	Source          netip.Addr // unmapped (never IPv4-in-IPv6), without zone
	Destination     netip.Addr // as Source
	SourcePort      uint16     // 0: not reported
	DestinationPort uint16     // 0: not reported
	Sent            int64      // bytes source → destination; UnknownBytes if not reported
	Received        int64      // bytes destination → source; UnknownBytes if not reported
	Direction       Direction  // as the event declares it
	// OneWay is set where the source counts each direction in a record of its own
	// (NetFlow, VPC flow logs), so that source and destination do not tell who is
	// client and who is service.
	OneWay bool
	// Total, when not 0, identifies a series of records whose byte counts are running
	// totals of one connection, each including the one before (Packetbeat). Final marks the last.
	Total uint64
	Final bool
	ID    ID // by which the source names the flow

	Host    string // host.name of the reporting host, "" if none
	User    string // user.name
	Process string // process.name

	SourcePlace      Place // where the event itself places the source
	DestinationPlace Place // where the event itself places the destination
}

// Place is where an address is. The zero Place is unknown.
type Place struct {
	Region  string // name of the first-level subdivision; the country's where none is known
	Country string // ISO 3166-1 alpha-2, upper case
	City    string
	// Coarse says that Region is really the country, standing in for a region that nobody knew.
	Coarse bool
}

// ID names a flow where its source does: a text, or, where Text is "", a number. The zero ID is none.
type ID struct {
	Text   string
	Number int64
	// Opaque says that nothing can be learned from the id but by whoever has the source's logs. A community id, a hash
	// of addresses and ports, can be turned back by trying, and Packetbeat's flow.id holds them as they are.
	Opaque bool
}

// String returns the name as text, "" for none.
func (id ID) String() string {
	if id.Text == "" && id.Number != 0 {
		return strconv.FormatInt(id.Number, 10)
	}
	return id.Text
}

// Flow is one observation of bytes that leave: from an internal source to an
// external destination, under the port of the service that was used. Its names are such as
// Name returns.
type Flow struct {
	Time        int64 // event time, nanoseconds since the Unix epoch
	Bytes       int64 // bytes that left, > 0
	Source      netip.Addr
	Destination netip.Addr
	Port        uint16 // service port; 0: none known
	Host        string // host.name, or "" where the source address stands for the host
	User        string
	Process     string
	Place       Place // of Destination
	// Total and Final as in Record: where Total is not 0, Bytes is a running total.
	Total uint64
	Final bool
	ID    ID
	// NoAlert are the rules towards whose alerts the bytes do not count, NoLearning those whose baselines they do
	// not teach.
	NoAlert, NoLearning RuleSet
}

// RuleSet is a set of rules by their numbers, which are their places among the rules at work.
type RuleSet uint64

// TellableRules is how many rules a RuleSet tells apart: the first ones. The others are in it together.
const TellableRules = 63

// AllRules is the set of all rules.
const AllRules RuleSet = 1<<(TellableRules+1) - 1

// RuleNumber is the set of the rule with that number, which is not negative.
func RuleNumber(i int) RuleSet { return 1 << min(i, TellableRules) }
