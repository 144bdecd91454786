package detector

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// A Loader lets a new detector take over what a snapshot says, as far as the settings still ask for it: spans
// and keys that are not watched any more are left out, those that are new begin to learn. All shards of one snapshot must
// be visited in the order of their names, but for those that are lost; then comes Finish, before the
// first Observe.
//
// What is lost begins to learn, and what is not goes on: of a key that has lost entities, those that are left
// alert, and those that come do so only after another warm-up, since they may be the lost ones.
type Loader struct {
	d        *Detector
	lanes    []*savedLane
	spaces   []*savedSpace // by their number; nil: lost, or not watched any more
	sealed   bool          // all entities are there
	restored Restored
}

// Restored says what a Loader has found.
type Restored struct {
	Entities int // taken over, in all keys and spans
	// Unused are the keys, with rule and span, that were saved and are not watched any more.
	Unused []string
	// Anew are the keys, with rule and span, that begin to learn though the detector does not: they are new or lost,
	// or some of their entities are.
	Anew []string
}

// Loader returns what loads a snapshot into a new detector.
func (d *Detector) Loader() *Loader { return &Loader{d: d} }

// Owns says whether a shard is of a detector's snapshot.
func (*Loader) Owns(name string) bool { return strings.HasPrefix(name, shardPrefix) }

// Visit takes over one shard. An error, which wraps codec.ErrMalformed, says that it is lost; the detector is then as
// before the call.
func (ld *Loader) Visit(name string, data []byte) error {
	ld.d.mu.Lock()
	defer ld.d.mu.Unlock()
	var space, page int
	kind := name
	for _, k := range [...]string{spacePrefix, entitiesPrefix, sumsPrefix[0], sumsPrefix[1], sumsPrefix[2], ghostsPrefix, metPrefix} {
		if rest, ok := strings.CutPrefix(name, k); ok {
			numbers := strings.SplitN(rest, "/", 2)
			space, _ = strconv.Atoi(numbers[0]) // 0 where it is no number: whatever is wrong with it will be found
			page, _ = strconv.Atoi(numbers[len(numbers)-1])
			kind = k
			break
		}
	}
	r := codec.NewReader(data)
	switch kind {
	case detectorShard:
		return ld.head(r)
	case spacePrefix:
		return ld.space(r, space)
	case entitiesPrefix:
		return ld.entities(r, space, page)
	case sumsPrefix[0]:
		return ld.sums(r, space, 0)
	case sumsPrefix[1]:
		return ld.sums(r, space, 1)
	case sumsPrefix[2]:
		return ld.sums(r, space, 2)
	case ghostsPrefix:
		return ld.ghosts(r, space)
	case metPrefix:
		return ld.met(r)
	}
	return nil // of a later version, which says nothing that could be used
}

// Finish ends the loading. Where the shard of the detector as a whole was lost, or nothing was saved, the detector is
// as New made it.
func (ld *Loader) Finish() Restored {
	d := ld.d
	d.mu.Lock()
	defer d.mu.Unlock()
	ld.seal()
	if !d.begun {
		return ld.restored
	}
	d.closeAt = math.MaxInt64
	for _, l := range d.lanes {
		if ld.saved(l) == nil {
			l.begin(d.newest)
		}
		d.closeAt = min(d.closeAt, l.closeAt())
	}
	return ld.restored
}

// saved is a lane as it was saved, nil if it was not.
func (ld *Loader) saved(l *lane) *savedLane {
	for _, s := range ld.lanes {
		if s.heir == l {
			return s
		}
	}
	return nil
}

// head takes over what the detector knows as a whole, and its lanes.
func (ld *Loader) head(r *codec.Reader) error {
	saved := ld.d.restore(r)
	if err := r.Err(); err != nil {
		return err
	}
	ld.lanes = saved
	for _, s := range saved {
		ld.spaces = append(ld.spaces, make([]*savedSpace, s.spaces)...)
		at := slices.IndexFunc(ld.d.lanes, func(l *lane) bool { return l.span == s.span })
		if at < 0 {
			ld.restored.Unused = append(ld.restored.Unused, fmt.Sprintf("all of %s", time.Duration(s.span)))
			continue
		}
		l := ld.d.lanes[at]
		s.heir = l
		l.ordinal, l.flows, l.first, l.ready = s.ordinal, s.flows, s.first, s.ready
		l.alive, l.closed, l.days = s.alive, s.closed, s.days
		l.outage = s.outage
		l.enter(s.bucket)
		l.countMissing()
	}
	return nil
}

// laneOf is the lane of a space by its number; nil: there is none.
func (ld *Loader) laneOf(number int) *lane {
	for _, s := range ld.lanes {
		if number < s.spaces {
			return s.heir
		}
		number -= s.spaces
	}
	return nil
}

