package detector

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// What a detector knows is written in the shards of a Snapshot. Hashes are not part of it: their seeds
// are of one process. Whatever follows from the settings is not either: thresholds, limits and budgets are those of
// the detector that loads.

// stateVersion is that of all shards. A later one that means something else by the same bytes must raise it.
const stateVersion = 1

// Names of shards: the detector with its lanes; each space; its entities, the sums of its
// open window, of the next and of the missed ones, and its ghosts, page by page; and since when contributors have been
// met. In their order each needs only what comes before.
const (
	shardPrefix    = "detector/"
	detectorShard  = shardPrefix + "0"
	spacePrefix    = shardPrefix + "1/"
	entitiesPrefix = shardPrefix + "2/"
)

// sumsPrefix are those of a space's windows, in the order of space.windows.
var sumsPrefix = [windowsOfSpace]string{shardPrefix + "3/", shardPrefix + "4/", shardPrefix + "5/"}

const (
	ghostsPrefix = shardPrefix + "6/"
	metPrefix    = shardPrefix + "7/" // whom tallies have named; of the detector as a whole
)

// windowsOfSpace is how many windows a space has.
const windowsOfSpace = 3

func (s *space) windows() [windowsOfSpace]*window { return [...]*window{s.current, s.next, s.missed} }

func spaceShard(space int) string { return fmt.Sprintf("%s%05d", spacePrefix, space) }

func pageShard(prefix string, space, page int) string {
	return fmt.Sprintf("%s%05d/%05d", prefix, space, page)
}

// save writes what the lanes share, and the lanes.
func (d *Detector) save(w *codec.Writer) {
	w.Uint(stateVersion)
	w.Bool(d.begun)
	w.Int(d.newest)
	w.Time(d.arrived)
	w.Int(d.late)
	w.Int(d.missed)
	w.Int(d.future)
	for _, b := range d.keyer.lasting {
		w.Uint(uint64(b))
	}
	w.Uint(uint64(len(d.lanes)))
	for _, l := range d.lanes {
		l.save(w)
	}
}

func (l *lane) save(w *codec.Writer) {
	w.Int(l.span)
	w.Uint(uint64(len(l.spaces)))
	w.Int(l.bucket)
	w.Uint(uint64(l.ordinal))
	w.Int(l.flows[0])
	w.Int(l.flows[1])
	w.Int(l.first)
	w.Int(l.ready)
	(*baseline.Table)(&l.alive).Save(w)
	w.Int(l.closed)
	w.Int(l.days)
	l.outage.save(w)
}

// save writes what identifies a space and what its entities share.
func (s *space) save(w *codec.Writer) {
	w.Uint(stateVersion)
	w.Bool(s.detail)
	w.Uint(uint64(len(s.fields)))
	for _, f := range s.fields {
		w.Text(f.String())
	}
	w.Uint(uint64(len(s.owners)))
	for i := range s.owners {
		w.Text(s.owners[i].rule)
	}
	w.Uint(uint64(len(s.entities)))
	w.Uint(uint64(s.hand))
	w.Uint(uint64(s.vain))
	w.Int(s.evicted)
	w.Int(s.returned)
	w.Int(s.overflowed)
	w.Uint(uint64(s.since))
	w.Int(s.sinceFirst)
	s.model.Save(w)
}

// What there is to say of an entity, beside its name and its series.
const (
	withTable     = 1 << iota // a season table follows
	overflowing               // it is the overflow entity
	namedByOrigin             // the host in its key is a source address that stands for one
)

func (s *space) saveEntity(w *codec.Writer, e *entity) {
	marks := uint64(0)
	if e.table != noTable {
		marks |= withTable
	}
	switch {
	case e.hash == overflowHash:
		marks |= overflowing
	case s.keyer.hashOf(s.fields, e.key, false) != e.hash:
		marks |= namedByOrigin
	}
	w.Uint(marks)
	w.Text(e.key)
	e.Save(w)
	w.Uint(uint64(e.windows))
	w.Int(e.first)
	if e.table != noTable {
		s.tables[e.table].Save(w)
	}
}

