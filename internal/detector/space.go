package detector

import (
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
)

// space holds the entities of one key and span.
type space struct {
	fields  []flow.Field
	keyer   *keyer
	key     int          // number of the key, see keyer
	senders int          // number of a key that tells the hosts of one entity apart; -1: none does
	owners  []owner      // the rules it is watched for
	rules   flow.RuleSet // the same, see exemption
	detail  bool
	span    time.Duration
	share   float64 // of a rule's budget of false alarms
	model   *baseline.Model
	decays  *baseline.Decays // of the span
	less    baseline.Ablation
	tallies *tallyPool
	limit   int

	index    *index // hash of the key → entities
	entities []entity
	mains    []uint64 // where rules share the space: for each entity, the hash of its key in each owner's main space
	hand     uint32   // where the search for an entity to evict goes on
	vain     int      // entities looked at since one was last found, while this window is open
	tables   []baseline.Table
	rhythmic []uint32 // entity of each table; noEntity where the table is free
	unused   []uint32 // free tables

	current, next *window
	missed        *window // sums of the lane's missing windows, see outage
	ghosts        ghosts

	dirty  []bool          // by page of entities: changed since the last snapshot
	frozen *frozen[entity] // nil: no snapshot is being written

	// Where the space, or a part of it, is younger than its lane: how many windows its lane had observed when
	// it began, and the number of the window then open. What it met before is known, what comes may be old.
	since      uint32
	sinceFirst int64 // math.MinInt64: it is as old as its lane

	evicted, returned, overflowed int64
	name, salted                  []byte // scratch
}

// owner is a rule on whose behalf a space is watched.
type owner struct {
	rule        string
	by          []flow.Field
	positions   []int  // of by in the space's fields
	main        *space // the space of by
	threshold   float64
	budget      float64
	falseAlarms float64 // a week, at the threshold
	floor       int64
}

type entity struct {
	baseline.Series
	hash    uint64
	key     string // see appendKey
	table   uint32 // index, noTable
	windows uint32 // active windows so far
	first   int64  // number of its first window
}

// window holds the sums of one open window.
type window struct {
	index    *table // hash of the key → sums, outlooks
	sums     []sum
	outlooks []outlook
	untaught map[uint32]int64 // bytes of a sum that are judged and teach nothing, less those that only teach; nil: there are none
	frozen   *frozenSums      // nil: no snapshot is being written
}

// sum is what every record of an entity's open window touches.
type sum struct {
	bytes     int64
	sender    uint64 // hash of the senders' key while there is only one; 0: several, or it cannot be told
	attention int64  // bytes from which each record needs more than adding
	flows     uint32
	since     uint32 // seconds after the window's start at which the first record came
}

// outlook is what is expected of a sum, and what came of it.
type outlook struct {
	threshold  int64 // bytes at which it is found, see space.threshold; math.MaxInt64: not now
	entity     uint32
	prediction baseline.Prediction
	owner      uint8
	found      bool
	score      float32 // at which it was found
	tally      *tally
}

const (
	noTable  = math.MaxUint32
	noEntity = math.MaxUint32

	// Contributors are counted from this part of the threshold on.
	tallyFrom = 16
	// How many entities are looked at to find one to evict.
	evictionTries = 32
	// One of so many entities may be evicted, the lightest ones.
	newcomersShare = 8
	// hash of the entity under which those that find no room are counted. Hashes of keys are odd, and
	// in all of them the highest bit is set.
	overflowHash = 1 << 63
	// OverflowValue names that entity.
	OverflowValue = flow.OverflowName
	// An update is worth sending from this many points above the score of the first finding.
	updatePoints = 10
	// Of the overflow entity also from this many times its threshold: what has alerted may be
	// one thing, and what comes after it another.
	updateTimes = 10
)

func newWindow() *window { return &window{index: newTable()} }

func (w *window) reset() {
	w.index.reset()
	clear(w.outlooks) // lets the tallies go
	w.sums, w.outlooks, w.untaught = w.sums[:0], w.outlooks[:0], nil
}

