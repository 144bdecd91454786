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
	young, old map[uint64]series
	limit      int       // series in a generation
	born       time.Time // when the young generation began
}

// series is one connection whose bytes are reported as a running total.
type series struct {
	total int64 // bytes counted so far
	at    int64 // event time of the newest record, nanoseconds since the epoch
	final bool  // that record was the connection's last
}

func newTotals(limit int) *totals {
	return &totals{young: map[uint64]series{}, old: map[uint64]series{}, limit: max(1, limit/2)}
}

// advance returns the bytes that a running total adds to what was counted of its series.
func (t *totals) advance(f *flow.Flow) int64 {
	s, known := t.young[f.Total]
	if !known {
		s = t.old[f.Total]
		delete(t.old, f.Total)
		if len(t.young) >= t.limit {
			t.turn()
		}
	}
	if s.final && f.Time > s.at {
		s = series{} // the connection ended; another has taken its identity
	}
	added := f.Bytes - s.total
	if added > 0 {
		s.total = f.Bytes
	}
	s.at = max(s.at, f.Time)
	s.final = s.final || f.Final
	t.young[f.Total] = s
	return max(0, added)
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
	clear(t.old)
	t.young, t.old = t.old, t.young
}

// size returns the number of series remembered.
func (t *totals) size() int { return len(t.young) + len(t.old) }
