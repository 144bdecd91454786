package rule

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/condition"
	"github.com/otel-exfil/exfil/internal/flow"
)

// ExceptionSpan is the span of the windows, aligned to the epoch, over which an exception's
// max_bytes counts.
const ExceptionSpan = 3 * time.Hour

// MaxExceptions bounds how many there may be: each that a flow does not fall under costs it some nanoseconds.
const MaxExceptions = 1000

// ASNLookup returns the number of the autonomous system that announces an address, and who runs it. It must be safe for
// concurrent use.
type ASNLookup func(netip.Addr) (number uint32, organization string, ok bool)

// ExceptionOptions are what exceptions need to know beside their configuration.
type ExceptionOptions struct {
	// Rules are all rules, disabled ones included, in the order of Resolve; nil: nobody knows, and what exceptions say
	// of rules is not checked.
	Rules  []Rule
	ASN    ASNLookup   // nil: there is no database
	Now    time.Time   // from when on it counts for how long an exception has matched nothing
	Logger *zap.Logger // is told of files that have changed; nil: nobody is
}

// Exceptions decides which flows are known and expected, and what they are therefore kept from: exceptions, or calendars.
// Its methods are safe for concurrent use but for those that say otherwise. The zero value excepts nothing.
type Exceptions struct {
	key    string // of the configuration: exceptions or calendars
	list   []exception
	files  []*networkFile // each once
	asn    ASNLookup
	logger *zap.Logger

	// numbered are, by exception, the rules that it holds for, by their numbers among those at work. They change when these do.
	numbered *atomic.Pointer[[]flow.RuleSet]

	reading  sync.Mutex // held by reload
	failures atomic.Int64
	loop     loop

	sieve     *sieve                  // of exceptions
	agenda    *atomic.Pointer[agenda] // of calendars
	extending sync.Mutex              // held by Extend
}

type exception struct {
	name, owner, reason string

	schedule *schedule // nil: it holds at all times

	networks   *bart.Lite     // nil: none are named
	files      []*networkFile // that name more
	asns       []uint32       // nil: any; sorted
	ofSource   bool           // networks and asns are about the source
	ports      []portRange    // nil: any; sorted, apart from each other
	countries  []string       // nil: any
	regions    []string       // nil: any; patterns in lower case, as all of them
	hosts      []string       // nil: any
	users      []string       // nil: any
	processes  []string       // nil: any
	conditions *condition.Any // nil: none

	rules         []string // it holds for; nil: all
	alert, learns bool     // what the flows do all the same
	ends          int64    // nanoseconds since the epoch; 0: never
	ceiling       int64    // bytes a window; unlimited if none

	spent  ledger
	counts exceptionCounts
}

// portRange is a range of ports, both of them included.
type portRange struct{ first, last uint16 }

const unlimited = -1

// Len returns how many exceptions there are.
func (e *Exceptions) Len() int { return len(e.list) }

// Name returns the name of the exception with index i, as Match returned it.
func (e *Exceptions) Name(i int) string { return e.list[i].name }

// Match appends to out the indexes of the exceptions that f falls under: for each rule the first that holds for it, in the
// order of the configuration. Record is the log record that f is of, nil if it is of none. Whether an
// exception has expired, or a calendar holds, is decided by the flow's event time, so that a replay decides as
// the stream did. A flow without a host name is matched by its source address instead.
// Match allocates nothing, but what OTTL conditions do.
func (e *Exceptions) Match(f *flow.Flow, record *condition.Record, out []int32) []int32 {
	switch {
	case len(e.list) == 0:
		return out
	case e.agenda != nil:
		return e.matchHolding(f, record, out)
	}
	left := e.sieve.of(f.Port, [2]netip.Addr{f.Destination, f.Source})
	i, ok := left.next()
	if !ok { // as of most flows
		return out
	}
	m := e.matching(f, record, out)
	for ok && m.try(i) {
		i, ok = left.next()
	}
	return m.out
}

// matchHolding is Match among the calendars that hold.
func (e *Exceptions) matchHolding(f *flow.Flow, record *condition.Record, out []int32) []int32 {
	holding := e.agenda.Load().at(f.Time)
	if len(holding) == 0 {
		return out
	}
	m := e.matching(f, record, out)
	for _, i := range holding {
		if !m.try(int(i)) {
			break
		}
	}
	return m.out
}

