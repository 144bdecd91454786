package detector

import (
	"cmp"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

const (
	tallySlots = 32   // kinds of flow that one window of one entity is told apart by
	maxTallies = 4096 // tallies at once, about 6 kB each
)

// tally counts whose bytes an entity's window holds: bytes by kind of flow. The heaviest kinds are kept by
// Space-Saving (Metwally, Agrawal and El Abbadi 2005): a new kind takes the place and the count of the lightest, so that
// sums stay whole and a count is too high by no more than a 32nd of the total. Up to 32 kinds are exact.
type tally struct {
	n     int
	key   [tallySlots]uint64
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
	for i := range t.n {
		if t.key[i] == key {
			t.bytes[i] = flow.AddBytes(t.bytes[i], f.Bytes)
			t.first[i] = min(t.first[i], hour)
			return
		}
	}
	i := t.n
	if i < tallySlots {
		t.n++
		t.bytes[i] = 0
	} else {
		i = 0
		for j := 1; j < tallySlots; j++ {
			if t.bytes[j] < t.bytes[i] {
				i = j
			}
		}
	}
	t.key[i] = key
	t.bytes[i] = flow.AddBytes(t.bytes[i], f.Bytes)
	t.first[i] = hour
	by.describe(&t.kind[i], f)
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