// at is a space by its number; nil: it is lost or not watched any more.
func (ld *Loader) at(number int) *savedSpace {
	if number < 0 || number >= len(ld.spaces) {
		return nil
	}
	return ld.spaces[number]
}

// seal comes when all entities have been visited: spaces that are new, or not whole, begin anew.
func (ld *Loader) seal() {
	if ld.sealed {
		return
	}
	ld.sealed = true
	for _, saved := range ld.lanes {
		if saved.heir == nil {
			continue
		}
		for _, s := range saved.heir.spaces {
			of := ld.heirOf(s)
			if of != nil && of.whole() {
				s.hand, s.vain = of.hand%uint32(max(1, len(s.entities))), of.vain
				continue
			}
			s.beginAnew(saved.heir)
			ld.restored.Anew = append(ld.restored.Anew, fmt.Sprintf("%v of %s, %s", s.fields, s.owners[0].rule, s.span))
		}
	}
}

// heirOf is the saved space that one has taken over; nil: none.
func (ld *Loader) heirOf(s *space) *savedSpace {
	for _, saved := range ld.spaces {
		if saved != nil && saved.space == s {
			return saved
		}
	}
	return nil
}

// savedSpace is a space as it was saved, and the one that takes it over.
type savedSpace struct {
	*space
	detail   bool
	fields   []string
	rules    []string // of its owners
	entities int
	hand     uint32
	vain     int
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

// whole says whether all pages of its entities were there.
func (s *savedSpace) whole() bool {
	return len(s.places)*entityPage >= s.entities && !slices.ContainsFunc(s.places, func(p []uint32) bool { return p == nil })
}

// space takes over what the entities of a space share, if its key is still watched.
func (ld *Loader) space(r *codec.Reader, number int) error {
	l := ld.laneOf(number)
	if l == nil || number < 0 {
		return nil
	}
	saved := &savedSpace{}
	var head space
	var model baseline.Model
	saved.loadHead(r, &head)
	if r.Err() == nil {
		saved.space = ld.heir(l, saved)
		if saved.space == nil {
			ld.restored.Unused = append(ld.restored.Unused, fmt.Sprintf("%v of %v, %s", saved.fields, saved.rules, time.Duration(l.span)))
			return nil
		}
		model = *saved.model
		model.Load(r)
	}
	if err := r.End(); err != nil {
		return err
	}
	*saved.model = model
	saved.hand, saved.vain = head.hand, head.vain
	s := saved.space
	s.evicted, s.returned, s.overflowed = head.evicted, head.returned, head.overflowed
	s.since, s.sinceFirst = head.since, head.sinceFirst
	ld.spaces[number] = saved
	return nil
}

// loadHead reads what space.save wrote, up to the model.
func (s *savedSpace) loadHead(r *codec.Reader, head *space) {
	r.Version(stateVersion, "a state")
	s.detail = r.Bool()
	for range r.Count(1) {
		s.fields = append(s.fields, r.Text())
	}
	for range r.Count(1) {
		s.rules = append(s.rules, r.Text())
	}
	s.entities = int(r.Below(placeMask))
	head.hand, head.vain = uint32(r.Below(placeMask)), int(r.Below(math.MaxInt32))
	head.evicted, head.returned, head.overflowed = r.Natural(), r.Natural(), r.Natural()
	head.since, head.sinceFirst = uint32(r.Below(math.MaxUint32)), loadInstant(r)
}

// heir is the space of the lane that goes on where the saved one stopped: of the same key, on behalf of one of
// the same rules, and not taken.
func (ld *Loader) heir(l *lane, s *savedSpace) *space {
	for _, candidate := range l.spaces {
		same := slices.EqualFunc(candidate.fields, s.fields, func(f flow.Field, name string) bool { return f.String() == name })
		if same && candidate.detail == s.detail && slices.ContainsFunc(s.rules, candidate.ownedBy) && ld.heirOf(candidate) == nil {
			return candidate
		}
	}
	return nil
}

// entities takes over a page of entities.
func (ld *Loader) entities(r *codec.Reader, number, page int) error {
	saved := ld.at(number)
	if saved == nil {
		return nil
	}
	want := saved.entities - page*entityPage
	if want <= 0 || page < len(saved.places) && saved.places[page] != nil {
		r.Fail("page %d of %d entities", page, saved.entities)
	}
	entities := make([]savedEntity, r.Count(1))
	for i := range entities {
		entities[i].load(r, saved.space)
	}
	if want = min(entityPage, want); len(entities) != want {
		r.Fail("%d entities; %d were saved", len(entities), want)
	}
	if err := r.End(); err != nil {
		return err
	}
	for len(saved.places) <= page {
		saved.places = append(saved.places, nil)
	}
	places := make([]uint32, len(entities))
	for i := range entities {
		places[i] = saved.adopt(&entities[i])
		if places[i] != noEntity {
			ld.restored.Entities++
		}
	}
	saved.places[page] = places
	return nil
}

// savedEntity is an entity as it was saved.
type savedEntity struct {
	entity
	byOrigin bool
	rhythm   *baseline.Table // nil: none
}

func (e *savedEntity) load(r *codec.Reader, s *space) {
	marks := r.Below(2 * namedByOrigin)
	e.key, e.Series = r.Text(), baseline.LoadSeries(r)
	e.windows, e.first = uint32(r.Below(1<<32)), loadInstant(r)
	e.byOrigin = marks&namedByOrigin != 0
	e.key = s.keyer.hideKey(s.fields, e.key, e.byOrigin)
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
	if _, there := s.index.get(e.hash, s.entities); there || len(s.entities) >= s.limit && e.hash != overflowHash {
		return noEntity
	}
	at := s.grow()
	e.table = noTable
	s.entities[at] = e.entity
	s.index.put(at, s.entities)
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

// ghosts takes over a page of ghosts.
func (ld *Loader) ghosts(r *codec.Reader, number int) error {
	saved, l := ld.at(number), ld.laneOf(number)
	if saved == nil || l == nil {
		return nil
	}
	var ghosts []ghost
	for r.More() {
		g := ghost{hash: r.Fixed(), Series: baseline.LoadSeries(r), windows: uint32(r.Below(1 << 32)), first: loadInstant(r)}
		if g.hash == 0 || len(ghosts) == ghostPage*ghostWays {
			r.Fail("a ghost without a hash, or more than %d in a page", ghostPage*ghostWays)
		}
		ghosts = append(ghosts, g)
	}
	if err := r.End(); err != nil {
		return err
	}
	for i := range ghosts {
		saved.space.ghosts.put(ghosts[i], saved.limit, l.ordinal, saved.span)
	}
	return nil
}

// met takes over a page of those whom tallies have named. Without the salt, which is lost with the detector as a whole,
// their hashes say nothing.
func (ld *Loader) met(r *codec.Reader) error {
	if len(ld.lanes) == 0 {
		return nil
	}
	return ld.d.tallies.met.load(r)
}

// sums takes over a page of sums of a window.
func (ld *Loader) sums(r *codec.Reader, number, window int) error {
	saved, l := ld.at(number), ld.laneOf(number)
	if saved == nil || l == nil {
		return nil
	}
	ld.seal()
	w := saved.windows()[window]
	var senders *savedSpace
	if from := saved.sendersSpace(l); from != nil {
		senders = ld.heirOf(from)
	}
	sums, err := saved.loadSums(r, l, w, senders)
	for k := range sums {
		saved.admit(l, w, &sums[k])
	}
	return err
}

// savedSum is a sum as it was saved.
type savedSum struct {
	keptSum
	homeless  bool // its entity was not taken over
	ownerless bool
}

// lostSender stands for a single sender that is not known any more. It is the hash of none.
const lostSender = 1

func (s *savedSpace) loadSums(r *codec.Reader, l *lane, w *window, senders *savedSpace) (sums []savedSum, err error) {
	for r.More() {
		var u savedSum
		at, ok := s.place(r.Uint())
		u.entity, u.homeless = at, !ok
		u.bytes, u.flows = r.Natural(), uint32(r.Below(1<<32))
		since := r.Below(2 * untaughtFollows)
		u.since, u.sender = uint32(since%untaughtFollows), loadSender(r, senders)
		if since >= untaughtFollows {
			u.untaught = r.Int()
		}
		if w != s.next {
			u.prediction = baseline.LoadPrediction(r)
			u.loadOwner(r, s)
			u.found, u.score, u.untaught = r.Bool(), r.Float32(), r.Int()
		}
		if r.Bool() {
			scratch := &tally{}
			if t := s.tallies.get(); t != nil {
				u.tally, scratch = t, t
			}
			scratch.load(r, s.keyer, hourOf(l.start()))
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
	was := r.Below(uint64(len(s.rules)))
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
	if u.untaught != 0 {
		w.leaveUntaught(at, u.untaught)
	}
	sum, o := &w.sums[at], &w.outlooks[at]
	o.threshold = math.MaxInt64
	if w == s.next {
		sum.attention = s.leastFloor() / tallyFrom
		if o.tally != nil {
			sum.attention = 0
		}
		return
	}
	if u.ownerless {
		o.owner = s.rarest(l, o.entity)
	}
	if w == s.missed {
		sum.attention = s.expectMissed(l, o)
		return
	}
	sum.attention = s.expect(l, o)
}
