package stream

import (
	"fmt"

	"github.com/otel-exfil/exfil/internal/codec"
)

// stateVersion is that of the pages written here, and the newest that can be read.
const stateVersion = 1

// The kinds of pages, by name: what streams they hold.
const (
	pageGroups     = "groups"
	pageCumulative = "cumulative"
	pageDelta      = "delta"
	pageEnd        = "end" // none: the snapshot is complete
)

// Snapshot writes what is remembered of streams page by page, so that nobody has to wait until a million of
// them are written. Whatever guards the Streams must guard each call of Next, and only that: the
// streams may be used between the calls.
//
// What a page says is how things are at its call. So a stream may be newer in the snapshot than others, but
// none is older than the snapshot, and each is in it once that was remembered all the time.
// Streams that are born meanwhile are left out: to whoever loads the snapshot they are as new as
// they were at its beginning. Where nothing happens between the calls, Load restores everything to the bit,
// the order in which streams will be forgotten included.
type Snapshot struct {
	streams    *Streams
	groups     *walk[group]
	cumulative *walk[total]
	delta      *walk[recent]
	pages      uint64 // written
	ended      bool
}

// Snapshot begins a snapshot. One that has not come to its end ends without.
func (s *Streams) Snapshot() *Snapshot {
	return &Snapshot{
		streams:    s,
		groups:     s.groups.table.walk(),
		cumulative: s.cumulative.walk(),
		delta:      s.delta.walk(),
		// Where no counter was ever met there is nothing to tell. An observation of those that come later
		// begins when someone listens again.
		ended: !s.opened && s.newest == 0,
	}
}

// Next appends the next page to w, up to about half a MiB, and says whether there was one.
func (n *Snapshot) Next(w *codec.Writer) bool {
	switch {
	case n.ended || n.cumulative.over():
		return false
	case !n.groups.done():
		n.begin(w, pageGroups)
		var c groupCodec
		n.groups.page(func(id uint64, g *group) { c.write(w, id, g) })
	case !n.cumulative.done():
		n.begin(w, pageCumulative)
		var c totalCodec
		n.cumulative.page(func(id uint64, t *total) { c.write(w, id, t) })
	case !n.delta.done():
		n.begin(w, pageDelta)
		var c recentCodec
		n.delta.page(func(id uint64, points *recent) { c.write(w, id, points) })
	default:
		n.begin(w, pageEnd)
		n.ended = true
	}
	return true
}

// begin writes what stands on each page: so there is none whose loss would take the others with it.
func (n *Snapshot) begin(w *codec.Writer, kind string) {
	w.Uint(stateVersion)
	w.Uint(n.pages)
	n.pages++
	n.streams.head().write(w)
	w.Text(kind)
}

// head is what is remembered beside the streams themselves.
type head struct {
	opened           bool
	created, horizon int64
	newest           int64
	from, to         int64 // of the outage
	resets           int64
	cumulative       int64 // streams evicted
	delta            int64
}

func (s *Streams) head() head {
	return head{
		opened: s.opened, created: s.created, horizon: s.horizon,
		newest: s.newest, from: s.outage.from, to: s.outage.to,
		resets: s.resets, cumulative: s.cumulative.evicted, delta: s.delta.evicted,
	}
}

func (h head) write(w *codec.Writer) {
	w.Bool(h.opened)
	for _, v := range [...]int64{h.created, h.horizon, h.newest, h.from, h.to, h.resets, h.cumulative, h.delta} {
		w.Int(v)
	}
}

func readHead(r *codec.Reader) head {
	return head{
		opened: r.Bool(), created: r.Int(), horizon: r.Int(), newest: r.Int(), from: r.Int(), to: r.Int(),
		resets: r.Natural(), cumulative: r.Natural(), delta: r.Natural(),
	}
}

// A Loader makes the streams that a snapshot tells of, with limits and times of its own. Without any page
// they are those of New. Pages that are missing or malformed lose what they held, and nothing else. Streams that are
// lost like this, or that a lower limit leaves no room for, are forgotten as any other is: coming back, they
// count nothing at first, unless they began later.
//
// The observation goes on where the snapshot left it: Options.Created matters only where there is none. The time
// in which nobody listened is like any other silence. What was sent in it counts at the next point, if it was
// not longer than Options.Gap, else it was an outage.
type Loader struct {
	streams *Streams
	read    uint64 // pages read
	next    uint64 // number of the next page, if none is missing
	ended   bool   // the last page was met
	missing uint64 // pages
	head    head   // of the newest page
	horizon int64  // what was forgotten for want of room ends before
}

// NewLoader returns a loader that has met no page.
func NewLoader(o Options) *Loader { return &Loader{streams: New(o)} }

// Page takes the next page of a snapshot, in their order. An error, which wraps codec.ErrMalformed, says that it is
// lost.
func (l *Loader) Page(data []byte) error {
	if err := l.page(data); err != nil {
		return fmt.Errorf("streams of counters: %w", err)
	}
	return nil
}

