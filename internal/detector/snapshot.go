package detector

import (
	"slices"

	"github.com/otel-exfil/exfil/internal/codec"
)

// A Snapshot is all that a detector knows at one moment, in shards of up to about a megabyte, which a Loader visits
// in the order of their names. It is taken at once, and written shard by shard while the detector goes on: whatever is
// about to change and has not been written yet is put aside first. Before a window closes, which changes everything,
// the rest is written in one go.
//
// One snapshot of a detector exists at a time, from Detector.Snapshot to Release.
type Snapshot struct {
	d       *Detector
	written []writtenShard // waiting to be handed out
	left    []stretch
}

// writtenShard is a part of a snapshot.
type writtenShard struct {
	name string
	data []byte // nil: it is the same as in the snapshot before
}

const (
	// entityPage is how many entities a shard holds: some 75 bytes each, names included, and 256 with a
	// season table.
	entityPage = 4096
	// sumPage is how many sums a shard holds at most, some 180 kB: the path waits while one is written, 0.3 ms.
	// Fewer where contributors, which take up to 5 kB a sum, would make it large.
	sumPage     = 2048
	tallyBudget = 128 // sums with contributors in a shard
	// pageWork is what writing a shard takes, in sums that are judged.
	pageWork = 1024
)

// stretch is a run of shards: the entities of a space, or, with a window, its sums.
type stretch struct {
	prefix string // of the names of its shards
	number int    // of the space
	lane   *lane
	space  *space
	window *window // nil: entities, or ghosts
	ghosts bool
	met    bool   // of the detector as a whole, those whom tallies have named
	next   bool   // the window is the one after the open one
	dirty  []bool // pages of entities or ghosts that have changed since the snapshot before
	page   int
}

// frozen is what a run of shards was when the snapshot was taken, as far as it is needed: the places from done
// to n have not been written, and those of them that have changed since are kept.
type frozen[T any] struct {
	n, done uint32
	kept    copies[T]
}

// keeps says whether a place must be kept before it changes.
func (f *frozen[T]) keeps(at uint32) bool {
	return f != nil && at < f.n && at >= f.done && !f.kept.has(at)
}

func (f *frozen[T]) keep(at uint32, v T) { f.kept.add(at, f.n, v) }

// take returns what was at a place when the snapshot was taken, which now is there.
func (f *frozen[T]) take(at uint32, now T) T {
	if f.kept.has(at) {
		return f.kept.of(at)
	}
	return now
}

// copies are what some places held. They are made on the path, thousands in one delivery, so that a place finds its
// copy by a number instead of in a map, and no copy moves when there are more.
type copies[T any] struct {
	number []uint32 // by place: its copy's number, counted from 1; nil: there is no copy
	pieces [][]T    // of copiesPiece each
	count  uint32
}

const copiesPiece = 512

func (c *copies[T]) has(at uint32) bool { return c.number != nil && c.number[at] != 0 }

// of is the copy of a place that has one.
func (c *copies[T]) of(at uint32) T {
	i := c.number[at] - 1
	return c.pieces[i/copiesPiece][i%copiesPiece]
}

// add copies what one of n places holds, which has no copy.
func (c *copies[T]) add(at, n uint32, v T) {
	if c.number == nil {
		c.number = make([]uint32, n)
	}
	i := c.count % copiesPiece
	if i == 0 {
		c.pieces = append(c.pieces, make([]T, copiesPiece))
	}
	c.pieces[len(c.pieces)-1][i] = v
	c.count++
	c.number[at] = c.count
}

// frozenSums is what the sums of a window were, and what was expected of those that came near a threshold since: for all
// others it stays the same while a window is open.
type frozenSums struct {
	frozen[changingSum]
	outlooks copies[outlook]
}

// changingSum is what each record of an entity changes.
type changingSum struct {
	sum
	untaught int64
}

// keptSum is a sum and what was expected of it.
type keptSum struct {
	changingSum
	outlook
}

