package alert

import (
	"container/list"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
)

const (
	// risen is by how many points a score must exceed the last one told to be news.
	risen = 10
	// grown is by what factor the bytes of entities without a place of their own must exceed those told to be news: what
	// alerted first may be one of them, and what follows another.
	grown = 10
	// maxRemembered bounds the entities whose last alerts are remembered; the one whose last alert
	// is the oldest is forgotten first, and may then alert again early.
	maxRemembered = 1 << 15
	// rememberFor is how long an entity is remembered after its last alert, event time.
	rememberFor = 5 * 7 * 24 * time.Hour
	// maxTold bounds the windows that are remembered of one entity.
	maxTold = 4
	// maxSenders bounds the machines whose alerts of one entity are told apart.
	maxSenders = 8

	defaultInterval       = 15 * time.Minute
	defaultMaxPerInterval = 100
)

// GateOptions say how many alerts may leave.
type GateOptions struct {
	Interval       time.Duration // of event time, aligned to the epoch, over which alerts are capped; 0: 15 min
	MaxPerInterval int           // anomalies that may leave in an interval; 0: 100
	// SuppressFor says for how long after an alert of a rule further findings of the same
	// entity are held back, event time; nil: for no time at all.
	SuppressFor func(rule string) time.Duration
	// Remembers says whether the name of a main sender may be remembered that an earlier gate has named; nil: all may.
	Remembers func(sender string) bool
}

// Gate decides which findings become alerts. Per rule and entity,
//   - after an alert, findings are held back for SuppressFor, unless one in another window scores
//     ten points or more above the last that was told, or most of its bytes come from a machine
//     that no alert since has named so;
//   - one window is told of at most twice: when first found, and once more when it closes ten
//     points or more above that, or, of entities that had no room, with ten times the bytes, as an update which
//     names the first alert's UID;
//   - what is held back is counted in the entity's next alert.
//
// Over all, no more than MaxPerInterval leave in an interval; an Overflow tells of the rest when the
// interval ends. What a Gate remembers is bounded. It is not safe for concurrent use.
type Gate struct {
	options  GateOptions
	memory   map[string]*list.Element // of *remembered, by entityKey
	order    *list.List               // by last alert, the oldest first
	interval int64                    // number of the current one since the epoch
	left     int                      // alerts that left in it
	overflow overflow
	stats    GateStats
	key      []byte // scratch
}

// GateStats counts findings since the gate was made.
type GateStats struct {
	Alerted    int64 // that left as alerts, updates included
	Suppressed int64 // windows held back because their entity had alerted before
	Overflowed int64 // that were held back because their interval was full
}

// remembered is what the gate knows of a rule's entity that has alerted.
type remembered struct {
	key        string
	at         time.Time // event time of the last alert that was no update
	score      float64   // of the last alert
	suppressed int       // windows with findings that were held back since then
	held       window    // the last of them
	told       []told    // the latest windows
	senders    []string  // main senders named since the suppression began
	encoded    []byte    // as save writes it; nil: it has changed since
}

// window identifies one window of an entity.
type window struct {
	start int64
	span  time.Duration
}

func windowOf(f *detector.Finding) window { return window{f.WindowStart.UnixNano(), f.Span} }

// hold counts the finding's window as held back, once however many keys find it, and says whether it
// is the first time.
func (m *remembered) hold(f *detector.Finding) bool {
	w := windowOf(f)
	if m.held == w {
		return false
	}
	m.held = w
	m.suppressed++
	m.changed()
	return true
}

// told is a window that an alert has told of.
type told struct {
	window
	uid     string
	score   float64
	bytes   int64
	updated bool
}

// NewGate makes a gate that remembers nothing.
func NewGate(o GateOptions) *Gate {
	return &Gate{options: o.orDefaults(), memory: make(map[string]*list.Element), order: list.New()}
}

func (o GateOptions) orDefaults() GateOptions {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.MaxPerInterval <= 0 {
		o.MaxPerInterval = defaultMaxPerInterval
	}
	if o.SuppressFor == nil {
		o.SuppressFor = func(string) time.Duration { return 0 }
	}
	if o.Remembers == nil {
		o.Remembers = func(string) bool { return true }
	}
	return o
}

// Follow makes the gate go by other options from now on; what it remembers stays. The interval must be the same.
func (g *Gate) Follow(o GateOptions) { g.options = o.orDefaults() }

// Stats reports counts so far.
func (g *Gate) Stats() GateStats { return g.stats }

// Admit appends the alerts that the findings make to out. Where a finding begins a new interval, the
// Overflow of the last one comes before it.
func (g *Gate) Admit(findings []detector.Finding, out []Alert) []Alert {
	for i := range findings {
		f := &findings[i]
		out = g.Tick(f.Time, out)
		out = g.admit(f, out)
	}
	return out
}

// Tick lets event time pass and appends the Overflow of an interval that has ended, if there is one.
func (g *Gate) Tick(eventTime time.Time, out []Alert) []Alert {
	g.forget(eventTime)
	interval := floorDivide(eventTime.UnixNano(), int64(g.options.Interval))
	if interval <= g.interval {
		return out
	}
	if g.overflow.alerts > 0 {
		out = append(out, g.overflow.report(g.interval, g.options))
		g.overflow = overflow{}
	}
	g.interval, g.left = interval, 0
	return out
}

