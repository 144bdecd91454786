// Package detector watches entities (a port, a region, a host on a port) through event-time
// windows and finds those that send far more than usual. It knows no OpenTelemetry and no
// clock: flows and instants go in, findings come out.
//
// Its parts, from the outside in: a Detector has one lane for each span; a lane holds the open
// window and the one after it, and one space for each key; a space holds the entities of its
// key, what they share, and their sums in the open windows.
package detector

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Detector is safe for concurrent use; it takes its lock once a batch.
type Detector struct {
	settings Settings
	keyer    *keyer
	scratch  sync.Pool // *scratch

	mu       sync.Mutex
	lanes    []*lane
	tallies  tallyPool
	newest   int64     // newest event time seen, Unix nanoseconds; undefined before begun
	arrived  time.Time // when the clock last saw event time move on
	closeAt  int64     // event time at which the next window of any lane closes
	begun    bool
	resumed  bool // by Load, and no time has passed since
	late     int64
	missed   int64
	future   int64
	findings []Finding
	reader   *reader   // nil: nobody asks for readings
	snapshot *Snapshot // nil: none is being written
}

// New validates the settings and makes a detector that has learned nothing.
func New(s Settings) (*Detector, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	if s.Location == nil {
		s.Location = time.UTC
	}
	if s.Pace == nil {
		s.Pace = func(int) {}
	}
	d := &Detector{settings: s, keyer: newKeyer(s), closeAt: math.MinInt64}
	d.tallies.keyer = d.keyer
	d.scratch.New = func() any { return new(scratch) }
	for _, span := range s.spans() {
		d.lanes = append(d.lanes, newLane(s, span, d.keyer, &d.tallies))
	}
	return d, nil
}

// earliest is the first instant whose windows can be numbered without overflow: 2⁶² ns before the epoch,
// in 1823.
const earliest = -1 << 62

// Observe takes a batch of flows, now being the clock's time, and appends what it found to
// out, in the order in which it was decided. It keeps no reference to flows; the strings of some
// flows are kept until their window closes.
func (d *Detector) Observe(flows []flow.Flow, now time.Time, out []Finding) []Finding {
	_, out = d.ObserveUntil(flows, now, math.MaxInt, out)
	return out
}

// ObserveUntil does as Observe, but stops before the first flow for which windows must close that take more work than most, in
// sums that are judged. It returns how many flows it has taken. Where that is not all, what they brought is handed out
// when the rest is observed: so the findings are those of one Observe, and in the same order.
func (d *Detector) ObserveUntil(flows []flow.Flow, now time.Time, most int, out []Finding) (taken int, _ []Finding) {
	if len(flows) == 0 {
		return 0, out
	}
	sc := d.scratch.Get().(*scratch)
	defer d.scratch.Put(sc)
	d.keyer.hash(flows, sc)

	d.mu.Lock()
	defer d.mu.Unlock()
	d.resume(now)
	begun, newest := d.begun, d.newest
	taken = d.observe(flows, sc, now.Add(d.settings.MaxClockSkew).UnixNano(), most)
	if d.begun != begun || d.newest != newest {
		d.arrived = now
	}
	if taken < len(flows) {
		return taken, out
	}
	return taken, d.take(out)
}

// observe adds flows up to the first for which windows must close that take more work than most. Horizon is the instant from
// which on a flow is from the future.
func (d *Detector) observe(flows []flow.Flow, sc *scratch, horizon int64, most int) (taken int) {
	from := 0
	for i := range flows {
		switch t := flows[i].Time; {
		case t > horizon || t < earliest:
			d.future++
			sc.drop(i)
		case !d.begun:
			d.begin(t)
		case t > d.newest:
			if t >= d.closeAt {
				d.add(flows, sc, from, i)
				from = i
				if d.closingWork() > most {
					return i
				}
				d.advance(t)
			}
			d.newest = t
		}
	}
	d.add(flows, sc, from, len(flows))
	return len(flows)
}

// Tick lets time pass without traffic: event time runs on with the clock from the newest
// record, so that a silent source's windows close, and a replay of old records is not disturbed.
func (d *Detector) Tick(now time.Time, out []Finding) []Finding {
	_, out = d.TickUntil(now, math.MaxInt, out)
	return out
}

// TickUntil does as Tick, unless windows must close that take more work than most: then it does nothing, and is not done.
func (d *Detector) TickUntil(now time.Time, most int, out []Finding) (done bool, _ []Finding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.begun {
		return true, out
	}
	d.resume(now)
	if t := d.newest + max(0, now.Sub(d.arrived).Nanoseconds()); t >= d.closeAt {
		if d.closingWork() > most {
			return false, out
		}
		d.advance(t)
	}
	return true, d.take(out)
}

