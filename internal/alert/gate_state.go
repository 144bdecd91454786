package alert

import (
	"container/list"
	"maps"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
)

// gateVersion is that of the state written here, and the newest that can be read.
const gateVersion = 1

// GateState is what a gate remembered at a moment. It does not change any more, and is safe for concurrent use.
type GateState struct {
	head     []byte
	entities [][]byte // each shared with the gate, which replaces what it has given away
}

// Save writes what the gate remembers. See Snapshot where somebody waits for the gate meanwhile.
func (g *Gate) Save(w *codec.Writer) { g.Snapshot().Save(w) }

// Snapshot notes what the gate remembers, to be written by Save when nobody waits for the gate any more.
func (g *Gate) Snapshot() *GateState {
	var w codec.Writer
	w.Uint(gateVersion)
	for _, n := range [...]int64{g.stats.Alerted, g.stats.Suppressed, g.stats.Overflowed} {
		w.Int(n)
	}
	w.Int(int64(g.options.Interval))
	w.Int(g.interval)
	w.Int(int64(g.left))
	g.overflow.save(&w)
	w.Uint(uint64(g.order.Len()))
	s := &GateState{head: w.Data, entities: make([][]byte, 0, g.order.Len())}
	for e := g.order.Front(); e != nil; e = e.Next() {
		s.entities = append(s.entities, e.Value.(*remembered).encoding())
	}
	return s
}

// Save writes the state, for Gate.Load to be read.
func (s *GateState) Save(w *codec.Writer) {
	size := len(s.head)
	for _, entity := range s.entities {
		size += len(entity)
	}
	w.Data = append(slices.Grow(w.Data, size), s.head...)
	for _, entity := range s.entities {
		w.Data = append(w.Data, entity...)
	}
}

// Load replaces what the gate remembers by what Save wrote. If that cannot be read, the gate stays as it
// is, and the error wraps codec.ErrMalformed. Of more entities or windows than are remembered the latest
// stay. Where another interval was configured meanwhile, the one that began then counts as one of those.
func (g *Gate) Load(r *codec.Reader) error {
	r.Version(gateVersion, "a gate")
	loaded := Gate{options: g.options, memory: make(map[string]*list.Element), order: list.New()}
	loaded.stats = GateStats{
		Alerted: r.Natural(), Suppressed: r.Natural(), Overflowed: r.Natural(),
	}
	length := int(r.Natural())
	loaded.interval, loaded.left = r.Int(), int(r.Natural())
	if length != int(g.options.Interval) {
		loaded.interval = floorDivide(loaded.interval*int64(length), int64(g.options.Interval))
	}
	loaded.overflow.load(r)
	for range r.Count(rememberedBytes) {
		loaded.loadRemembered(r)
	}
	if err := r.Err(); err != nil {
		return err
	}
	loaded.key = g.key
	*g = loaded
	return nil
}

func (g *Gate) loadRemembered(r *codec.Reader) {
	m := loadRemembered(r, g.options.Remembers)
	if g.memory[m.key] != nil {
		r.Fail("an entity that is remembered twice")
	}
	if r.Err() != nil {
		return
	}
	if g.order.Len() >= maxRemembered {
		g.drop(g.order.Front())
	}
	g.memory[m.key] = g.order.PushBack(m)
}

// rememberedBytes is what a remembered entity takes at least.
const rememberedBytes = 1 + 1 + 8 + 1 + 2 + 1 + 1

// changed makes the next encoding a new one.
func (m *remembered) changed() { m.encoded = nil }

// encoding returns what save writes, which is not to be changed. It is kept, because few entities change between two
// saves and the pipeline waits for each: to gather the texts of all anew takes five times as long.
func (m *remembered) encoding() []byte {
	if m.encoded == nil {
		var w codec.Writer
		m.save(&w)
		m.encoded = slices.Clip(w.Data)
	}
	return m.encoded
}

func (m *remembered) save(w *codec.Writer) {
	w.Text(m.key)
	w.Time(m.at)
	appendFloat(w, m.score)
	w.Int(int64(m.suppressed))
	m.held.save(w)
	w.Uint(uint64(len(m.told)))
	for i := range m.told {
		t := &m.told[i]
		t.save(w)
		w.Text(t.uid)
		appendFloat(w, t.score)
		w.Int(t.bytes)
		w.Bool(t.updated)
	}
	w.Uint(uint64(len(m.senders)))
	for _, sender := range m.senders {
		w.Text(sender)
	}
}

// loadRemembered reads an entity, without the senders that are not to be remembered any more.
func loadRemembered(r *codec.Reader, remembers func(sender string) bool) *remembered {
	m := &remembered{key: r.Text(), at: r.Time(), score: readFloat(r), suppressed: int(r.Natural()), held: loadWindow(r)}
	for range r.Count(13) {
		m.told = append(m.told, told{window: loadWindow(r), uid: r.Text(), score: readFloat(r), bytes: r.Natural(), updated: r.Bool()})
	}
	m.told = m.told[max(0, len(m.told)-maxTold):]
	for range r.Count(1) {
		if sender := r.Text(); remembers(sender) {
			m.senders = append(m.senders, sender)
		}
	}
	m.senders = m.senders[max(0, len(m.senders)-maxSenders):]
	m.encoding() // now, when nobody waits yet
	return m
}

func (v window) save(w *codec.Writer) {
	w.Int(v.start)
	w.Int(int64(v.span))
}

func loadWindow(r *codec.Reader) window { return window{r.Int(), time.Duration(r.Int())} }

func (o *overflow) save(w *codec.Writer) {
	w.Int(int64(o.alerts))
	w.Int(int64(o.others))
	w.Uint(uint64(len(o.rules)))
	for _, id := range slices.Sorted(maps.Keys(o.rules)) {
		w.Text(id)
		w.Int(int64(o.rules[id]))
	}
	w.Uint(uint64(len(o.entities)))
	for i := range o.entities {
		appendEntity(w, &o.entities[i])
		o.windows[i].save(w)
	}
}

// load reads what save wrote. Entities beyond those that are named become others.
func (o *overflow) load(r *codec.Reader) {
	o.alerts, o.others = int(r.Natural()), int(r.Natural())
	for range r.Count(2) {
		if o.rules == nil {
			o.rules = make(map[string]int)
		}
		o.rules[r.Text()] = int(r.Natural())
	}
	for range r.Count(5) {
		e, w := readEntity(r), loadWindow(r)
		if len(o.entities) == OverflowEntities {
			o.others += e.Alerts
			continue
		}
		o.entities, o.windows = append(o.entities, e), append(o.windows, w)
	}
}
