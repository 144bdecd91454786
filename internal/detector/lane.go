package detector

import (
	"math"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
)

// lane is one span's way through event time: the open window, the one after it, and the spaces
// that are watched through them.
//
// A window closes when the newest record is past its end by the allowed lateness. Until then records
// of the next window are only summed: what is expected of them depends on what the open one
// teaches. So neither what is learned nor which windows alert depends on the records' order.
type lane struct {
	span     int64 // nanoseconds
	lateness int64
	warmUp   int64
	location *time.Location
	spaces   []*space
	reader   *reader        // nil: nobody asks for readings
	pace     func(work int) // see Settings.Pace

	bucket  int64  // number of the open window since the epoch
	ordinal uint32 // how many windows were observed (closed, and not missing) before it
	slot    baseline.Slot
	flows   [2]int64 // in the open window and the next, in time or nearly so
	outage  outage

	first  int64 // number of the first window with traffic; math.MinInt64 before it is known
	ready  int64 // start of the first window that may alert; math.MinInt64 before
	alive  feed
	closed int64
	days   int64 // number of the day up to which the calibration was fitted
}

func newLane(s Settings, span time.Duration, keys *keyer, tallies *tallyPool) *lane {
	return &lane{
		span:     int64(span),
		lateness: int64(s.Lateness),
		warmUp:   int64(s.WarmUp),
		location: s.Location,
		pace:     s.Pace,
		outage:   outage{span: int64(span)},
		spaces:   newSpaces(s, span, keys, tallies),
		first:    math.MinInt64,
		ready:    math.MinInt64,
	}
}

func (l *lane) begin(t int64) {
	l.enter(flow.Window(t-l.lateness, l.span))
}

// enter makes bucket the open window.
func (l *lane) enter(bucket int64) {
	l.bucket = bucket
	l.slot = l.slotOf(bucket)
}

func (l *lane) slotOf(bucket int64) baseline.Slot {
	return baseline.SlotOf(time.Unix(0, bucket*l.span).In(l.location))
}

func (l *lane) start() int64   { return l.bucket * l.span }
func (l *lane) end() int64     { return (l.bucket + 1) * l.span }
func (l *lane) closeAt() int64 { return l.end() + l.lateness }

// learned is the event time observed before the open window. Missing windows are no part of it: a
// single record of a clock that stood must not end the warm-up.
func (l *lane) learned() int64 { return int64(l.ordinal) * l.span }

// warm says whether the open window may alert.
func (l *lane) warm() bool {
	warm := l.first != math.MinInt64 && l.learned() >= l.warmUp
	if warm && l.ready == math.MinInt64 {
		l.ready = l.start()
	}
	return warm
}

func (l *lane) state() State {
	switch {
	case !l.warm():
		return Learning
	case l.learned() < 3*l.warmUp:
		return Warming
	}
	return Ready
}

// began is the start of the first window with traffic; zero before it is known.
func (l *lane) began() time.Time {
	if l.first == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, l.first*l.span).UTC()
}

// readyAt is when the first window that may alert began, or will if none is missing; zero
// before the first window with traffic.
func (l *lane) readyAt() time.Time {
	switch {
	case l.first == math.MinInt64:
		return time.Time{}
	case l.warm():
		return time.Unix(0, l.ready).UTC()
	}
	left := (l.warmUp - l.learned() + l.span - 1) / l.span
	return time.Unix(0, (l.bucket+left)*l.span).UTC()
}

// add sums flows[from:to] and returns how many came late, and of these how many were of missing windows.
func (l *lane) add(flows []flow.Flow, sc *scratch, from, to int, found *[]Finding) (late, missed int64) {
	for from < to {
		came, n, end := l.next(sc.masses, from, to)
		switch came {
		case early:
			l.flows[1] += n
		case inTime:
			l.flows[0] += n
		case behind:
			l.flows[0] += n
			late += n
		case afterOutage:
			missed += n
			late += n
		case ancient:
			late += n
		}
		if l.first == math.MinInt64 && l.flows[0] > 0 {
			l.first = l.bucket
		}
		for _, s := range l.spaces {
			s.add(l, came, flows, sc, from, end, found)
		}
		from = end
	}
	return late, missed
}

// closeUntil closes every window that event time t, less the lateness, is past.
func (l *lane) closeUntil(t int64, found []Finding) []Finding {
	for l.closeAt() <= t {
		found = l.close(found)
		if l.flows[0] == 0 { // nothing waits in the window now open: the silence until t can be walked through quickly
			l.skip(flow.Window(t-l.lateness, l.span))
		}
		found = l.open(found)
	}
	return found
}

// pacedSums are the sums that are judged from one call of Settings.Pace to the next: some 0.15 ms.
const pacedSums = 512

// paceAt is called for each sum, or what takes as long, when a window closes; i counts them.
func (l *lane) paceAt(i int) {
	if i%pacedSums == pacedSums-1 {
		l.pace(pacedSums)
	}
}

// close ends the open window: every entity is judged, then learned from.
func (l *lane) close(found []Finding) []Finding {
	if l.first != math.MinInt64 {
		l.closed++
		if l.alive.pass(l.slot, l.flows[0] > 0) {
			found = l.learn(found)
		} else {
			l.miss(l.bucket, l.bucket+1)
		}
	}
	l.restMissed()
	l.flows[0], l.flows[1] = l.flows[1], 0
	for _, s := range l.spaces {
		s.discard(l) // ancient records may have come to a missing window
		s.current, s.next = s.next, s.current
	}
	l.enter(l.bucket + 1)
	if l.first == math.MinInt64 && l.flows[0] > 0 {
		l.first = l.bucket
	}
	return found
}

// learn judges the open window and learns from it.
func (l *lane) learn(found []Finding) []Finding {
	if l.reader != nil {
		l.reader.read(l)
	}
	endsDay := l.endsDay()
	for _, s := range l.spaces {
		found = s.close(l, endsDay, found)
	}
	l.ordinal++
	return found
}

// endsDay says whether the closing window is the first observed one to reach the end of a day.
func (l *lane) endsDay() bool {
	day := flow.Window(l.end(), int64(24*time.Hour))
	ends := day > l.days
	l.days = max(l.days, day)
	return ends
}

// longestSilence is how long a feed may be silent, as over a long weekend, before the silence is taken for
// an outage from its first window on, whatever the feed usually does at these hours.
const longestSilence = 96 * time.Hour

// skip passes over the empty windows before bucket: one by one, or, if they are too many, at once, all
// of them missing.
func (l *lane) skip(bucket int64) {
	if bucket-l.bucket <= int64(longestSilence)/l.span {
		for l.bucket < bucket {
			l.close(nil)
		}
	}
	if l.bucket < bucket {
		if l.first != math.MinInt64 {
			l.miss(l.bucket, bucket)
		}
		l.enter(bucket)
		l.restMissed()
	}
}

// open predicts what the window now open will bring, for the entities that were summed already.
func (l *lane) open(found []Finding) []Finding {
	for _, s := range l.spaces {
		found = s.open(l, found)
	}
	l.expectMissed()
	return found
}

// feed learns in which slots of the day records come at all, and so tells silence, which
// teaches that entities are inactive, from an outage, which teaches nothing.
type feed baseline.Table

// pass takes the end of a window and says whether it counts as observed. A slot that was never met
// before is taken for one that is usually silent.
func (f *feed) pass(slot baseline.Slot, active bool) (observed bool) {
	table := (*baseline.Table)(f)
	table.Pass(slot, active)
	c := &table[slot.Day]
	return active || c.Active < c.Total/2
}
