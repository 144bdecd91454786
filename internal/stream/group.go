package stream

import "time"

// MaxGroups is a limit that suits most: fifty thousand senders whose counters are older than the
// observation, which take about 5 MB.
const MaxGroups = 50_000

const (
	// sameExport is how far the points of one export may lie apart. A sender collects them within
	// milliseconds, and dates each by itself at worst. Where exports follow each other
	// faster than that, several are taken for one, which costs nothing.
	sameExport = int64(10 * time.Second)
	// settling is how long a group is watched before a stream that is new in it is taken for
	// newborn. An export may come in parts, of which some are refused and tried again: by
	// OpenTelemetry's exporters for no longer than this (max_elapsed_time).
	settling = int64(5 * time.Minute)
)

// group is what is remembered of the streams of one sender that bear the same start: when they were
// exported.
type group struct {
	first   int64 // time of the first export
	newest  int64 // time of the newest export: of the first of its points that came
	before  int64 // time of the export before, likewise; 0: there is none
	repeats bool  // a stream that had nothing to tell was exported nevertheless
}

// export takes the time of a point into account.
func (g *group) export(time int64) {
	if time > g.newest+sameExport {
		g.before, g.newest = g.newest, time
	}
}

// bornAfter returns the time after which a stream was born that nobody has seen before a point of this
// time: that of an export without it. It says no where the stream may be older:
// where the point is of that export or of one before, where that export is so early in the
// group that earlier ones may not be here yet, or before the horizon, so that the stream may
// have been in it and was forgotten, or where the sender has not shown yet that it leaves
// no stream out.
func (g *group) bornAfter(time, horizon int64) (since int64, ok bool) {
	if g == nil || !g.repeats || time <= g.before+sameExport || g.before < max(g.first+settling, horizon) {
		return 0, false
	}
	return g.before, true
}

// groups remembers the groups of streams that are older than the observation.
type groups struct {
	table *table[group]
	// Points of a group mostly come in a row: the last one used is at hand.
	id   uint64
	last *group
}

// of returns a point's group, this point included.
func (gs *groups) of(p *Point) *group {
	if gs.last == nil || gs.id != p.Group {
		gs.id, gs.last = p.Group, gs.table.find(p.Group)
		if gs.last == nil {
			gs.last, _, _ = gs.table.add(p.Group)
			*gs.last = group{first: p.Time, newest: p.Time}
		}
	}
	gs.last.export(p.Time)
	return gs.last
}