// add sums those of flows[from:to] that have the key, all of which came at the same stage. First it finds their places,
// then it adds, in two loops that do little else: in one that did all, each cache miss would wait for the one before.
func (s *space) add(l *lane, came arrival, flows []flow.Flow, sc *scratch, from, to int, found *[]Finding) {
	w := s.windowOf(came)
	keys, places := sc.keys[s.key][:to], sc.places[:to]
	w.index.find(keys[from:], places[from:])
	for _, i := range sc.exempt {
		if from <= int(i) && int(i) < to {
			places[i] = unknownPlace
		}
	}
	w.keepAll(places[from:])
	senders := keys
	if s.senders >= 0 {
		senders = sc.keys[s.senders][:to]
	}
	for i := from; i < to; i++ {
		if came != ancient {
			if i += sumUp(w.sums, places[i:], sc.masses[i:to], senders[i:]); i == to {
				return
			}
		}
		if keys[i] != 0 {
			s.addOne(l, w, came, &flows[i], sc, i, found)
		}
	}
}

// sumUp adds masses to the sums at their places, up to the first that may need more than that, and returns how many.
func sumUp(sums []sum, places []uint32, masses []mass, senders []uint64) int {
	masses, senders = masses[:len(places)], senders[:len(places)]
	for i, at := range places {
		if uint64(at) >= uint64(len(sums)) {
			if at == lackingPlace {
				continue
			}
			return i
		}
		u := &sums[at]
		bytes := flow.AddBytes(u.bytes, masses[i].bytes)
		if bytes >= u.attention {
			return i
		}
		u.bytes = bytes
		u.flows++
		sender := u.sender
		if sender != senders[i] {
			sender = 0
		}
		u.sender = sender // also where it stays: that takes no branch
	}
	return len(places)
}

// addOne sums a flow that has the key and may need more than adding.
func (s *space) addOne(l *lane, w *window, came arrival, f *flow.Flow, sc *scratch, i int, found *[]Finding) {
	exempt := s.exempts(f)
	if exempt == leftOut {
		return
	}
	key := sc.keys[s.key][i]
	at := sc.places[i]
	if uint64(at) >= uint64(len(w.sums)) { // a flow before it may have brought it
		var ok bool
		if at, ok = w.index.get(key); !ok {
			at = s.enter(l, w, key, f, sc, i)
		}
	}
	w.keep(at)
	u := &w.sums[at]
	if u.sender != sc.sender(s, i) {
		u.sender = 0
	}
	if exempt == onlyTeaches {
		w.teachBesides(at, f.Bytes, came)
		return
	}
	u.bytes = flow.AddBytes(u.bytes, f.Bytes)
	u.flows++
	if came == ancient || exempt == onlyJudged {
		w.leaveUntaught(at, f.Bytes)
	}
	if u.bytes >= u.attention {
		s.attend(l, w, at, f, sc.tuple(i, f), found)
	}
}

// enter gives an entity its sum in a window.
func (s *space) enter(l *lane, w *window, key uint64, f *flow.Flow, sc *scratch, i int) uint32 {
	e, ok := s.index.get(key, s.entities)
	if !ok {
		if e, ok = s.create(l, key, f, sc, i); !ok {
			s.overflowed++
			if at, ok := w.index.get(overflowHash); ok {
				return at
			}
			key = overflowHash
		}
	}
	at := uint32(len(w.sums))
	from, _ := s.bounds(l, w)
	since := max(0, f.Time-from) / int64(time.Second)
	w.sums = append(w.sums, sum{since: uint32(since), sender: sc.sender(s, i)})
	w.outlooks = append(w.outlooks, outlook{entity: e})
	s.list(w, key, at)
	switch w {
	case s.next:
		w.outlooks[at].threshold, w.sums[at].attention = math.MaxInt64, s.leastFloor()/tallyFrom
	case s.missed:
		w.sums[at].attention = s.predictMissed(l, &w.outlooks[at])
	default:
		w.sums[at].attention = s.predict(l, &w.outlooks[at])
	}
	return at
}

// bounds are the start and the end of a window of the space.
func (s *space) bounds(l *lane, w *window) (start, end int64) {
	switch {
	case w == s.next:
		return l.end(), l.end() + l.span
	case w == s.missed && l.outage.known():
		return l.outage.bounds()
	}
	return l.start(), l.end()
}

// list makes the sum at a place found by its key.
func (s *space) list(w *window, key uint64, at uint32) {
	if w.index.full() {
		w.index.grow()
		for i := range at {
			w.index.put(s.entities[w.outlooks[i].entity].hash, i)
		}
	}
	w.index.put(key, at)
}

func (s *space) leastFloor() int64 {
	least := s.owners[0].floor
	for _, o := range s.owners[1:] {
		least = min(least, o.floor)
	}
	return least
}