func (e *Exceptions) matching(f *flow.Flow, record *condition.Record, out []int32) matching {
	return matching{Exceptions: e, subject: subject{flow: f, record: record}, rules: *e.numbered.Load(), open: flow.AllRules, out: out}
}

// matching is one call of Match.
type matching struct {
	*Exceptions
	subject subject
	rules   []flow.RuleSet
	open    flow.RuleSet // that none has held for yet
	out     []int32
}

// try takes exception i if the flow falls under it, and says whether there is any use in trying others.
func (m *matching) try(i int) bool {
	if m.rules[i]&m.open != 0 && m.list[i].matches(&m.subject, m.asn) {
		m.out = append(m.out, int32(i))
		m.open &^= m.rules[i]
	}
	return m.open != 0
}

// subject is a flow that is matched, and what was looked up of it.
type subject struct {
	flow   *flow.Flow
	record *condition.Record
	asns   [2]uint32 // of the destination and the source
	looked [2]bool
}

func (s *subject) asn(end int, a netip.Addr, lookup ASNLookup) uint32 {
	if !s.looked[end] {
		s.asns[end], _, _ = lookup(a)
		s.looked[end] = true
	}
	return s.asns[end]
}

// matches asks what is cheap to answer first.
func (x *exception) matches(s *subject, lookup ASNLookup) bool {
	f := s.flow
	if x.ends != 0 && f.Time >= x.ends {
		return false
	}
	if x.ports != nil && !matchesPort(x.ports, f.Port) {
		return false
	}
	if x.countries != nil && !slices.Contains(x.countries, f.Place.Country) {
		return false
	}
	end, address := 0, f.Destination
	if x.ofSource {
		end, address = 1, f.Source
	}
	if (x.networks != nil || x.files != nil) && !x.holdsAddress(address) {
		return false
	}
	if !matchesName(x.regions, f.Place.Region) || !matchesName(x.users, f.User) || !matchesName(x.processes, f.Process) {
		return false
	}
	if x.hosts != nil && !matchesHost(x.hosts, f) {
		return false
	}
	if x.asns != nil {
		if _, ok := slices.BinarySearch(x.asns, s.asn(end, address, lookup)); !ok {
			return false
		}
	}
	return x.conditions == nil || s.record != nil && x.conditions.Holds(s.record)
}

func (x *exception) holdsAddress(a netip.Addr) bool {
	if x.networks != nil && x.networks.Contains(a) {
		return true
	}
	for _, file := range x.files {
		if file.contains(a) {
			return true
		}
	}
	return false
}

func matchesPort(ranges []portRange, port uint16) bool {
	_, ok := slices.BinarySearchFunc(ranges, port, func(r portRange, port uint16) int {
		if r.first <= port && port <= r.last {
			return 0
		}
		return cmp.Compare(r.first, port)
	})
	return ok
}

// Admit counts the bytes of f, which Match found under the exception with index i, and
// notes in f what they are kept from. It reports false, and notes nothing, once the bytes of the flow's window exceed
// max_bytes, from when on the exception's flows are ordinary traffic. It counts f.Bytes as they are, so
// running totals must have been made increments before. now is the clock's time: a flow from
// further ahead than a window is not excepted and not counted, so that a wrong clock
// somewhere cannot spend or renew the ceiling; a flow from before the last two windows counts
// in the older of them.
// Admit must not be called while Admit, Stats, Review, Save or Load is.
func (e *Exceptions) Admit(i int, f *flow.Flow, now time.Time) bool {
	x := &e.list[i]
	if x.ceiling != unlimited {
		if f.Time > now.Add(ExceptionSpan).UnixNano() {
			return false
		}
		if x.spent.add(f.Time, f.Bytes) > x.ceiling {
			x.counts.exceed(f, now)
			return false
		}
	}
	x.counts.except(f, now)
	rules := (*e.numbered.Load())[i]
	if !x.alert {
		f.NoAlert |= rules
	}
	if !x.learns {
		f.NoLearning |= rules
	}
	return true
}