func floorDivide(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (g *Gate) admit(f *detector.Finding, out []Alert) []Alert {
	g.key = appendEntityKey(g.key[:0], f)
	var m *remembered
	element := g.memory[string(g.key)]
	if element != nil {
		m = element.Value.(*remembered)
	}
	state, first := g.judge(f, m)
	if state == "" {
		// A window that was told of holds nothing back: its other keys' findings are the same news.
		if first == nil && m.hold(f) {
			g.stats.Suppressed++
		}
		return out
	}
	if g.left >= g.options.MaxPerInterval {
		if g.overflow.add(f) {
			g.stats.Overflowed++
		}
		if m != nil {
			m.hold(f)
		}
		return out
	}
	g.left++
	g.stats.Alerted++
	a := Anomaly{Finding: *f, UID: findingUID(f, state)}
	if m != nil {
		a.Suppressed = m.suppressed
	}
	if state == stateUpdate {
		a.UpdateOf = first.uid
		first.updated = true
		m.score, m.suppressed = f.Score, 0
		m.changed()
		return append(out, a)
	}
	g.remember(element, f, a.UID)
	return append(out, a)
}

// judge says in which state a finding is to be told, "" if it is to be held back, and which telling
// of its window came first.
func (g *Gate) judge(f *detector.Finding, m *remembered) (state string, first *told) {
	if m == nil {
		return stateNew, nil
	}
	for i := range m.told {
		if t := &m.told[i]; t.window == windowOf(f) {
			if f.Phase == detector.Closing && !t.updated && (f.Score >= t.score+risen || isOverflow(f) && f.Actual/grown >= t.bytes) {
				return stateUpdate, t
			}
			return "", t
		}
	}
	if f.Time.Sub(m.at) < g.options.SuppressFor(f.Rule) && f.Score < m.score+risen && !m.newSender(f) {
		return "", nil
	}
	return stateNew, nil
}

// isOverflow says whether a finding is of the entities that found no room.
func isOverflow(f *detector.Finding) bool {
	return slices.Contains(f.Values, detector.OverflowValue)
}

// newSender says whether one machine sent most of the bytes that no alert within the suppression has
// named so: another host's theft is news, whoever else uses its port.
func (m *remembered) newSender(f *detector.Finding) bool {
	sender := mainSender(f)
	return sender != "" && len(m.senders) < maxSenders && !slices.Contains(m.senders, sender)
}

// mainSender names the machine that sent more than half of the bytes, "" if none did.
func mainSender(f *detector.Finding) string {
	c := machines(f)
	if !dominates(c, f) {
		return ""
	}
	return c.Values[0]
}

// remember notes that an alert left, element being what is known of the entity already, or nil.
func (g *Gate) remember(element *list.Element, f *detector.Finding, uid string) {
	if element == nil {
		if g.order.Len() >= maxRemembered {
			g.drop(g.order.Front())
		}
		element = g.order.PushBack(&remembered{key: string(g.key)})
		g.memory[string(g.key)] = element
	} else {
		g.order.MoveToBack(element)
	}
	m := element.Value.(*remembered)
	if f.Time.Sub(m.at) >= g.options.SuppressFor(f.Rule) {
		m.senders = m.senders[:0]
	}
	if sender := mainSender(f); sender != "" && len(m.senders) < maxSenders && !slices.Contains(m.senders, sender) {
		m.senders = append(m.senders, strings.Clone(sender))
	}
	m.at, m.score, m.suppressed = f.Time, f.Score, 0
	if len(m.told) == maxTold {
		m.told = slices.Delete(m.told, 0, 1)
	}
	m.told = append(m.told, told{window: windowOf(f), uid: uid, score: f.Score, bytes: f.Actual})
	m.changed()
}

func (g *Gate) forget(now time.Time) {
	for e := g.order.Front(); e != nil && now.Sub(e.Value.(*remembered).at) > rememberFor; e = g.order.Front() {
		g.drop(e)
	}
}

func (g *Gate) drop(e *list.Element) {
	delete(g.memory, e.Value.(*remembered).key)
	g.order.Remove(e)
}

// appendEntityKey writes the rule and entity of a finding, each part preceded by its length.
func appendEntityKey(key []byte, f *detector.Finding) []byte {
	key = binary.AppendUvarint(key, uint64(len(f.Rule)))
	key = append(key, f.Rule...)
	for _, value := range f.Values {
		key = binary.AppendUvarint(key, uint64(len(value)))
		key = append(key, value...)
	}
	return key
}

// overflow collects what an interval's Overflow will tell.
type overflow struct {
	alerts   int
	rules    map[string]int
	entities []OverflowEntity
	windows  []window // of entities, the last one counted
	others   int
}

// add counts the alert that a finding would have been, and says whether it is one more: several keys
// may find one window of a listed entity.
func (o *overflow) add(f *detector.Finding) bool {
	w := windowOf(f)
	listed := slices.IndexFunc(o.entities, func(e OverflowEntity) bool {
		return e.Rule == f.Rule && slices.Equal(e.Values, f.Values)
	})
	switch {
	case listed >= 0 && o.windows[listed] == w:
		return false
	case listed >= 0:
		o.entities[listed].Alerts++
		o.windows[listed] = w
	case len(o.entities) < OverflowEntities:
		o.entities = append(o.entities, OverflowEntity{Rule: f.Rule, Fields: f.Fields, Values: f.Values, Alerts: 1})
		o.windows = append(o.windows, w)
	default:
		o.others++
	}
	if o.rules == nil {
		o.rules = make(map[string]int)
	}
	o.alerts++
	o.rules[f.Rule]++
	return true
}

func (o *overflow) report(interval int64, options GateOptions) Overflow {
	start := time.Unix(0, interval*int64(options.Interval)).UTC()
	r := Overflow{
		Start: start, End: start.Add(options.Interval), MaxPerInterval: options.MaxPerInterval,
		Alerts: o.alerts, Entities: o.entities, Others: o.others,
	}
	for _, id := range slices.Sorted(maps.Keys(o.rules)) {
		r.Rules = append(r.Rules, OverflowRule{Rule: id, Alerts: o.rules[id]})
	}
	return r
}
