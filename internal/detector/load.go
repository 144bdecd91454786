package detector

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Source gives the shards of one snapshot by their names. There is none of that name: nil and no error. It is
// lost: an error.
type Source func(name string) ([]byte, error)

// Restored says what Load found.
type Restored struct {
	Entities int     // taken over, in all keys and spans
	Lost     []error // what could not be read, each naming its shard
	// Unused are the keys, with rule and span, that were saved and are not watched any more.
	Unused []string
}

// Load takes over what a snapshot says, as far as the settings still ask for it: spans and keys that are
// not watched any more are left out, those that are new begin to learn. It must come before the first Observe.
//
// What cannot be read begins to learn, and what can be goes on: of a key that has lost entities, those that
// are left alert, and those that come do so only after another warm-up, since they may be the lost ones. An error
// says that nothing could be read; the detector then is as New made it.
func (d *Detector) Load(from Source) (Restored, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, err := from(detectorShard)
	if err != nil || data == nil {
		return Restored{}, err
	}
	r := codec.NewReader(data)
	saved := d.restore(r)
	if err := r.Err(); err != nil {
		return Restored{}, fmt.Errorf("%s: %w", detectorShard, err)
	}
	load := loading{from: from}
	number := 0
	for i := range saved {
		load.lane(d, &saved[i], number)
		number += saved[i].spaces
	}
	d.closeAt = math.MaxInt64
	for _, l := range d.lanes {
		if d.begun && !load.knows(l) {
			l.begin(d.newest)
		}
		d.closeAt = min(d.closeAt, l.closeAt())
	}
	if !d.begun {
		d.closeAt = math.MinInt64
	}
	return load.Restored, nil
}

// loading is a Load under way.
type loading struct {
	Restored
	from  Source
	lanes []*lane // that were taken over
}

func (ld *loading) knows(l *lane) bool { return slices.Contains(ld.lanes, l) }

func (ld *loading) lost(name string, err error) {
	ld.Lost = append(ld.Lost, fmt.Errorf("%s: %w", name, err))
}

// read reads a shard; nil: it is lost, and that is noted.
func (ld *loading) read(name string) *codec.Reader {
	data, err := ld.from(name)
	switch {
	case err != nil:
		ld.lost(name, err)
		return nil
	case data == nil:
		ld.lost(name, fmt.Errorf("%w: it is not there", codec.ErrMalformed))
		return nil
	}
	return codec.NewReader(data)
}

// lane takes over a lane whose spaces are numbered from first on.
func (ld *loading) lane(d *Detector, saved *savedLane, first int) {
	at := slices.IndexFunc(d.lanes, func(l *lane) bool { return l.span == saved.span })
	if at < 0 {
		ld.Unused = append(ld.Unused, fmt.Sprintf("all of %s", time.Duration(saved.span)))
		return
	}
	l := d.lanes[at]
	l.ordinal, l.flows, l.first, l.ready = saved.ordinal, saved.flows, saved.first, saved.ready
	l.alive, l.closed, l.days = saved.alive, saved.closed, saved.days
	l.enter(saved.bucket)
	ld.lanes = append(ld.lanes, l)

	var spaces []*savedSpace
	for number := first; number < first+saved.spaces; number++ {
		if s := ld.space(l, number, spaces); s != nil {
			spaces = append(spaces, s)
		}
	}
	for _, s := range l.spaces {
		if !slices.ContainsFunc(spaces, func(of *savedSpace) bool { return of.space == s }) {
			s.beginAnew(l)
		}
	}
	for _, s := range spaces {
		ld.sums(l, s, spaces)
	}
}

// savedSpace is a space as it was saved, and the one that takes it over.
type savedSpace struct {
	*space
	name     string
	detail   bool
	fields   []string
	rules    []string // of its owners
	entities int
	sums     [2]int // of the open window and the next
	// places are, by page of entities, the places they have now; noEntity: it could not be taken
	// over; a nil page was lost.
	places [][]uint32
}

// place is where an entity is now.
func (s *savedSpace) place(was uint64) (uint32, bool) {
	page, at := was/entityPage, was%entityPage
	if page >= uint64(len(s.places)) || at >= uint64(len(s.places[page])) || s.places[page][at] == noEntity {
		return 0, false
	}
	return s.places[page][at], true
}

