package rule

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Recurring windows are worked out up to so far ahead of the clock, and further as soon as less than half of it is left.
const workedOut = 2 * 365 * day

// span is the time from one instant to another, the first included, in nanoseconds since the epoch.
type span struct{ from, until int64 }

// schedule is when a calendar holds.
type schedule struct {
	once  []span
	again []*recurrence
	table atomic.Pointer[timetable] // nil before extend
}

// timetable is a schedule, worked out.
type timetable struct {
	spans []span // in order, apart from each other
	until int64  // what begins later is not in it; math.MaxInt64: all is in it
}

// lastBegun is the place of the last span that begins at an instant or before, -1 if none does.
func lastBegun(spans []span, at int64) int {
	i, found := slices.BinarySearchFunc(spans, at, func(s span, at int64) int { return cmp.Compare(s.from, at) })
	if found {
		return i
	}
	return i - 1
}

// extend works the schedule out for the time that the clock is about to reach, and says whether there was anything to do.
func (s *schedule) extend(now time.Time) (changed bool) {
	if table := s.table.Load(); table != nil && nanoseconds(now.Add(workedOut/2)) < table.until {
		return false
	}
	s.table.Store(s.workOut(nanoseconds(now.Add(workedOut))))
	return true
}

// nanoseconds is an instant since the epoch; what is before that, or beyond what can be told, is at the end of it.
func nanoseconds(at time.Time) int64 {
	switch year := at.Year(); {
	case year < 1970:
		return 0
	case year > lastYear:
		return math.MaxInt64
	}
	return at.UnixNano()
}

func (s *schedule) workOut(until int64) *timetable {
	spans, rest := slices.Clone(s.once), false
	for _, r := range s.again {
		r.walk(func(next span) bool {
			if next.from > until {
				rest = true
				return false
			}
			spans = append(spans, next)
			return true
		})
	}
	if !rest {
		until = math.MaxInt64
	}
	return &timetable{spans: joined(spans), until: until}
}

// joined sorts spans, and joins those that touch.
func joined(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	apart := spans[:0]
	for _, s := range spans {
		if last := len(apart) - 1; last >= 0 && s.from <= apart[last].until {
			apart[last].until = max(apart[last].until, s.until)
			continue
		}
		apart = append(apart, s)
	}
	return slices.Clip(apart)
}

// holds says whether an instant is within one of the spans.
func (t *timetable) holds(at int64) bool {
	i := lastBegun(t.spans, at)
	return i >= 0 && at < t.spans[i].until
}

// ended says whether no window is open at an instant and none comes any more.
func (t *timetable) ended(at int64) bool {
	return t.until == math.MaxInt64 && (len(t.spans) == 0 || t.spans[len(t.spans)-1].until <= at)
}

// passed counts the windows that begin at one instant or later and are over at another.
func (t *timetable) passed(from, at int64) int {
	last := lastBegun(t.spans, at)
	if last >= 0 && at < t.spans[last].until {
		last--
	}
	return max(0, last-lastBegun(t.spans, from-1))
}