// take returns what was at a place of the window when the snapshot was taken.
func (f *frozenSums) take(w *window, at uint32) keptSum {
	k := keptSum{f.frozen.take(at, changingSum{w.sums[at], w.untaught[at]}), w.outlooks[at]}
	if f.outlooks.has(at) {
		k.outlook = f.outlooks.of(at)
	}
	return k
}

// page takes the next places to write, no more than most; false: all are written.
func (f *frozen[T]) page(most uint32) (from, to uint32, ok bool) {
	if f.done >= f.n {
		return 0, 0, false
	}
	from = f.done
	f.done = min(f.n, from+most)
	return from, f.done, true
}

// keep puts a sum aside that is about to change.
func (w *window) keep(at uint32) {
	if w.frozen != nil && w.frozen.keeps(at) {
		w.frozen.keep(at, changingSum{w.sums[at], w.untaught[at]})
	}
}

// keepOutlook does so with what is expected of a sum.
func (w *window) keepOutlook(at uint32) {
	f := w.frozen
	if f == nil || at >= f.n || at < f.done || f.outlooks.has(at) {
		return
	}
	o := w.outlooks[at]
	if o.tally != nil {
		o.tally = o.tally.clone()
	}
	f.outlooks.add(at, f.n, o)
}

// keepAll does so with the sums at some places, as far as there are any.
func (w *window) keepAll(places []uint32) {
	if w.frozen == nil {
		return
	}
	for _, at := range places {
		w.keep(at)
	}
}

// touch notes that an entity is about to change.
func (s *space) touch(at uint32) {
	s.dirty[at/entityPage] = true
	if s.frozen.keeps(at) {
		s.frozen.keep(at, s.entities[at])
	}
}

// Snapshot takes a snapshot. It takes the lock for a moment only, whatever the detector knows. A snapshot before it
// must have been released.
func (d *Detector) Snapshot() *Snapshot {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &Snapshot{d: d}
	d.snapshot = n
	var w codec.Writer
	d.save(&w)
	n.written = append(n.written, writtenShard{detectorShard, w.Data})
	number := 0
	for _, l := range d.lanes {
		for _, s := range l.spaces {
			n.freeze(l, s, number)
			number++
		}
	}
	if m := &d.tallies.met; m.buckets != nil {
		n.left = append(n.left, stretch{prefix: metPrefix, met: true, dirty: slices.Clone(m.dirty)})
		clear(m.dirty)
	}
	return n
}

func (n *Snapshot) freeze(l *lane, s *space, number int) {
	var w codec.Writer
	s.save(&w)
	n.written = append(n.written, writtenShard{spaceShard(number), w.Data})
	s.frozen = &frozen[entity]{n: uint32(len(s.entities))}
	n.left = append(n.left, stretch{prefix: entitiesPrefix, number: number, lane: l, space: s, dirty: slices.Clone(s.dirty)})
	clear(s.dirty)
	for i, win := range s.windows() {
		win.frozen = &frozenSums{frozen: frozen[changingSum]{n: uint32(len(win.sums))}}
		n.left = append(n.left, stretch{prefix: sumsPrefix[i], number: number, lane: l, space: s, window: win, next: i == 1})
	}
	s.ghosts.frozen = &frozen[ghostBucket]{n: uint32(len(s.ghosts.buckets))}
	n.left = append(n.left, stretch{prefix: ghostsPrefix, number: number, lane: l, space: s, ghosts: true, dirty: slices.Clone(s.ghosts.dirty)})
	clear(s.ghosts.dirty)
}

// Next writes one shard into w, after what is in it, and returns its name; false: there is none left. Unchanged
// says that the snapshot before had the same, and nothing was written. It takes the lock for the time of one shard.
func (n *Snapshot) Next(w *codec.Writer) (name string, unchanged, ok bool) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	if len(n.written) > 0 {
		s := n.written[0]
		n.written = n.written[1:]
		w.Data = append(w.Data, s.data...)
		return s.name, s.data == nil, true
	}
	return n.write(w)
}

