package observer

import (
	"fmt"

	"github.com/otel-exfil/exfil/internal/codec"
)

const (
	// totalsVersion is that of the pages written here, and the newest that can be read.
	totalsVersion = 1
	// pageSeries is how many series a page holds at most: some 150 kB.
	pageSeries = 8192
)

// totalsSnapshot writes running totals page by page. The totals may be used between the pages, under the lock that
// guards each call of next. What a page says is how things are at its call; each series that was there all the time
// is in the snapshot, and where it is twice the later one is the newer. If new connections come faster than pages are
// taken, the snapshot ends when it has written twice what can be remembered.
type totalsSnapshot struct {
	totals     *totals
	generation uint64 // that is being written
	place      int    // of the entry that is next
	until      int    // how many entries are to be written
	left       int    // how many entries may be written at most
	begun      bool
}

// snapshot begins a snapshot, with the old generation: what is used meanwhile moves from there to the young one.
func (t *totals) snapshot() *totalsSnapshot {
	return &totalsSnapshot{totals: t, generation: t.turns, until: len(t.old.entries), left: 4 * t.limit}
}

// next appends the next page to w and says whether there was one. There is one at least.
func (n *totalsSnapshot) next(w *codec.Writer) bool {
	found := n.left > 0 && n.seek()
	if !found && n.begun {
		return false
	}
	n.begun = true
	t := n.totals
	w.Uint(totalsVersion)
	w.Time(t.born)
	w.Uint(t.turns)
	w.Uint(n.generation)
	if found {
		n.write(w)
	}
	return true
}

// seek goes on to the next entry that is there still, in this generation or the next, and says whether there is one.
func (n *totalsSnapshot) seek() bool {
	t := n.totals
	if n.generation < t.turns { // forgotten meanwhile
		n.generation, n.place = t.turns, 0
	}
	if n.generation == t.turns {
		// To the very end: what came into it since it was begun may be in a page of one that is forgotten by now.
		n.until = len(t.old.entries)
	}
	for {
		entries := n.entries()
		for ; n.place < n.until; n.place++ {
			if !entries[n.place].gone {
				return true
			}
		}
		if n.generation > t.turns {
			return false
		}
		// All that was left of the old generation is written, or in the young one by now.
		n.generation, n.place, n.until = n.generation+1, 0, len(t.young.entries)
	}
}

// entries are those of the generation that is being written.
func (n *totalsSnapshot) entries() []entry {
	if n.generation > n.totals.turns {
		return n.totals.young.entries
	}
	return n.totals.old.entries
}

// write writes series to the end of the page or of the generation.
func (n *totalsSnapshot) write(w *codec.Writer) {
	before := int64(0)
	entries := n.entries()
	for written := 0; written < pageSeries && n.place < n.until; n.place++ {
		e := &entries[n.place]
		if e.gone {
			continue
		}
		w.Fixed(e.id)
		w.Int(e.total)
		w.Int(e.at - before)
		w.Bool(e.final)
		before = e.at
		written++
		n.left--
	}
}

// A totalsLoader makes the running totals that the pages of a snapshot tell of, in their order, by letting happen
// again what has happened. A page that cannot be read loses what it holds and nothing else. Of more series than are
// remembered the newest stay.
type totalsLoader struct {
	totals     *totals
	generation uint64 // that is the young one
	turns      uint64 // as of the newest page
	read       bool   // a page was
}

// newTotalsLoader returns a loader that has met no page.
func newTotalsLoader(limit int) *totalsLoader { return &totalsLoader{totals: newTotals(limit)} }

// page takes the next page of a snapshot. An error, which wraps codec.ErrMalformed, says that it is lost.
func (l *totalsLoader) page(data []byte) error {
	r := codec.NewReader(data)
	r.Version(totalsVersion, "running totals")
	born, turns, generation := r.Time(), r.Uint(), r.Uint()
	var entries []entry
	before := int64(0)
	for r.More() {
		e := entry{id: r.Fixed(), series: series{total: r.Int(), at: before + r.Int(), final: r.Bool()}}
		if e.total < 0 {
			r.Fail("a total of %d", e.total)
		}
		before = e.at
		entries = append(entries, e)
	}
	if err := r.End(); err != nil {
		return fmt.Errorf("running totals: %w", err)
	}
	l.turn(generation)
	l.totals.born, l.turns, l.read = born, turns, true
	for i := range entries {
		*l.totals.find(entries[i].id) = entries[i].series
	}
	return nil
}

// end returns the running totals, when all pages there are have been met; without any they are new.
func (l *totalsLoader) end() *totals {
	if l.read {
		l.turn(l.turns + 1)
		l.totals.turns = l.turns
	}
	return l.totals
}

// turn makes the young generation the one of a number. Of those between, which nothing is said of, two forget all.
func (l *totalsLoader) turn(generation uint64) {
	for l.generation < generation {
		if l.totals.turn(); generation-l.generation > 2 {
			l.generation = generation - 2
		}
		l.generation++
	}
}