// Who sent a sum.
const (
	manySenders = iota // or it cannot be told
	someSender         // one, but none whose entity is at hand
	knownSender        // from here on: the place of the sender's entity, plus knownSender
)

// untaughtFollows marks the seconds of a sum of the next window behind whose sender its untaught bytes stand. Those of
// the first version have no such mark, and it takes a sum that has one for damaged.
const untaughtFollows = 1 << 32

func (s *space) saveSum(w *codec.Writer, l *lane, k *keptSum, next bool) {
	w.Uint(uint64(k.entity))
	w.Int(k.bytes)
	w.Uint(uint64(k.flows))
	since := uint64(k.since)
	if next && k.untaught != 0 {
		since |= untaughtFollows
	}
	w.Uint(since)
	w.Uint(s.saidSender(l, k.sender))
	if since >= untaughtFollows {
		w.Int(k.untaught)
	}
	if !next {
		k.prediction.Save(w)
		w.Uint(uint64(k.owner))
		w.Bool(k.found)
		w.Float32(k.score)
		w.Int(k.untaught)
	}
	w.Bool(k.tally != nil)
	if k.tally != nil {
		k.tally.save(w)
	}
}

// saidSender says which sender a hash is of.
func (s *space) saidSender(l *lane, hash uint64) uint64 {
	if hash == 0 {
		return manySenders
	}
	if from := s.sendersSpace(l); from != nil {
		if at, ok := from.index.get(hash, from.entities); ok {
			return knownSender + uint64(at)
		}
	}
	return someSender
}

// sendersSpace is the space whose entities are the senders of this one's; nil if there is none.
func (s *space) sendersSpace(l *lane) *space {
	for _, other := range l.spaces {
		if s.senders >= 0 && other.key == s.senders {
			return other
		}
	}
	return nil
}

// tallyMark is where the first version of a tally has its number of kinds, which is less. Later ones have the sum of the
// mark and their version there, and the number behind it; the first version takes such a sum for damaged.
const (
	tallyMark    = 1 << 8
	tallyVersion = tallyMark + 2 // with countries, hours and ids of flows
)

func (t *tally) save(w *codec.Writer) {
	w.Uint(tallyVersion)
	w.Uint(uint64(t.n))
	for i := range t.n {
		k := &t.kind[i]
		w.Int(t.bytes[i])
		w.Address(k.source)
		w.Address(k.destination)
		for _, v := range [...]string{k.host, k.user, k.process, k.region} {
			w.Text(v)
		}
		w.Uint(uint64(k.port))
		w.Text(k.country)
		w.Int(int64(t.first[i]))
	}
	w.Uint(uint64(t.ids))
	for i := range t.ids {
		w.Text(t.id[i].Text)
		w.Int(t.id[i].Number)
		w.Bool(t.id[i].Opaque)
		w.Int(t.idBytes[i])
	}
}

// load reads what save or its first version wrote, less what is not kept any more. Kinds without an hour came at the
// given one.
func (t *tally) load(r *codec.Reader, by *keyer, hour int32) {
	version := r.Uint()
	n := int(min(version, tallyMark))
	if version >= tallyMark {
		if version != tallyVersion {
			r.Fail("contributors of version %d; up to %d can be read", version-tallyMark, tallyVersion-tallyMark)
			return
		}
		n = r.Count(1)
	}
	if n > tallySlots {
		r.Fail("%d kinds of flow; there are %d at most", n, tallySlots)
		return
	}
	for i := range n {
		t.bytes[i] = r.Natural()
		t.kind[i] = kind{
			source: r.Address(), destination: r.Address(),
			host: r.Text(), user: r.Text(), process: r.Text(), region: r.Text(),
			port: uint16(r.Below(1 << 16)),
		}
		t.first[i] = hour
		if version == tallyVersion {
			t.kind[i].country, t.first[i] = r.Text(), loadHour(r)
		}
		by.mask(&t.kind[i])
		by.hide(&t.kind[i])
		t.mark(i, by.tuple(&t.kind[i]))
	}
	t.n = n
	t.weighAll()
	if version == tallyVersion {
		t.loadIDs(r, &by.naming)
	}
}

