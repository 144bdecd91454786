package alert

import (
	"container/heap"
	"maps"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// gateVersion is that of the state written here, and the newest that can be read. The first knew one passage, and groups that
// were entities.
const gateVersion = 2

// GateState is what a gate remembered at a moment. It does not change any more, and is safe for concurrent use.
type GateState struct {
	pieces [][]byte // in their order; some are shared with the gate, which replaces what it has given away
}

// Save writes what the gate remembers. See Snapshot where somebody waits for the gate meanwhile.
func (g *Gate) Save(w *codec.Writer) { g.Snapshot().Save(w) }

// Snapshot notes what the gate remembers, to be written by Save when nobody waits for the gate any more.
func (g *Gate) Snapshot() *GateState {
	var w codec.Writer
	w.Uint(gateVersion)
	w.Int(int64(g.options.Interval))
	w.Int(g.interval)
	s := &GateState{pieces: [][]byte{w.Data}}
	for _, p := range g.passages() {
		s.pieces = p.snapshot(s.pieces)
	}
	return s
}

// Save writes the state, for Gate.Load to be read.
func (s *GateState) Save(w *codec.Writer) {
	size := 0
	for _, piece := range s.pieces {
		size += len(piece)
	}
	w.Data = slices.Grow(w.Data, size)
	for _, piece := range s.pieces {
		w.Data = append(w.Data, piece...)
	}
}

// Load replaces what the gate remembers by what Save wrote. If that cannot be read, the gate stays as it
// is, and the error wraps codec.ErrMalformed. Of more entities, groups or windows than are remembered the latest
// stay. Where another interval was configured meanwhile, the one that began then counts as one of those.
//
// Nothing can have happened after latest. What is said to have was told by a clock that was wrong, and is taken to have
// happened then: otherwise an interval would be full, and a group silent, for as long as that clock was ahead.
func (g *Gate) Load(r *codec.Reader, latest time.Time) error {
	loaded := NewGate(g.options)
	switch version := r.Uint(); version {
	case 1:
		loaded.loadFirst(r, latest)
	case gateVersion:
		length := r.Natural()
		loaded.interval = loaded.intervalOf(r.Int(), length)
		for _, p := range loaded.passages() {
			p.load(r, latest, g.options.Remembers)
		}
	default:
		r.Fail("a gate of version %d; versions 1 and %d can be read", version, gateVersion)
	}
	if err := r.Err(); err != nil {
		return err
	}
	if now := flow.Window(latest.UnixNano(), int64(g.options.Interval)); loaded.interval > now {
		loaded.interval = now
		for _, p := range loaded.passages() {
			p.left, p.summed = 0, 0
		}
	}
	*g = *loaded
	return nil
}

// loadFirst reads what follows the version in a state of the first one.
func (g *Gate) loadFirst(r *codec.Reader, latest time.Time) {
	p := &g.live
	p.stats = loadStats(r)
	length := r.Natural()
	g.interval = g.intervalOf(r.Int(), length)
	p.left = int(r.Natural())
	p.overflow.loadFirst(r)
	for range r.Count(rememberedBytes) {
		p.loadRemembered(r, latest, g.options.Remembers)
	}
}

// intervalOf is the number of the interval in which one of another length began.
func (g *Gate) intervalOf(number, length int64) int64 {
	if own := int64(g.options.Interval); length != own {
		return flow.Window(number*length, own)
	}
	return number
}

func (p *passage) snapshot(pieces [][]byte) [][]byte {
	var head, between codec.Writer
	saveStats(&head, p.stats)
	head.Int(int64(p.left))
	head.Int(int64(p.summed))
	p.overflow.save(&head)
	head.Uint(uint64(p.entities.len()))
	pieces = append(slices.Grow(pieces, 2+p.entities.len()+p.groups.len()), head.Data)
	for e := range p.entities.all() {
		pieces = append(pieces, e.encoding())
	}
	between.Uint(uint64(p.groups.len()))
	pieces = append(pieces, between.Data)
	for g := range p.groups.all() {
		pieces = append(pieces, g.encoding())
	}
	return pieces
}

func (p *passage) load(r *codec.Reader, latest time.Time, remembers func(flow.Field) bool) {
	p.stats = loadStats(r)
	p.left, p.summed = int(r.Natural()), int(r.Natural())
	p.overflow.load(r)
	for range r.Count(entityBytes) {
		p.keepEntity(r, loadEntity(r, latest))
	}
	for range r.Count(groupBytes) {
		if g := loadGroup(r, latest, remembers); mayKeep(g.key, remembers) {
			p.keepGroup(r, g)
		}
	}
}

func (p *passage) keepEntity(r *codec.Reader, e *entity) {
	if p.entities.get([]byte(e.key)) != nil {
		r.Fail("an entity that is remembered twice")
	}
	if r.Err() != nil {
		return
	}
	p.makeRoom()
	p.entities.use(e)
}

func (p *passage) keepGroup(r *codec.Reader, g *group) {
	if p.groups.get([]byte(g.key)) != nil {
		r.Fail("a group that is remembered twice")
	}
	if r.Err() != nil {
		return
	}
	if oldest, ok := p.groups.surplus(); ok {
		p.close(oldest)
		p.groups.remove(oldest)
	}
	if e := p.entities.get([]byte(g.key)); e != nil {
		g.key = e.key // one copy will do
	}
	p.groups.use(g)
	if g.summary != nil {
		heap.Push(&p.due, g)
	}
}

// rememberedBytes is what an entity that is its own group takes at least in a state of the first version.
const rememberedBytes = 1 + 1 + 8 + 1 + 2 + 1 + 1

// loadRemembered reads an entity and its group from a state of the first version, which knew nothing to sum up.
func (p *passage) loadRemembered(r *codec.Reader, latest time.Time, remembers func(flow.Field) bool) {
	e := &entity{key: r.Text(), at: until(latest, r.Time())}
	g := &group{key: e.key, at: e.at, score: readFloat(r), suppressed: int(r.Natural())}
	g.held = []heldWindow{{entity: hashOf([]byte(g.key)), window: loadWindow(r)}}
	e.told = loadTold(r)
	g.who = loadWho(r, remembers)
	if last := len(e.told) - 1; last >= 0 {
		g.alert = e.told[last].uid
	}
	e.encoding() // now, when nobody waits yet
	g.encoding()
	p.keepEntity(r, e)
	p.keepGroup(r, g)
}

// entityBytes is what an entity takes at least.
const entityBytes = 1 + 1 + 1

// encoded is what save writes of something that a gate remembers. It is kept, because little changes between two saves and the
// pipeline waits for each: to gather the texts of all anew takes five times as long.
type encoded struct{ bytes []byte } // nil: it has changed since

// changed makes the next encoding a new one.
func (e *encoded) changed() { e.bytes = nil }

// of returns what save writes, which is not to be changed.
func (e *encoded) of(save func(*codec.Writer)) []byte {
	if e.bytes == nil {
		var w codec.Writer
		save(&w)
		e.bytes = slices.Clip(w.Data)
	}
	return e.bytes
}

func (e *entity) encoding() []byte { return e.encoded.of(e.save) }

func (g *group) encoding() []byte { return g.encoded.of(g.save) }

func (e *entity) save(w *codec.Writer) {
	w.Text(e.key)
	w.Time(e.at)
	w.Uint(uint64(len(e.told)))
	for i := range e.told {
		t := &e.told[i]
		t.save(w)
		w.Text(t.uid)
		appendFloat(w, t.score)
		w.Int(t.bytes)
		w.Bool(t.updated)
	}
}

func loadEntity(r *codec.Reader, latest time.Time) *entity {
	e := &entity{key: r.Text(), at: until(latest, r.Time()), told: loadTold(r)}
	e.encoding()
	return e
}

func loadTold(r *codec.Reader) (all []told) {
	for range r.Count(13) {
		all = append(all, told{window: loadWindow(r), uid: r.Text(), score: readFloat(r), bytes: r.Natural(), updated: r.Bool()})
	}
	return all[max(0, len(all)-maxTold):]
}

// groupBytes is what a group takes at least.
const groupBytes = 1 + 1 + 8 + 1 + 1 + 1 + 1 + 1

func (g *group) save(w *codec.Writer) {
	w.Text(g.key)
	w.Time(g.at)
	appendFloat(w, g.score)
	w.Text(g.alert)
	w.Int(int64(g.suppressed))
	w.Uint(uint64(len(g.who)))
	for _, who := range g.who {
		w.Text(who)
	}
	w.Uint(uint64(len(g.held)))
	for i := range g.held {
		h := &g.held[i]
		w.Fixed(h.entity)
		h.save(w)
		w.Int(h.bytes)
		w.Bool(h.open)
	}
	w.Bool(g.summary != nil)
	if g.summary != nil {
		g.summary.save(w)
	}
}

func loadGroup(r *codec.Reader, latest time.Time, remembers func(flow.Field) bool) *group {
	g := &group{key: r.Text()}
	at := r.Time()
	g.at = until(latest, at)
	g.score, g.alert, g.suppressed, g.who = readFloat(r), r.Text(), int(r.Natural()), loadWho(r, remembers)
	for range r.Count(12) {
		g.held = append(g.held, heldWindow{entity: r.Fixed(), window: loadWindow(r), bytes: r.Natural(), open: r.Bool()})
	}
	g.held = g.held[max(0, len(g.held)-maxHeld):]
	if r.Bool() {
		g.summary = loadSummary(r, latest)
		g.summary.end = g.summary.end.Add(g.at.Sub(at))
	}
	g.encoding()
	return g
}

// loadWho reads who was told, without those that are not to be remembered any more.
func loadWho(r *codec.Reader, remembers func(flow.Field) bool) (all []string) {
	for range r.Count(1) {
		if who := r.Text(); mayKeepWho(who, remembers) {
			all = append(all, who)
		}
	}
	return all[max(0, len(all)-maxWho):]
}

func (s *summary) save(w *codec.Writer) {
	w.Text(s.rule)
	w.Bool(s.entity)
	appendKey(w, s.fields, s.values)
	w.Int(int64(s.windows))
	w.Int(s.bytes)
	appendFloat(w, s.score)
	for _, t := range [...]time.Time{s.first, s.last, s.end} {
		w.Time(t)
	}
}

func loadSummary(r *codec.Reader, latest time.Time) *summary {
	s := &summary{rule: r.Text(), entity: r.Bool()}
	s.fields, s.values = readKey(r)
	s.windows, s.bytes, s.score = int(r.Natural()), r.Natural(), readFloat(r)
	s.first, s.last, s.end = until(latest, r.Time()), until(latest, r.Time()), r.Time()
	return s
}

// until returns a time, the latest there can be if it is later.
func until(latest, t time.Time) time.Time {
	if t.After(latest) {
		return latest
	}
	return t
}

func saveStats(w *codec.Writer, s GateStats) {
	for _, n := range [...]int64{s.Alerted, s.Suppressed, s.Overflowed} {
		w.Int(n)
	}
}

func loadStats(r *codec.Reader) GateStats {
	return GateStats{Alerted: r.Natural(), Suppressed: r.Natural(), Overflowed: r.Natural()}
}

func (v window) save(w *codec.Writer) {
	w.Int(v.start)
	w.Int(int64(v.span))
}

func loadWindow(r *codec.Reader) window { return window{r.Int(), time.Duration(r.Int())} }

func (o *overflow) save(w *codec.Writer) {
	w.Int(int64(o.alerts))
	w.Int(o.bytes)
	appendFloat(w, o.score)
	w.Int(int64(o.others))
	w.Uint(uint64(len(o.rules)))
	for _, id := range slices.Sorted(maps.Keys(o.rules)) {
		w.Text(id)
		w.Int(int64(o.rules[id]))
	}
	w.Uint(uint64(len(o.entities)))
	for i := range o.entities {
		appendEntity(w, &o.entities[i])
	}
	w.Uint(uint64(len(o.seen)))
	for _, seen := range slices.Sorted(maps.Keys(o.seen)) {
		w.Fixed(seen)
		w.Int(o.seen[seen])
	}
}

// load reads what save wrote. Entities beyond those that are named become others.
func (o *overflow) load(r *codec.Reader) {
	o.alerts, o.bytes, o.score, o.others = int(r.Natural()), r.Natural(), readFloat(r), int(r.Natural())
	o.loadRules(r)
	for range r.Count(11) {
		o.keep(readEntity(r, true))
	}
	for range r.Count(9) {
		o.note(r.Fixed(), r.Natural())
	}
}

// loadFirst reads what the first version wrote, which counted no bytes.
func (o *overflow) loadFirst(r *codec.Reader) {
	o.alerts, o.others = int(r.Natural()), int(r.Natural())
	o.loadRules(r)
	for range r.Count(5) {
		e, w := readEntity(r, false), loadWindow(r)
		o.keep(e)
		key := appendPart(nil, e.Rule)
		for _, value := range e.Values {
			key = appendPart(key, value)
		}
		o.note(windowHash(key, w), 0)
	}
}

func (o *overflow) loadRules(r *codec.Reader) {
	for range r.Count(2) {
		if o.rules == nil {
			o.rules = make(map[string]int)
		}
		o.rules[r.Text()] = int(r.Natural())
	}
}