// predict freezes what is expected of an entity in the open window, and returns the bytes from which
// its records need attention.
func (s *space) predict(l *lane, o *outlook) (attention int64) {
	e := s.meet(l, o.entity)
	o.prediction = s.model.Predict(&e.Series, s.table(e), l.slot, s.activity(l, o.entity))
	o.owner = s.rarest(l, o.entity)
	return s.expect(l, o)
}

// meet brings an entity to the open window.
func (s *space) meet(l *lane, at uint32) *entity {
	s.touch(at)
	e := &s.entities[at]
	if e.windows == 0 && e.first != l.bucket {
		e.first = l.bucket
		e.Begin(l.ordinal, l.ordinal-s.since)
	}
	s.decays.SkipTo(&e.Series, l.ordinal)
	return e
}

// expect says whether what was predicted can be found, and returns the bytes from which records need attention.
func (s *space) expect(l *lane, o *outlook) (attention int64) {
	e := &s.entities[o.entity]
	o.threshold = math.MaxInt64
	if s.warm(l, e) && !s.less.JudgesLate() {
		o.threshold = unsolved
	}
	return s.attention(o)
}

// unsolved is a threshold that has not been solved yet: it is not below the rule's floor, and few sums come near that.
// What it depends on stays the same until the window closes.
const unsolved = -1

// threshold is the number of bytes at which an outlook is found.
func (s *space) threshold(o *outlook) int64 {
	if o.threshold == unsolved {
		w := &s.owners[o.owner]
		o.threshold = s.model.Threshold(o.prediction, w.falseAlarms, w.floor)
	}
	return o.threshold
}

// reaches says whether so many bytes are found.
func (s *space) reaches(o *outlook, bytes int64) bool {
	return bytes >= s.owners[o.owner].floor && bytes >= s.threshold(o)
}

// attention is the number of bytes from which records need more than adding.
func (s *space) attention(o *outlook) int64 {
	switch {
	case o.tally != nil:
		return 0
	case o.found:
		return math.MaxInt64
	case o.threshold == unsolved:
		return s.owners[o.owner].floor / tallyFrom
	}
	return o.threshold / tallyFrom
}

func (s *space) table(e *entity) *baseline.Table {
	if e.table == noTable {
		return nil
	}
	return &s.tables[e.table]
}

// rarest picks the rule under which a detail key is found: the one whose own entity is the
// less active.
func (s *space) rarest(l *lane, at uint32) uint8 {
	if len(s.owners) == 1 {
		return 0
	}
	best, least := 0, math.Inf(1)
	for i := range s.owners {
		active := s.owners[i].main.activeWindows(l, s.main(at, i))
		if active < least {
			best, least = i, active
		}
	}
	return uint8(best)
}

// main is the hash of an entity's key in the main space of an owner.
func (s *space) main(at uint32, owner int) uint64 { return s.mains[int(at)*len(s.owners)+owner] }

// activity is how probable it is that an entity is active in the open window. While a pair of keys has no past, its
// halves speak for it, as if they were independent: two that are seldom met are met together more seldom still.
func (s *space) activity(l *lane, at uint32) float64 {
	guess := baseline.EvenChance
	if len(s.owners) > 1 && !s.less.NoPairs {
		guess = 1
		for i := range s.owners {
			guess *= s.owners[i].main.activityOf(l, s.main(at, i))
		}
	}
	return s.decays.Activity(s.entities[at].Series, l.ordinal, guess)
}

func pick(values []string, positions []int) []string {
	picked := make([]string, len(positions))
	for i, p := range positions {
		picked[i] = values[p]
	}
	return picked
}

// attend handles a record of a sum that is near or past its threshold.
func (s *space) attend(l *lane, w *window, at uint32, f *flow.Flow, tuple uint64, found *[]Finding) {
	u, o := &w.sums[at], &w.outlooks[at]
	w.keepOutlook(at)
	if o.threshold == unsolved {
		s.threshold(o)
		if u.attention = s.attention(o); u.bytes < u.attention {
			return
		}
	}
	crosses := !o.found && u.bytes >= o.threshold
	// A record that came late counts, and decides, in the window that it joined.
	t := max(f.Time, l.start())
	if o.tally == nil {
		if o.tally = s.tallies.get(); o.tally == nil {
			u.attention = o.threshold // none to be had; try again when it matters
			if crosses {              // the record that crosses can be named all the same
				u.attention = math.MaxInt64
				o.tally = s.tallies.spare(tuple, f, t)
				*found = append(*found, s.find(l, w, at, t))
				o.tally = nil
			}
			return
		}
		u.attention = 0
	}
	o.tally.add(tuple, f, t, &s.keyer.naming)
	if crosses {
		*found = append(*found, s.find(l, w, at, t))
	}
}