// space takes over a space and its entities; nil if nothing watches its key, or it is lost.
func (ld *loading) space(l *lane, number int, before []*savedSpace) *savedSpace {
	saved := &savedSpace{name: spaceShard(number)}
	r := ld.read(saved.name)
	if r == nil {
		return nil
	}
	var head space
	saved.loadHead(r, &head)
	if r.Err() == nil {
		saved.space = saved.heir(l, before)
		if saved.space == nil {
			ld.Unused = append(ld.Unused, fmt.Sprintf("%v of %v, %s", saved.fields, saved.rules, time.Duration(l.span)))
			return nil
		}
		saved.model.Load(r)
	}
	if err := r.End(); err != nil {
		ld.lost(saved.name, err)
		return nil
	}
	s := saved.space
	s.evicted, s.overflowed = head.evicted, head.overflowed
	s.since, s.sinceFirst = head.since, head.sinceFirst
	known := len(ld.Lost)
	ld.entities(saved)
	if len(ld.Lost) > known {
		s.beginAnew(l)
	}
	s.hand, s.vain = head.hand%uint32(max(1, len(s.entities))), head.vain
	return saved
}

// loadHead reads what space.save wrote, up to the model.
func (s *savedSpace) loadHead(r *codec.Reader, head *space) {
	if v := r.Uint(); v != stateVersion {
		r.Fail("version %d of the state; this is version %d", v, stateVersion)
		return
	}
	s.detail = r.Bool()
	for range r.Count(1) {
		s.fields = append(s.fields, r.Text())
	}
	for range r.Count(1) {
		s.rules = append(s.rules, r.Text())
	}
	s.entities = int(loadBelow(r, placeMask))
	s.sums[0], s.sums[1] = int(loadBelow(r, placeMask)), int(loadBelow(r, placeMask))
	head.hand, head.vain = uint32(loadBelow(r, placeMask)), int(loadBelow(r, math.MaxInt32))
	head.evicted, head.overflowed = loadBytes(r), loadBytes(r)
	head.since, head.sinceFirst = uint32(loadBelow(r, math.MaxUint32)), loadInstant(r)
}

// heir is the space of the lane that goes on where the saved one stopped: of the same key, on behalf of one of
// the same rules, and not taken.
func (s *savedSpace) heir(l *lane, before []*savedSpace) *space {
	for _, candidate := range l.spaces {
		taken := slices.ContainsFunc(before, func(b *savedSpace) bool { return b.space == candidate })
		same := slices.EqualFunc(candidate.fields, s.fields, func(f flow.Field, name string) bool { return f.String() == name })
		if !taken && same && candidate.detail == s.detail && slices.ContainsFunc(s.rules, candidate.ownedBy) {
			return candidate
		}
	}
	return nil
}

// entities takes over the entities of a space, page by page.
func (ld *loading) entities(saved *savedSpace) {
	for page := 0; page*entityPage < saved.entities; page++ {
		name := fmt.Sprint(saved.name, entitiesSuffix, page)
		saved.places = append(saved.places, nil)
		r := ld.read(name)
		if r == nil {
			continue
		}
		entities := make([]savedEntity, r.Count(1))
		for i := range entities {
			entities[i].load(r, saved.space)
		}
		if want := min(entityPage, saved.entities-page*entityPage); len(entities) != want {
			r.Fail("%d entities; %d were saved", len(entities), want)
		}
		if err := r.End(); err != nil {
			ld.lost(name, err)
			continue
		}
		for i := range entities {
			at := saved.adopt(&entities[i])
			if at != noEntity {
				ld.Entities++
			}
			saved.places[page] = append(saved.places[page], at)
		}
	}
}

// savedEntity is an entity as it was saved.
type savedEntity struct {
	entity
	byOrigin bool
	rhythm   *baseline.Table // nil: none
}

func (e *savedEntity) load(r *codec.Reader, s *space) {
	marks := loadBelow(r, 2*namedByOrigin)
	e.key, e.Series = r.Text(), baseline.LoadSeries(r)
	e.windows, e.first = uint32(loadBelow(r, 1<<32)), loadInstant(r)
	e.byOrigin = marks&namedByOrigin != 0
	if marks&overflowing != 0 {
		e.hash = overflowHash
	} else if e.hash = s.keyer.hashOf(s.fields, e.key, e.byOrigin); e.hash == 0 {
		r.Fail("%q is no key of %v", e.key, s.fields)
	}
	if marks&withTable != 0 {
		e.rhythm = new(baseline.Table)
		e.rhythm.Load(r)
	}
}

// adopt gives a saved entity its place; noEntity: there is no room for it, or it is there already.
func (s *space) adopt(e *savedEntity) uint32 {
	if _, there := s.index[e.hash]; there || len(s.entities) >= s.limit && e.hash != overflowHash {
		return noEntity
	}
	at := s.grow()
	e.table = noTable
	s.entities[at], s.index[e.hash] = e.entity, at
	if e.rhythm != nil {
		s.giveTable(at)
		s.tables[s.entities[at].table] = *e.rhythm
	}
	if n := len(s.owners); n > 1 && e.hash != overflowHash {
		values := keyValues(e.key)
		for j := range s.owners {
			o := &s.owners[j]
			s.mains[int(at)*n+j] = s.keyer.hashOf(o.main.fields, joinKey(pick(values, o.positions)), e.byOrigin)
		}
	}
	return at
}

