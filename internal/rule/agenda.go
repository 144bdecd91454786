package rule

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// agenda says of any instant which calendars hold, by one search however many there are. It is safe for concurrent use, and
// costs the path of a record neither a lock nor memory.
type agenda struct {
	changes []int64      // the instants at which it changes which ones hold, in order
	holding []uint32     // from there on: an index of sets
	sets    [][]int32    // indexes of calendars, in order; the first is empty
	hint    atomic.Int64 // the place in changes that was asked for last: flows come nearly in order
}

// change is that a calendar begins to hold, or ceases to.
type change struct {
	at       int64
	calendar int
}

// calendarSet is a set of calendars, one bit each.
type calendarSet [(MaxCalendars + 63) / 64]uint64

// newAgenda makes one of the timetables of all calendars. In a timetable spans are apart, so that each bound of one changes
// whether its calendar holds.
func newAgenda(tables []*timetable) *agenda {
	var changes []change
	for i, table := range tables {
		for _, s := range table.spans {
			changes = append(changes, change{s.from, i}, change{s.until, i})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.at, b.at) })
	a := &agenda{sets: [][]int32{nil}}
	var now calendarSet
	known := map[calendarSet]uint32{now: 0}
	for i, c := range changes {
		now[c.calendar/64] ^= 1 << (c.calendar % 64)
		if i+1 < len(changes) && changes[i+1].at == c.at {
			continue
		}
		set, ok := known[now]
		if !ok {
			set = uint32(len(a.sets))
			known[now] = set
			a.sets = append(a.sets, now.list(len(tables)))
		}
		a.changes, a.holding = append(a.changes, c.at), append(a.holding, set)
	}
	a.changes, a.holding = slices.Clip(a.changes), slices.Clip(a.holding)
	return a
}

// list returns the members of a set of n calendars.
func (s *calendarSet) list(n int) (members []int32) {
	for i := range n {
		if s[i/64]&(1<<(i%64)) != 0 {
			members = append(members, int32(i))
		}
	}
	return members
}

// at returns the calendars that hold at an instant. It takes the time of a binary search at most, however far the instant is.
func (a *agenda) at(instant int64) []int32 {
	if len(a.changes) == 0 || instant < a.changes[0] {
		return nil
	}
	i := int(a.hint.Load())
	if instant < a.changes[i] || i+1 < len(a.changes) && instant >= a.changes[i+1] {
		var found bool
		if i, found = slices.BinarySearch(a.changes, instant); !found {
			i--
		}
		a.hint.Store(int64(i))
	}
	return a.sets[a.holding[i]]
}
