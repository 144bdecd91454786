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

	bucket  int64  // number of the open window since the epoch
	ordinal uint32 // how many windows were observed (closed, and not missing) before it
	slot    baseline.Slot
	flows   [2]int64 // in the open window and the next

	first  int64 // number of the first window with traffic; math.MinInt64 before it is known
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
		spaces:   newSpaces(s, span, keys, tallies),
		first:    math.MinInt64,
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (l *lane) begin(t int64) {
	l.enter(floorDiv(t-l.lateness, l.span))
}

// enter makes bucket the open window.
func (l *lane) enter(bucket int64) {
	l.bucket = bucket
	l.slot = l.slotOf(bucket)
}

func (l *lane) slotOf(bucket int64) baseline.Slot {
	return baseline.SlotOf(time.Unix(0, bucket*l.span).In(l.location))
}

func (l *lane) start() int64 { return l.bucket * l.span }

// startOf is the start of the open window or of the next.
func (l *lane) startOf(next bool) int64 {
	if next {
		return l.end()
	}
	return l.start()
}
func (l *lane) end() int64     { return (l.bucket + 1) * l.span }
func (l *lane) closeAt() int64 { return l.end() + l.lateness }

// learned is the event time watched before the open window.
func (l *lane) learned() int64 {
	if l.first == math.MinInt64 {
		return 0
	}
	return (l.bucket - l.first) * l.span
}

// warm says whether the open window may alert.
func (l *lane) warm() bool { return l.learned() >= l.warmUp }

func (l *lane) state() State {
	switch n := l.learned(); {
	case n < l.warmUp || l.first == math.MinInt64:
		return Learning
	case n < 3*l.warmUp:
		return Warming
	}
	return Ready
}

func (l *lane) readyAt() time.Time {
	if l.first == math.MinInt64 {
		return time.Time{}
	}
	// The first window that starts a whole warm-up after the first one with traffic.
	return time.Unix(0, (l.first+(l.warmUp+l.span-1)/l.span)*l.span).UTC()
}

// add sums flows[from:to] and returns how many came late.
func (l *lane) add(flows []flow.Flow, sc *scratch, from, to int, found *[]Finding) (late int64) {
	start, end := l.start(), l.end()
	for _, m := range sc.masses[from:to] {
		switch {
		case m.bytes == 0:
		case m.time >= end:
			l.flows[1]++
		default:
			l.flows[0]++
			if m.time < start {
				late++
			}
		}
	}
	if l.first == math.MinInt64 && l.flows[0] > 0 {
		l.first = l.bucket
	}
	for _, s := range l.spaces {
		s.add(l, flows, sc, from, to, end, found)
	}
	return late
}

// closeUntil closes every window that event time t, less the lateness, is past.
func (l *lane) closeUntil(t int64, found []Finding) []Finding {
	for l.closeAt() <= t {
		found = l.close(found)
		if l.flows[0] == 0 { // nothing waits in the window now open: the silence until t can be walked through quickly
			l.skip(floorDiv(t-l.lateness, l.span))
		}
		found = l.open(found)
	}
	return found
}

// close ends the open window: every entity is judged, then learned from.
func (l *lane) close(found []Finding) []Finding {
	active := l.flows[0] > 0
	if l.first != math.MinInt64 {
		observed := l.alive.pass(l.slot, active)
		l.closed++
		if observed {
			endsDay := l.endsDay()
			for _, s := range l.spaces {
				found = s.close(l, endsDay, found)
			}
			l.ordinal++
		}
	}
	l.flows[0], l.flows[1] = l.flows[1], 0
	for _, s := range l.spaces {
		s.current, s.next = s.next, s.current
	}
	l.enter(l.bucket + 1)
	if l.first == math.MinInt64 && l.flows[0] > 0 {
		l.first = l.bucket
	}
	return found
}

// endsDay says whether the closing window is the first observed one to reach the end of a day.
func (l *lane) endsDay() bool {
	day := floorDiv(l.end(), int64(24*time.Hour))
	ends := day > l.days
	l.days = max(l.days, day)
	return ends
}

// maxSkip bounds how many empty windows are looked at one by one: four weeks of three hours.
const maxSkip = 224

// skip passes over the empty windows before bucket.
func (l *lane) skip(bucket int64) {
	if l.first != math.MinInt64 {
		for n := 0; l.bucket < bucket && n < maxSkip; n++ {
			l.close(nil)
		}
	}
	if l.bucket < bucket {
		l.enter(bucket)
	}
}

// open predicts what the window now open will bring, for the entities that were summed already.
func (l *lane) open(found []Finding) []Finding {
	for _, s := range l.spaces {
		found = s.open(l, found)
	}
	return found
}

// feed learns in which slots of the day records come at all, and so tells silence, which
// teaches that entities are inactive, from an outage, which teaches nothing.
type feed baseline.Table

// pass takes the end of a window and says whether it counts as observed.
func (f *feed) pass(slot baseline.Slot, active bool) (observed bool) {
	c := (*baseline.Table)(f)[slot.Day]
	(*baseline.Table)(f).Pass(slot, active)
	return active || c.Total > 0 && c.Active < c.Total/2
}