func (l *Loader) page(data []byte) error {
	r := codec.NewReader(data)
	r.Version(stateVersion, "streams")
	number, head := r.Uint(), readHead(r)
	add := l.entries(r, r.Text())
	if err := r.End(); err != nil {
		return err
	}
	if number != l.next {
		l.missing++
	}
	l.read, l.next, l.head = l.read+1, number+1, head
	add()
	return nil
}

// entries reads the streams of a page and returns what adds them.
func (l *Loader) entries(r *codec.Reader, kind string) (add func()) {
	s := l.streams
	switch kind {
	case pageGroups:
		var c groupCodec
		all := readAll(r, c.read)
		return func() { restore(s.groups.table, all, func(group) {}) }
	case pageCumulative:
		var c totalCodec
		all := readAll(r, c.read)
		return func() {
			restore(s.cumulative, all, func(forgotten total) { l.horizon = max(l.horizon, forgotten.time+1) })
		}
	case pageDelta:
		var c recentCodec
		all := readAll(r, c.read)
		return func() { restore(s.delta, all, func(recent) {}) }
	case pageEnd:
		return func() { l.ended = true }
	}
	r.Fail("a page of %q", kind)
	return nil
}

// End returns the streams, when all pages there are have been met. The error, which wraps codec.ErrMalformed, says that some
// were not, and comes with the streams nevertheless.
func (l *Loader) End() (*Streams, error) {
	if l.read == 0 {
		return l.streams, nil
	}
	if !l.ended {
		l.missing++
	}
	s, h := l.streams, l.head
	s.opened, s.created, s.horizon = h.opened, h.created, max(h.horizon, l.horizon)
	s.newest, s.outage.from, s.outage.to = h.newest, h.from, h.to
	s.resets = h.resets
	s.cumulative.evicted += h.cumulative
	s.delta.evicted += h.delta
	if l.missing > 0 {
		// What is lost began before its last point, and that was no newer than the newest of all.
		s.horizon = max(s.horizon, s.newest+1)
		return s, fmt.Errorf("streams of counters: %w: pages are missing", codec.ErrMalformed)
	}
	return s, nil
}

// remembered is a stream's identity and state.
type remembered[S any] struct {
	id    uint64
	state S
}

// readAll reads the streams of a page to its end.
func readAll[S any](r *codec.Reader, read func(r *codec.Reader) (uint64, S)) []remembered[S] {
	var all []remembered[S]
	for r.More() {
		id, state := read(r)
		all = append(all, remembered[S]{id, state})
	}
	return all
}

// restore puts streams into a table, the one used last at the end.
func restore[S any](t *table[S], all []remembered[S], forget func(S)) {
	for i := range all {
		state := t.find(all[i].id)
		if state == nil {
			var forgotten S
			var full bool
			if state, forgotten, full = t.add(all[i].id); full {
				forget(forgotten)
			}
		}
		*state = all[i].state
	}
}

// The codecs write a stream's times as differences to those of the stream before, which was used at
// about the same time. Differences wrap around, and back.

type totalCodec struct{ before total }

func (c *totalCodec) write(w *codec.Writer, id uint64, t *total) {
	w.Fixed(id)
	w.Int(t.time - c.before.time)
	w.Int(t.start - c.before.start)
	w.Int(t.bytes)
	c.before = *t
}

func (c *totalCodec) read(r *codec.Reader) (id uint64, t total) {
	id = r.Fixed()
	t = total{time: c.before.time + r.Int(), start: c.before.start + r.Int(), bytes: r.Natural()}
	c.before = t
	return id, t
}

type recentCodec struct{ before int64 }

func (c *recentCodec) write(w *codec.Writer, id uint64, points *recent) {
	w.Fixed(id)
	before := c.before
	for _, p := range points {
		w.Int(p.time - before)
		w.Int(p.bytes)
		before = p.time
	}
	c.before = points[0].time
}

func (c *recentCodec) read(r *codec.Reader) (id uint64, points recent) {
	id = r.Fixed()
	before := c.before
	for i := range points {
		p := &points[i]
		p.time, p.bytes = before+r.Int(), r.Natural()
		if p.time < 0 || i > 0 && p.time > before {
			r.Fail("a point of %d after one of %d", p.time, before)
			return 0, recent{}
		}
		before = p.time
	}
	c.before = points[0].time
	return id, points
}

type groupCodec struct{ before group }

func (c *groupCodec) write(w *codec.Writer, id uint64, g *group) {
	w.Fixed(id)
	w.Int(g.first - c.before.first)
	w.Int(g.newest - c.before.newest)
	w.Int(g.newest - g.before)
	w.Bool(g.repeats)
	c.before = *g
}

func (c *groupCodec) read(r *codec.Reader) (id uint64, g group) {
	id = r.Fixed()
	g.first, g.newest = c.before.first+r.Int(), c.before.newest+r.Int()
	g.before, g.repeats = g.newest-r.Int(), r.Bool()
	c.before = g
	return id, g
}