// closingWork is about how many sums, and what takes as long, are gone through when windows close.
func (d *Detector) closingWork() (sums int) {
	for _, l := range d.lanes {
		for _, s := range l.spaces {
			sums += len(s.current.sums) + len(s.next.sums) + len(s.missed.sums) + len(s.rhythmic)
			if d.snapshot != nil {
				sums += len(s.entities)
			}
		}
	}
	return sums
}

// resume lets the clock begin anew after a restart: until a record comes, the time without us is no silence. What was
// sent meanwhile may yet come, in its order and with its own times.
func (d *Detector) resume(now time.Time) {
	if d.resumed {
		d.arrived, d.resumed = now, false
	}
}

func (d *Detector) begin(t int64) {
	d.begun, d.newest = true, t
	d.closeAt = math.MaxInt64
	for _, l := range d.lanes {
		l.begin(t)
		d.closeAt = min(d.closeAt, l.closeAt())
	}
}

// advance closes the windows that event time t, less the allowed lateness, has passed.
func (d *Detector) advance(t int64) {
	if d.snapshot != nil {
		d.snapshot.finish(d.settings.Pace)
	}
	d.closeAt = math.MaxInt64
	for _, l := range d.lanes {
		d.findings = l.closeUntil(t, d.findings)
		d.closeAt = min(d.closeAt, l.closeAt())
	}
}

// add sums flows[from:to], none of which closes a window.
func (d *Detector) add(flows []flow.Flow, sc *scratch, from, to int) {
	if from == to {
		return
	}
	for i, l := range d.lanes {
		late, missed := l.add(flows, sc, from, to, &d.findings)
		if i == 0 {
			d.late += late
			d.missed += missed
		}
	}
}

// mainKeyBonus is by how many points a detail key must beat the rule's own key to be told first: of two
// that say the same, the simpler one.
const mainKeyBonus = 5

func precedence(f *Finding) float64 {
	if len(f.DetailFields) == 0 {
		return f.Score + mainKeyBonus
	}
	return f.Score
}

// take hands the findings out, those of one instant with the highest score first.
func (d *Detector) take(out []Finding) []Finding {
	if len(d.findings) == 0 {
		return out
	}
	slices.SortStableFunc(d.findings, func(a, b Finding) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		if c := cmp.Compare(precedence(&b), precedence(&a)); c != 0 {
			return c
		}
		return compareNames(&a, &b)
	})
	out = append(out, d.findings...)
	clear(d.findings)
	d.findings = d.findings[:0]
	return out
}

// Stats reports what the detector holds and counted.
type Stats struct {
	Late          int64          // flows that came after their window had closed
	Missed        int64          // of these, those whose window was missing, judged apart; the others joined the open one
	Future        int64          // flows from further in the future than the clock skew, or from before 1823, left out
	WindowsClosed int64          // of all spans
	Evicted       int64          // entities that made room for others
	Returned      int64          // entities that came back and were remembered
	Ghosts        int            // evicted entities that are remembered
	Overflowed    int64          // flows counted under the overflow entity
	Entities      map[string]int // by rule, its detail keys included; a detail key that rules share counts for each
	Keys          int            // entities in all, each counted once
	Newest        time.Time      // newest event time seen; zero before the first flow
	State         State
	Began         time.Time // start of the first window with traffic; zero before it is known
	ReadyAt       time.Time // start of the first window that may alert, as far as it can be told; zero with Began
}

// Stats reports counts so far.
func (d *Detector) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := Stats{Late: d.late, Missed: d.missed, Future: d.future, Entities: make(map[string]int), State: Learning}
	if d.begun {
		st.Newest = time.Unix(0, d.newest).UTC()
	}
	for _, w := range d.settings.Watches {
		st.Entities[w.Rule] = 0
	}
	for i, l := range d.lanes {
		st.WindowsClosed += l.closed
		for _, s := range l.spaces {
			st.Evicted += s.evicted
			st.Returned += s.returned
			st.Ghosts += s.ghosts.count
			st.Overflowed += s.overflowed
			st.Keys += s.index.count
			for _, o := range s.owners {
				st.Entities[o.rule] += s.index.count
			}
		}
		if i == 0 {
			st.State, st.Began, st.ReadyAt = l.state(), l.began(), l.readyAt()
		}
	}
	return st
}
