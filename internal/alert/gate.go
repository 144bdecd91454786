package alert

import (
	"encoding/binary"
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

const (
	// risen is by how many points a score must exceed the last one told to be news.
	risen = 10
	// grown is by what factor the bytes of entities without a place of their own must exceed those told to be news: what
	// alerted first may be one of them, and what follows another.
	grown = 10
	// maxRemembered bounds the entities, and the groups, whose last alerts are remembered; the one whose last alert
	// is the oldest is forgotten first, and may then alert again early.
	maxRemembered = 1 << 15
	// maxTried is the same for rules in dry run.
	maxTried = 1 << 12
	// rememberFor is how long an entity or a group is remembered after its last alert, event time.
	rememberFor = 5 * 7 * 24 * time.Hour
	// maxTold bounds the windows that are remembered of one entity.
	maxTold = 4

	defaultInterval       = 15 * time.Minute
	defaultMaxPerInterval = 100
)

// Policy says what a gate does with the findings of a rule.
type Policy struct {
	// SuppressFor is for how long after an alert further findings of the same group are held back, event time.
	SuppressFor time.Duration
	// Grouping says what the findings of a group have in common.
	Grouping rule.Grouping
	// DryRun lets alerts leave, marked, by a passage that other rules' alerts do not use.
	DryRun bool
}

// GateOptions say how many alerts may leave.
type GateOptions struct {
	Interval       time.Duration            // of event time, aligned to the epoch, over which alerts are capped; 0: 15 min
	MaxPerInterval int                      // anomalies that may leave in an interval; 0: 100
	Policy         func(rule string) Policy // nil: the zero Policy for all
	// Remembers says whether a contributor's name may be remembered that an earlier gate has kept, by its field; nil: all may.
	Remembers func(flow.Field) bool
}

// Gate decides which findings become alerts. Per rule,
//   - after an alert, findings of the same group are held back for a time, unless one in another window scores
//     ten points or more above the last that was told, or, where the group is an entity and something besides, that is
//     something that no alert since has named: most of its bytes come from another machine, say;
//   - one window of an entity is told of at most twice: when first found, and once more when it closes ten
//     points or more above that, or, of entities that had no room, with ten times the bytes, as an update which
//     names the first alert's UID;
//   - what is held back is counted in the group's next alert, and what no alert has counted when the time is over, in
//     a Suppression.
//
// Over all, no more than MaxPerInterval leave in an interval; an Overflow tells of the rest when the
// interval ends. Rules in dry run have a cap and a memory of their own, and take nothing from the others. What a Gate
// remembers is bounded. It is not safe for concurrent use.
type Gate struct {
	options  GateOptions
	interval int64 // number of the current one since the epoch
	live     passage
	dry      passage // of rules in dry run
}

// GateStats counts findings since the gate was made.
type GateStats struct {
	Alerted    int64 // that left as alerts, updates included
	Suppressed int64 // windows held back because their group had alerted before
	Overflowed int64 // windows held back because their interval was full
}

// Held is the number of windows held back, for whatever reason.
func (s GateStats) Held() int64 { return s.Suppressed + s.Overflowed }

// NewGate makes a gate that remembers nothing.
func NewGate(o GateOptions) *Gate {
	o = o.orDefaults()
	return &Gate{options: o, live: newPassage(o.MaxPerInterval, maxRemembered, false), dry: newPassage(o.MaxPerInterval, maxTried, true)}
}

func (o GateOptions) orDefaults() GateOptions {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.MaxPerInterval <= 0 {
		o.MaxPerInterval = defaultMaxPerInterval
	}
	if o.Policy == nil {
		o.Policy = func(string) Policy { return Policy{} }
	}
	if o.Remembers == nil {
		o.Remembers = func(flow.Field) bool { return true }
	}
	return o
}

// Follow makes the gate go by other options from now on; what it remembers stays. The interval must be the same.
func (g *Gate) Follow(o GateOptions) {
	g.options = o.orDefaults()
	for _, p := range g.passages() {
		p.maxPerInterval = g.options.MaxPerInterval
	}
}

// Stats reports counts so far, of rules that are not in dry run.
func (g *Gate) Stats() GateStats { return g.live.stats }

// DryRunStats reports counts so far of rules in dry run.
func (g *Gate) DryRunStats() GateStats { return g.dry.stats }

// Admit appends the alerts that the findings make to out. Where a finding begins a new interval, the
// Overflow of the last one comes before it, and so do the Suppressions that have ended.
func (g *Gate) Admit(findings []detector.Finding, out []Alert) []Alert {
	for i := range findings {
		f := &findings[i]
		out = g.Tick(f.Time, out)
		policy, through := g.options.Policy(f.Rule), &g.live
		if policy.DryRun {
			through = &g.dry
		}
		out = through.admit(f, policy, out)
	}
	return out
}

// Tick lets event time pass. It appends the Overflow of an interval that has ended, if there is one, and the Suppressions
// that have ended, no more of either kind of rule than MaxPerInterval in an interval: the others wait for the next.
func (g *Gate) Tick(eventTime time.Time, out []Alert) []Alert {
	interval := flow.Window(eventTime.UnixNano(), int64(g.options.Interval))
	ended := interval > g.interval
	for _, p := range g.passages() {
		if ended {
			out = p.end(g.start(), g.options.Interval, out)
		}
		out = p.sumUp(eventTime, out)
		p.forget(eventTime)
	}
	if ended {
		g.interval = interval
	}
	return out
}

func (g *Gate) passages() [2]*passage { return [...]*passage{&g.live, &g.dry} }

// start is when the current interval began.
func (g *Gate) start() time.Time { return time.Unix(0, g.interval*int64(g.options.Interval)).UTC() }

// window identifies one window of an entity.
type window struct {
	start int64
	span  time.Duration
}

func windowOf(f *detector.Finding) window { return window{f.WindowStart.UnixNano(), f.Span} }

// appendEntityKey writes the rule and entity of a finding, each part preceded by its length.
func appendEntityKey(key []byte, f *detector.Finding) []byte {
	key = appendPart(key, f.Rule)
	for _, value := range f.Values {
		key = appendPart(key, value)
	}
	return key
}

func appendPart(key []byte, part string) []byte {
	key = binary.AppendUvarint(key, uint64(len(part)))
	return append(key, part...)
}
