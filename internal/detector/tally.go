package detector

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

const (
	tallySlots = 32   // kinds of flow that one window of one entity is told apart by
	tallyRow   = 8    // of them in a row: as many counts as fill a cache line
	maxTallies = 4096 // tallies at once, about 6 kB each
)

// tally counts whose bytes an entity's window holds: bytes by kind of flow. The heaviest kinds are kept by
// Space-Saving (Metwally, Agrawal and El Abbadi 2005): a new kind takes the place and the count of the lightest, so that
// sums stay whole and a count is too high by no more than a 32nd of the total. Up to 32 kinds are exact.
//
// Thousands of tallies fit into no cache, and where kinds are many, most records bring a new one. So it stands together at the
// beginning what tells whether a kind is there, and which is the lightest: of all counts, only a row is touched.
type tally struct {
	n     int
	tags  [tallyRow]uint64             // of the kinds' hashes 16 bits: of slot i in word i%tallyRow, from bit 16*(i/tallyRow) on
	least [tallySlots / tallyRow]int64 // fewest bytes of each row of slots; kept only while all slots are taken
	bytes [tallySlots]int64
	first [tallySlots]int32 // hour since the epoch at which the kind came first
	kind  [tallySlots]kind

	ids     int
	id      [MaxFlowIDs]flow.ID // of the largest records
	idBytes [MaxFlowIDs]int64   // of the largest record of each
}

// add counts a flow of a kind, which the key is the hash of, at an instant.
func (t *tally) add(key uint64, f *flow.Flow, at int64, by *naming) {
	if by.ids > 0 && by.allows(f.ID) {
		t.addID(f, by.ids)
	}
	hour := hourOf(at)
	i := t.find(key)
	if i < tallySlots {
		t.first[i] = min(t.first[i], hour)
	} else {
		i = t.slot()
		t.mark(i, key)
		t.first[i] = hour
		by.describe(&t.kind[i], f)
	}
	t.bytes[i] = flow.AddBytes(t.bytes[i], f.Bytes)
	if t.n == tallySlots {
		t.weigh(i / tallyRow)
	}
}

// eachTag multiplies a tag into all four of a word.
const eachTag = 1<<48 | 1<<32 | 1<<16 | 1

// tagOf is the part of a hash by which a kind is looked for.
func tagOf(key uint64) uint64 { return uint64(uint16(key >> 32)) }

// find is the first slot of a kind; tallySlots if it has none. All tags are compared before any branch: subtracting one
// borrows from a tag's highest bit where it is zero, that is, the one that is wanted, and seldom elsewhere.
func (t *tally) find(key uint64) int {
	wanted := tagOf(key) * eachTag
	var same uint64 // of each 16 bits, bit 8+i is set where the tag there in word i may be the one
	for i := range t.tags {
		differ := t.tags[i] ^ wanted
		same = same>>1 | (differ-eachTag)&^differ&(eachTag<<15)
	}
	for ; same != 0; same &= same - 1 {
		bit := bits.TrailingZeros64(same)
		if i := bit/16*tallyRow + bit%tallyRow; i < t.n && t.kind[i].hash == key {
			return i
		}
	}
	return tallySlots
}

// slot is one for another kind: a free one, or else the lightest.
func (t *tally) slot() int {
	if t.n == tallySlots {
		return t.lightest()
	}
	i := t.n
	t.n++
	t.bytes[i] = 0
	if t.n == tallySlots {
		t.weighAll()
	}
	return i
}

// mark notes that a slot is that of a kind with the key.
func (t *tally) mark(i int, key uint64) {
	tags, shift := &t.tags[i%tallyRow], 16*(i/tallyRow)
	*tags = *tags&^(math.MaxUint16<<shift) | tagOf(key)<<shift
	t.kind[i].hash = key
}

// lightest is the slot with the fewest bytes, the first of such.
func (t *tally) lightest() int {
	row, least := 0, t.least[0]
	for i, bytes := range &t.least {
		if bytes < least {
			row, least = i, bytes
		}
	}
	var same uint64 // to find the slot by a branch would wait for its bytes, which are seldom in the cache
	for i, bytes := range t.row(row) {
		same |= (uint64(bytes^least) - 1) >> 63 << i
	}
	return row*tallyRow + bits.TrailingZeros64(same)
}

func (t *tally) row(i int) *[tallyRow]int64 { return (*[tallyRow]int64)(t.bytes[i*tallyRow:]) }

// weigh finds the fewest bytes of a row.
func (t *tally) weigh(row int) {
	b := t.row(row)
	t.least[row] = min(min(min(b[0], b[1]), min(b[2], b[3])), min(min(b[4], b[5]), min(b[6], b[7])))
}