// sums takes over the sums of a space's two windows. The entities of all spaces must be there.
func (ld *loading) sums(l *lane, saved *savedSpace, all []*savedSpace) {
	var senders *savedSpace
	if from := saved.sendersSpace(l); from != nil {
		if i := slices.IndexFunc(all, func(s *savedSpace) bool { return s.space == from }); i >= 0 {
			senders = all[i]
		}
	}
	for i, w := range []*window{saved.current, saved.next} {
		ld.window(l, w, saved, senders, i)
	}
}

// window takes over the sums of one window, page by page. How many a page holds is only known from it.
func (ld *loading) window(l *lane, w *window, saved, senders *savedSpace, i int) {
	found, whole := 0, true
	for page := 0; found < saved.sums[i] && page <= saved.sums[i]/tallyBudget; page++ {
		name := fmt.Sprint(saved.name, sumsSuffix[i], page)
		data, err := ld.from(name)
		if err == nil && data == nil {
			break
		}
		var sums []savedSum
		if err == nil {
			sums, err = saved.loadSums(codec.NewReader(data), w, senders)
		}
		if err != nil {
			ld.lost(name, err)
			whole = false
			continue
		}
		found += len(sums)
		for k := range sums {
			saved.admit(l, w, &sums[k])
		}
	}
	if whole && found != saved.sums[i] {
		ld.lost(saved.name+sumsSuffix[i], fmt.Errorf("%w: %d sums; %d were saved", codec.ErrMalformed, found, saved.sums[i]))
	}
}

// savedSum is a sum as it was saved.
type savedSum struct {
	keptSum
	homeless  bool // its entity was not taken over
	ownerless bool
}

// lostSender stands for a single sender that is not known any more. It is the hash of none.
const lostSender = 1

func (s *savedSpace) loadSums(r *codec.Reader, w *window, senders *savedSpace) (sums []savedSum, err error) {
	for r.More() {
		var u savedSum
		at, ok := s.place(r.Uint())
		u.entity, u.homeless = at, !ok
		u.bytes, u.flows, u.since = loadBytes(r), uint32(loadBelow(r, 1<<32)), uint32(loadBelow(r, 1<<32))
		u.sender = loadSender(r, senders)
		if w == s.current {
			u.prediction = baseline.LoadPrediction(r)
			u.loadOwner(r, s)
			u.found, u.score = r.Bool(), r.Float32()
		}
		if r.Bool() {
			scratch := &tally{}
			if t := s.tallies.get(); t != nil {
				u.tally, scratch = t, t
			}
			scratch.load(r, s.keyer)
		}
		sums = append(sums, u)
	}
	if err := r.End(); err != nil {
		s.dropTallies(sums)
		return nil, err
	}
	return sums, nil
}

// loadSender reads what saidSender has said.
func loadSender(r *codec.Reader, senders *savedSpace) (hash uint64) {
	switch sender := r.Uint(); {
	case sender == manySenders:
		return 0
	case sender >= knownSender && senders != nil:
		if at, ok := senders.place(sender - knownSender); ok {
			return senders.space.entities[at].hash
		}
	}
	return lostSender
}

// loadOwner reads on behalf of which rule a sum is judged.
func (u *savedSum) loadOwner(r *codec.Reader, s *savedSpace) {
	was := loadBelow(r, uint64(len(s.rules)))
	if r.Err() != nil {
		return
	}
	now := slices.IndexFunc(s.owners, func(o owner) bool { return o.rule == s.rules[was] })
	u.owner, u.ownerless = uint8(max(0, now)), now < 0
}

func (s *space) dropTallies(sums []savedSum) {
	for i := range sums {
		if t := sums[i].tally; t != nil {
			s.tallies.put(t)
		}
	}
}

// admit gives a saved sum its place in a window. What it takes to alert follows from the settings.
func (s *space) admit(l *lane, w *window, u *savedSum) {
	there := u.homeless
	if !there {
		_, there = w.index.get(s.entities[u.entity].hash)
	}
	if there {
		if u.tally != nil {
			s.tallies.put(u.tally)
		}
		return
	}
	at := uint32(len(w.sums))
	w.sums, w.outlooks = append(w.sums, u.sum), append(w.outlooks, u.outlook)
	s.list(w, s.entities[u.entity].hash, at)
	sum, o := &w.sums[at], &w.outlooks[at]
	o.threshold = math.MaxInt64
	if w == s.next {
		sum.attention = s.leastFloor() / tallyFrom
	} else {
		if u.ownerless {
			o.owner = s.rarest(l, o.entity)
		}
		sum.attention = s.expect(l, o)
	}
	switch {
	case o.tally != nil:
		sum.attention = 0
	case o.found:
		sum.attention = math.MaxInt64
	}
}