// write writes the next shard that has not been written.
func (n *Snapshot) write(w *codec.Writer) (name string, unchanged, ok bool) {
	for len(n.left) > 0 {
		s := &n.left[0]
		name = pageShard(s.prefix, s.number, s.page)
		switch {
		case s.met:
			unchanged, ok = s.writeMet(w, &n.d.tallies.met)
		case s.ghosts:
			unchanged, ok = s.writeGhosts(w)
		case s.window == nil:
			unchanged, ok = s.writeEntities(w)
		default:
			ok = s.writeSums(w)
		}
		if ok {
			s.page++
			return name, unchanged, true
		}
		n.left = n.left[1:]
	}
	return "", false, false
}

// finish writes what is left, so that everything may change.
func (n *Snapshot) finish(pace func(work int)) {
	for {
		var w codec.Writer
		name, unchanged, ok := n.write(&w)
		switch {
		case !ok:
			return
		case unchanged:
			n.written = append(n.written, writtenShard{name: name})
		default:
			n.written = append(n.written, writtenShard{name, w.Data})
			pace(pageWork)
		}
	}
}

// Release ends the snapshot. Kept says that all its shards were kept where a Loader will be given them: the next
// snapshot need not repeat what has not changed since.
func (n *Snapshot) Release(kept bool) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.written, n.left, n.d.snapshot = nil, nil, nil
	again(n.d.tallies.met.dirty, kept)
	for _, l := range n.d.lanes {
		for _, s := range l.spaces {
			s.frozen, s.ghosts.frozen = nil, nil
			for _, win := range s.windows() {
				win.frozen = nil
			}
			again(s.dirty, kept)
			again(s.ghosts.dirty, kept)
		}
	}
}

// again marks pages to be written in the next snapshot: all of them, unless those of this one were kept. Those that
// changed meanwhile are marked.
func again(dirty []bool, kept bool) {
	for i := range dirty {
		dirty[i] = dirty[i] || !kept
	}
}

// writeEntities writes a page of entities.
func (t *stretch) writeEntities(w *codec.Writer) (unchanged, ok bool) {
	s, f := t.space, t.space.frozen
	from, to, ok := f.page(entityPage)
	if !ok || !t.dirty[t.page] {
		return ok, ok
	}
	w.Uint(uint64(to - from))
	for at := from; at < to; at++ {
		e := f.take(at, s.entities[at])
		s.saveEntity(w, &e)
	}
	return false, true
}

// writeGhosts writes a page of ghosts.
func (t *stretch) writeGhosts(w *codec.Writer) (unchanged, ok bool) {
	f := t.space.ghosts.frozen
	from, to, ok := f.page(ghostPage)
	if !ok || !t.dirty[t.page] {
		return ok, ok
	}
	for b := from; b < to; b++ {
		bucket := f.take(b, t.space.ghosts.buckets[b])
		for i := range bucket {
			if g := &bucket[i]; g.hash != 0 {
				w.Fixed(g.hash)
				g.Save(w)
				w.Uint(uint64(g.windows))
				w.Int(g.first)
			}
		}
	}
	return false, true
}

// writeMet writes a page of those whom tallies have named.
func (t *stretch) writeMet(w *codec.Writer, m *met) (unchanged, ok bool) {
	if t.page >= metPages {
		return false, false
	}
	if !t.dirty[t.page] {
		return true, true
	}
	m.save(w, t.page)
	return false, true
}

// writeSums writes a page of sums.
func (t *stretch) writeSums(w *codec.Writer) (ok bool) {
	f := t.window.frozen
	if f.done >= f.n {
		return false
	}
	tallies := 0
	for n := 0; f.done < f.n && n < sumPage && tallies < tallyBudget; n++ {
		k := f.take(t.window, f.done)
		if k.tally != nil {
			tallies++
		}
		t.space.saveSum(w, t.lane, &k, t.next)
		f.done++
	}
	return true
}