// find makes the finding of a window's sum that has just been seen to reach its threshold.
func (s *space) find(l *lane, w *window, place uint32, at int64) Finding {
	o := &w.outlooks[place]
	by := &s.owners[o.owner]
	v := s.model.Judge(o.prediction, w.sums[place].bytes)
	// The threshold was solved in bytes; the score at it may come out a rounding error lower.
	score := max(baseline.Score(v.FalseAlarms, by.budget), by.threshold)
	o.found, o.score = true, float32(score)
	return s.finding(l, w, place, v, score, Crossing, at)
}

func (s *space) finding(l *lane, in *window, place uint32, v baseline.Verdict, score float64, phase Phase, at int64) Finding {
	u, o := &in.sums[place], &in.outlooks[place]
	w, e, p := &s.owners[o.owner], &s.entities[o.entity], o.prediction
	start, end := s.bounds(l, in)
	f := Finding{
		Rule: w.rule, Fields: w.by,
		Phase:       phase,
		Time:        time.Unix(0, at).UTC(),
		WindowStart: time.Unix(0, start).UTC(),
		WindowEnd:   time.Unix(0, end).UTC(),
		Span:        s.span,
		First:       time.Unix(0, start).UTC().Add(time.Duration(u.since) * time.Second),
		Score:       score,
		FalseAlarms: v.FalseAlarms,
		Probability: v.Probability,
		Actual:      u.bytes,
		Typical:     p.Median(),
		Upper:       s.model.Threshold(p, w.falseAlarms, w.floor),
		Flows:       int64(u.flows),
		FirstSeen:   e.windows == 0,
		Age:         time.Duration((l.bucket - e.first) * l.span),
		Windows:     int(e.windows),
		State:       l.state(),
		Why: Why{
			Deviation:  v.Deviation,
			Surprise:   v.Surprise,
			Silence:    float64(p.Silence),
			Season:     e.table != noTable || s.detail && p.Season != 0,
			Peers:      s.model.LeansOnPeers(&e.Series),
			Calibrated: v.Calibrated,
		},
	}
	values := s.values(e)
	f.Values = pick(values, w.positions)
	if s.detail {
		f.DetailFields, f.DetailValues = s.fields, values
	}
	if o.tally != nil {
		f.Contributors, f.Most = s.tallies.contributions(o.tally), s.keyer.most
		f.FlowIDs = o.tally.flowIDs()
	}
	return f
}

func (s *space) values(e *entity) []string {
	if e.hash == overflowHash {
		return slices.Repeat([]string{OverflowValue}, len(s.fields))
	}
	return keyValues(e.key)
}

// open predicts the window now open for the entities that were summed while it was the next.
func (s *space) open(l *lane, found []Finding) []Finding {
	// The decision falls when the window before closes, not with one of the records.
	at := min(l.start()+l.lateness, l.end()-1)
	for i := range s.current.sums {
		l.paceAt(i)
		u, o := &s.current.sums[i], &s.current.outlooks[i]
		u.attention = s.predict(l, o)
		if u.bytes > 0 && s.reaches(o, u.bytes) {
			found = append(found, s.find(l, s.current, uint32(i), at))
		} else if o.tally != nil && u.bytes < s.threshold(o)/tallyFrom {
			// It was begun before anything was expected, and by what is, it is not yet time.
			s.tallies.put(o.tally)
			o.tally = nil
			u.attention = s.attention(o)
		}
	}
	return found
}