func (t *tally) weighAll() {
	for row := range t.least {
		t.weigh(row)
	}
}

// addID keeps the ids of the flows with the largest records: a larger one takes the place of the smallest.
func (t *tally) addID(f *flow.Flow, most int) {
	for i := range t.ids {
		if t.id[i] == f.ID {
			t.idBytes[i] = max(t.idBytes[i], f.Bytes)
			return
		}
	}
	i := t.ids
	if i < most {
		t.ids++
	} else {
		i = 0
		for j := 1; j < t.ids; j++ {
			if t.idBytes[j] <= t.idBytes[i] { // of equal ones the last
				i = j
			}
		}
		if f.Bytes <= t.idBytes[i] {
			return
		}
	}
	t.id[i], t.idBytes[i] = f.ID, f.Bytes
}

// clone returns a copy that belongs to no pool.
func (t *tally) clone() *tally {
	c := *t
	return &c
}

// hourOf is the hour of an instant, counted from the epoch.
func hourOf(at int64) int32 { return int32(flow.Window(at, int64(time.Hour))) }

func hourTime(hour int32) time.Time {
	return time.Unix(int64(hour)*int64(time.Hour/time.Second), 0).UTC()
}

// contributor is what a tally says of one value of a field.
type contributor struct {
	bytes int64
	first int32
}

// contributions lists, for each field, the values that the bytes came from, largest first.
func (p *tallyPool) contributions(t *tally) []Contribution {
	var all []Contribution
	for _, field := range p.keyer.fields {
		sums := make(map[string]contributor)
		for i := range t.n {
			v := t.kind[i].value(field)
			if v == "" {
				continue
			}
			c, ok := sums[v]
			if !ok {
				c.first = t.first[i]
			}
			sums[v] = contributor{flow.AddBytes(c.bytes, t.bytes[i]), min(c.first, t.first[i])}
		}
		if len(sums) > 0 {
			all = append(all, p.contribution(field, sums))
		}
	}
	return all
}

func (p *tallyPool) contribution(field flow.Field, sums map[string]contributor) Contribution {
	c := Contribution{Field: field}
	for v := range sums {
		c.Values = append(c.Values, v)
	}
	slices.SortFunc(c.Values, func(a, b string) int {
		return cmp.Or(cmp.Compare(sums[b].bytes, sums[a].bytes), cmp.Compare(a, b))
	})
	c.Values = slices.Clip(c.Values[:min(len(c.Values), p.keyer.most)])
	for _, v := range c.Values {
		first := sums[v].first
		if known, ok := p.met.first(p.keyer.contributorHash(field, v)); ok {
			first = min(first, known)
		}
		c.Bytes, c.FirstSeen = append(c.Bytes, sums[v].bytes), append(c.FirstSeen, hourTime(first))
	}
	return c
}

// flowIDs lists the ids of the flows with the largest records, largest first.
func (t *tally) flowIDs() []string {
	order := make([]int, t.ids)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(t.idBytes[b], t.idBytes[a]), cmp.Compare(t.id[a].String(), t.id[b].String()))
	})
	var ids []string
	for _, i := range order {
		ids = append(ids, t.id[i].String())
	}
	return ids
}

// tallyPool lends tallies, maxTallies at once.
type tallyPool struct {
	keyer  *keyer
	met    met // whom the tallies that were settled named
	free   []*tally
	lent   int
	single tally
}

// spare returns a tally of one flow, which the next call takes back.
func (p *tallyPool) spare(key uint64, f *flow.Flow, at int64) *tally {
	p.single.n, p.single.ids = 0, 0
	p.single.add(key, f, at, &p.keyer.naming)
	return &p.single
}

// get returns nil when all are lent.
func (p *tallyPool) get() *tally {
	if p.lent >= maxTallies {
		return nil
	}
	p.lent++
	if n := len(p.free); n > 0 {
		t := p.free[n-1]
		p.free = p.free[:n-1]
		return t
	}
	return new(tally)
}

func (p *tallyPool) put(t *tally) {
	p.lent--
	clear(t.kind[:t.n]) // lets the strings go
	clear(t.id[:t.ids])
	t.n, t.ids = 0, 0
	if len(p.free) < maxTallies {
		p.free = append(p.free, t)
	}
}

// settle takes a tally back whose window is over, and remembers since when its contributors have been met.
func (p *tallyPool) settle(t *tally, now int64) {
	p.meet(t, hourOf(now))
	p.put(t)
}