// loadIDs reads the ids of flows, as far as they are still kept.
func (t *tally) loadIDs(r *codec.Reader, by *naming) {
	for range r.Count(4) {
		id, bytes := flow.ID{Text: r.Text(), Number: r.Int(), Opaque: r.Bool()}, r.Natural()
		if t.ids < by.ids && by.allows(id) {
			t.id[t.ids], t.idBytes[t.ids] = id, bytes
			t.ids++
		}
	}
}

// loadInstant reads nanoseconds since the epoch, or a window's number, which is less.
func loadInstant(r *codec.Reader) int64 {
	v := r.Int()
	if v < earliest && v != math.MinInt64 || v > -earliest {
		r.Fail("the instant %d is beyond what can be counted", v)
		return 0
	}
	return v
}

// hashOf is the hash of a key that appendKey has written, 0 where the key has other fields. byOrigin says
// that the host in it is a source address.
func (k *keyer) hashOf(fields []flow.Field, key string, byOrigin bool) uint64 {
	hash := uint64(0)
	for i, field := range fields {
		value, rest, ok := cutValue(key)
		if !ok {
			return 0
		}
		key = rest
		h := k.hashValue(field, value, byOrigin)
		switch {
		case h == 0:
			return 0
		case i == 0:
			hash = h
		default:
			hash = k.mix(hash, h)
		}
	}
	if key != "" {
		return 0
	}
	return hash
}

// hashValue hashes a field's value as hashFields does.
func (k *keyer) hashValue(field flow.Field, value string, byOrigin bool) uint64 {
	switch {
	case field == flow.DestinationPort:
		port, err := strconv.ParseUint(value, 10, 16)
		if err != nil || port == 0 {
			return 0
		}
		return k.value(port, 0)
	case field == flow.DestinationAddress, field == flow.SourceAddress, field == flow.Host && byOrigin:
		a, err := flow.ParseAddress(value)
		if err != nil {
			return 0
		}
		return k.address(a)
	}
	return k.text(value)
}

// restore takes over what the lanes share, and returns the lanes.
func (d *Detector) restore(r *codec.Reader) (lanes []*savedLane) {
	r.Version(stateVersion, "a state")
	begun, newest, arrived := r.Bool(), loadInstant(r), r.Time()
	late, missed, future := r.Natural(), r.Natural(), r.Natural()
	lasting := d.keyer.lasting
	for i := range lasting {
		lasting[i] = byte(r.Below(1 << 8))
	}
	for range r.Count(1) {
		lanes = append(lanes, loadLane(r))
	}
	if r.End() != nil {
		return nil
	}
	d.begun, d.newest, d.arrived, d.resumed = begun, newest, arrived, true
	d.late, d.missed, d.future, d.keyer.lasting = late, missed, future, lasting
	return lanes
}

// maxSpaces bounds the spaces of a lane that are believed in.
const maxSpaces = 1 << 16

// savedLane is a lane as it was saved.
type savedLane struct {
	lane
	spaces int
	heir   *lane // that has taken it over; nil: none
}

func loadLane(r *codec.Reader) *savedLane {
	s := &savedLane{lane: lane{span: r.Int()}, spaces: int(r.Below(maxSpaces))}
	if s.span <= 0 || int64(24*time.Hour)%s.span != 0 {
		r.Fail("a span of %s does not divide a day", time.Duration(s.span))
		return s
	}
	s.bucket, s.ordinal = loadInstant(r), uint32(r.Below(math.MaxUint32))
	s.flows[0], s.flows[1] = r.Natural(), r.Natural()
	s.first, s.ready = loadInstant(r), loadInstant(r)
	(*baseline.Table)(&s.alive).Load(r)
	s.closed, s.days = r.Natural(), loadInstant(r)
	if limit := -earliest / s.span; s.bucket > limit || s.bucket < -limit {
		r.Fail("window %d of %s is beyond what can be counted", s.bucket, time.Duration(s.span))
	}
	s.outage.load(r, &s.lane)
	return s
}
