package detector

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/otel-exfil/exfil/internal/flow"
)

const (
	tallySlots = 32   // kinds of flow that one window of one entity is told apart by
	maxTallies = 4096 // tallies at once, about 5 kB each
)

// tally counts whose bytes an entity's window holds: bytes by kind of flow, a kind being everything
// that a contributor can be named by. The heaviest kinds are kept by Space-Saving (Metwally,
// Agrawal and El Abbadi 2005): a new kind takes the place and the count of the lightest, so that sums stay
// whole and a count is too high by no more than a 32nd of the total. Up to 32 kinds are exact.
type tally struct {
	n     int
	key   [tallySlots]uint64
	bytes [tallySlots]int64
	kind  [tallySlots]kind
}

type kind struct {
	source, destination netip.Addr
	host, user, process string
	region              string
	port                uint16
}

func (t *tally) add(key uint64, f *flow.Flow) {
	for i := range t.n {
		if t.key[i] == key {
			t.bytes[i] = addBytes(t.bytes[i], f.Bytes)
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
	t.bytes[i] = addBytes(t.bytes[i], f.Bytes)
	t.kind[i] = kind{f.Source, f.Destination, f.Host, f.User, f.Process, f.Place.Region, f.Port}
}

// clone returns a copy that belongs to no pool.
func (t *tally) clone() *tally {
	c := *t
	return &c
}

// contributorFields are the fields that contributors are named by, in the order of an alert.
var contributorFields = [...]flow.Field{
	flow.SourceAddress, flow.Host, flow.User, flow.Process,
	flow.DestinationAddress, flow.DestinationPort, flow.DestinationRegion,
}

// contributions lists, for each field, the values that the bytes came from, largest first.
func (t *tally) contributions() []Contribution {
	var all []Contribution
	for _, field := range contributorFields {
		sums := make(map[string]int64)
		for i := range t.n {
			k := &t.kind[i]
			if field == flow.Host && k.host == "" {
				continue // a source address is named as such
			}
			f := flow.Flow{Source: k.source, Destination: k.destination, Host: k.host, User: k.user,
				Process: k.process, Port: k.port, Place: flow.Place{Region: k.region}}
			if v := field.Value(&f); v != "" {
				sums[v] = addBytes(sums[v], t.bytes[i])
			}
		}
		if len(sums) == 0 {
			continue
		}
		c := Contribution{Field: field}
		for v := range sums {
			c.Values = append(c.Values, v)
		}
		slices.SortFunc(c.Values, func(a, b string) int {
			return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b))
		})
		c.Values = c.Values[:min(len(c.Values), MaxContributors)]
		for _, v := range c.Values {
			c.Bytes = append(c.Bytes, sums[v])
		}
		all = append(all, c)
	}
	return all
}

// tallyPool lends tallies, maxTallies at once.
type tallyPool struct {
	free   []*tally
	lent   int
	single tally
}

// spare returns a tally of one flow, which the next call takes back.
func (p *tallyPool) spare(key uint64, f *flow.Flow) *tally {
	p.single.n = 0
	p.single.add(key, f)
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
	t.n = 0
	if len(p.free) < maxTallies {
		p.free = append(p.free, t)
	}
}
