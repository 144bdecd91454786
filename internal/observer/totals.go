package observer

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

const (
	// maxSeries bounds the running totals remembered, at about 80 bytes each: 40 MB. A connection that
	// is forgotten while it lasts is counted anew with all its bytes, so the bound must be out of
	// reach: half of it, a generation, must hold what is reported from one report of a
	// connection to its next, ended ones included. Packetbeat reports every ten seconds, which
	// leaves room for 26,000 connections a second.
	maxSeries = 1 << 19
	// seriesIdle is how long, by the clock, a series is remembered at least after its last
	// record, unless maxSeries is reached. Sources that report running totals do so every
	// few seconds and drop a connection that is silent for minutes.
	seriesIdle = time.Hour
)

// totals turns running totals into increments. Of a source that reports the same connection again
// and again, each time with all its bytes so far, only what is new since the
// last record counts. It is not safe for concurrent use.
//
// Series live in two generations. What is touched moves to the young one; when that is full
// or old enough, the old one is forgotten and the young takes its place. So memory is
// bounded, forgetting costs nothing per record, and those forgotten first are the idle ones.
type totals struct {
	young, old generation
	limit      int       // series in a generation
	born       time.Time // when the young generation began
	turns      uint64    // times that a generation was forgotten; the old one is the generation of this number
}

// generation holds series in the order in which they came into it.
type generation struct {
	places  map[uint64]uint32 // in entries, by identity
	entries []entry
}

type entry struct {
	id uint64
	series
	gone bool // moved to the young generation
}

// take moves a series out of the generation, the zero series if it is not there.
func (g *generation) take(id uint64) series {
	place, known := g.places[id]
	if !known {
		return series{}
	}
	delete(g.places, id)
	g.entries[place].gone = true
	return g.entries[place].series
}

// series is one connection whose bytes are reported as a running total.
type series struct {
	total int64 // bytes counted so far
	at    int64 // event time of the newest record, nanoseconds since the epoch
	final bool  // that record was the connection's last
}

func newTotals(limit int) *totals {
	t := &totals{limit: max(1, limit/2)}
	t.young.places, t.old.places = map[uint64]uint32{}, map[uint64]uint32{}
	return t
}

// advance returns the bytes that a running total adds to what was counted of its series.
func (t *totals) advance(f *flow.Flow) int64 {
	s := t.find(f.Total)
	if s.final && f.Time > s.at {
		*s = series{} // the connection ended; another has taken its identity
	}
	added := f.Bytes - s.total
	if added > 0 {
		s.total = f.Bytes
	}
	s.at = max(s.at, f.Time)
	s.final = s.final || f.Final
	return max(0, added)
}

// find returns a series, from now on of the young generation; the zero series if it is unknown. The pointer is valid
// until the next find.
func (t *totals) find(id uint64) *series {
	if place, known := t.young.places[id]; known {
		return &t.young.entries[place].series
	}
	s := t.old.take(id)
	if len(t.young.entries) >= t.limit {
		t.turn()
	}
	t.young.places[id] = uint32(len(t.young.entries))
	t.young.entries = append(t.young.entries, entry{id: id, series: s})
	return &t.young.entries[len(t.young.entries)-1].series
}

// age starts a new generation when the young one is old enough by the clock. Event times
// would not do: they can be forged, and must not make it forget.
func (t *totals) age(now time.Time) {
	if t.born.IsZero() {
		t.born = now
	}
	if now.Sub(t.born) >= seriesIdle {
		t.turn()
		t.born = now
	}
}

// turn forgets the old generation and puts the young one in its place.
func (t *totals) turn() {
	clear(t.old.places)
	t.old.entries = t.old.entries[:0]
	t.young, t.old = t.old, t.young
	t.turns++
}

// size returns the number of series remembered.
func (t *totals) size() int { return len(t.young.places) + len(t.old.places) }