// close judges every sum of the open window, then learns from it, then lets the window go.
func (s *space) close(l *lane, endsDay bool, found []Finding) []Finding {
	for i := range s.current.sums {
		l.paceAt(i)
		u, o := &s.current.sums[i], &s.current.outlooks[i]
		s.touch(o.entity)
		e, w := &s.entities[o.entity], &s.owners[o.owner]
		if s.less.LearnsFirst {
			s.learn(l, o, s.model.Judge(o.prediction, u.bytes), true)
			o.prediction = s.model.Predict(&e.Series, s.table(e), l.slot, s.activity(l, o.entity))
		}
		v := s.model.Judge(o.prediction, u.bytes)
		switch {
		case o.found:
			if score := baseline.Score(v.FalseAlarms, w.budget); score >= float64(o.score)+updatePoints ||
				e.hash == overflowHash && u.bytes/updateTimes >= s.threshold(o) {
				found = append(found, s.finding(l, s.current, uint32(i), v, score, Closing, l.end()))
			}
		case s.less.JudgesLate() && s.warm(l, e) && u.bytes >= w.floor && v.FalseAlarms <= w.falseAlarms:
			found = append(found, s.find(l, s.current, uint32(i), l.end()))
		}
		switch {
		case s.less.LearnsFirst:
		case s.current.untaught[uint32(i)] != 0:
			rest := *u
			if rest.bytes = s.current.taught(uint32(i)); rest.bytes > 0 {
				s.teach(l, &rest, o, s.model.Judge(o.prediction, rest.bytes))
			}
		default:
			s.teach(l, u, o, v)
		}
	}
	for t, at := range s.rhythmic {
		l.paceAt(t)
		if at != noEntity {
			s.touch(at)
			s.tables[t].Pass(l.slot, s.entities[at].Next > l.ordinal)
		}
	}
	s.model.EndWindow(l.slot, endsDay)
	s.discard(l)
	s.vain = 0
	return found
}

// discard lets the sums of the open window go.
func (s *space) discard(l *lane) {
	if len(s.current.sums) == 0 {
		return
	}
	for i := range s.current.outlooks {
		if t := s.current.outlooks[i].tally; t != nil {
			s.tallies.settle(t, l.end()-1)
		}
	}
	s.current.reset()
}

// teach teaches an entity a window that was judged so, or withholds it.
func (s *space) teach(l *lane, u *sum, o *outlook, v baseline.Verdict) {
	by := &s.owners[o.owner]
	if ordinary := v.Ordinary(by.budget); ordinary || !s.onProbation(l, u, o, by.floor) {
		s.learn(l, o, v, ordinary)
		return
	}
	e := &s.entities[o.entity]
	s.model.Withhold(&e.Series, o.prediction)
	e.windows++
}

// probation is how long a key that one sender took up has to be unusual before it is usual.
const probation = 14 * 24 * time.Hour

// onProbation says whether a window of a key may be withheld from its baseline: a single sender has taken the
// key up since alerts are given, and has stayed below what could alert. Who starts a theft small and doubles it every
// few days would else become his own baseline before he is worth an alert. A service that arrives has
// several users before long.
func (s *space) onProbation(l *lane, u *sum, o *outlook, floor int64) bool {
	e := &s.entities[o.entity]
	return s.senders >= 0 && !s.less.NoProbation && s.warm(l, e) &&
		u.sender != 0 && u.bytes < floor &&
		e.first*l.span >= s.ready(l) && (l.bucket-e.first)*l.span < int64(probation)
}

// warm says whether an entity's sum in the open window may alert: what the space has met is all there is, or the
// entity was met before the space began anew.
func (s *space) warm(l *lane, e *entity) bool {
	return l.warm() && (e.first < s.sinceFirst || int64(l.ordinal-s.since)*l.span >= l.warmUp)
}

// ready is the start of the first window in which every entity of the space may alert; the lane must be warm.
func (s *space) ready(l *lane) int64 {
	if s.sinceFirst == math.MinInt64 {
		return l.ready
	}
	return max(l.ready, s.sinceFirst*l.span+l.warmUp)
}

// beginAnew says that from the open window on, entities come that may be old: what was known of them is lost, or
// the space was not there.
func (s *space) beginAnew(l *lane) { s.since, s.sinceFirst = l.ordinal, l.bucket }

// learn teaches an entity its window, which was judged so.
func (s *space) learn(l *lane, o *outlook, v baseline.Verdict, ordinary bool) {
	e := &s.entities[o.entity]
	s.model.LearnJudged(&e.Series, s.table(e), l.slot, o.prediction, v, ordinary)
	e.windows++
	if e.table == noTable && s.model.WantsTable(&e.Series) {
		s.giveTable(o.entity)
	}
}

func (s *space) giveTable(at uint32) {
	if n := len(s.unused); n > 0 {
		t := s.unused[n-1]
		s.unused = s.unused[:n-1]
		s.tables[t], s.rhythmic[t] = baseline.Table{}, at
		s.entities[at].table = t
		return
	}
	s.entities[at].table = uint32(len(s.tables))
	s.tables = append(s.tables, baseline.Table{})
	s.rhythmic = append(s.rhythmic, at)
}
