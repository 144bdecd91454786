package rule

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// sieve finds the few exceptions that a flow may fall under, however many there are: those that neither its port nor its addresses
// rule out. It knows ports, and networks that the configuration names itself; what else exceptions ask for is not looked at. It does not
// change, costs two or three look-ups a flow, and no memory.
type sieve struct {
	ports     portSieve
	addresses [2]*addressSieve // of the destination and the source; nil: rules out none
}

// exceptionSet has a bit for each exception, in their order.
type exceptionSet []uint64

func (s exceptionSet) add(i int)    { s[i/64] |= 1 << (i % 64) }
func (s exceptionSet) toggle(i int) { s[i/64] ^= 1 << (i % 64) }

// setPool keeps each set once: many ports and networks have the same.
type setPool struct {
	known map[string]exceptionSet
	key   []byte // scratch
}

func (p *setPool) keep(s exceptionSet) exceptionSet {
	p.key = p.key[:0]
	for _, word := range s {
		p.key = binary.LittleEndian.AppendUint64(p.key, word)
	}
	if same, ok := p.known[string(p.key)]; ok {
		return same
	}
	same := slices.Clone(s)
	p.known[string(p.key)] = same
	return same
}

func newSieve(list []exception) *sieve {
	s, words := &sieve{}, (len(list)+63)/64
	pool := &setPool{known: make(map[string]exceptionSet)}
	s.ports = newPortSieve(list, words, pool)
	for side := range s.addresses {
		s.addresses[side] = newAddressSieve(list, side == 1, words, pool)
	}
	return s
}

// candidates are the exceptions that a flow may fall under, in their order.
type candidates struct {
	sets  [3]exceptionSet // they are in each; nil: of which nothing is known
	left  uint64          // of the word before
	words int             // looked at
}

// of returns the exceptions that the port and the ends of a flow, its destination and its source, do not rule out.
func (s *sieve) of(port uint16, ends [2]netip.Addr) candidates {
	c := candidates{sets: [3]exceptionSet{s.ports.at(port)}}
	for side, sieve := range s.addresses {
		if sieve != nil {
			c.sets[1+side] = sieve.at(ends[side])
		}
	}
	return c
}

// next returns one after the other; false: there are no more.
func (c *candidates) next() (exception int, ok bool) {
	for c.left == 0 {
		if c.words == len(c.sets[0]) {
			return 0, false
		}
		c.left = c.sets[0][c.words]
		for _, set := range c.sets[1:] {
			if set != nil {
				c.left &= set[c.words]
			}
		}
		c.words++
	}
	exception = (c.words-1)*64 + bits.TrailingZeros64(c.left)
	c.left &= c.left - 1
	return exception, true
}

// portSieve has the exceptions that each port does not rule out.
type portSieve struct {
	from []uint16       // where the set changes, in order; the first is 0
	sets []exceptionSet // from there on
}

func newPortSieve(list []exception, words int, pool *setPool) (s portSieve) {
	type change struct{ port, exception int }
	var changes []change
	set := make(exceptionSet, words)
	for i := range list {
		if list[i].ports == nil {
			set.add(i)
		}
		for _, r := range list[i].ports {
			changes = append(changes, change{int(r.first), i}, change{int(r.last) + 1, i})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.port, b.port) })
	s.from, s.sets = []uint16{0}, []exceptionSet{nil}
	for _, c := range changes {
		if c.port > 1<<16-1 {
			break
		}
		if last := len(s.from) - 1; int(s.from[last]) != c.port {
			s.sets[last] = pool.keep(set)
			s.from, s.sets = append(s.from, uint16(c.port)), append(s.sets, nil)
		}
		set.toggle(c.exception)
	}
	s.sets[len(s.sets)-1] = pool.keep(set)
	return s
}

func (s *portSieve) at(port uint16) exceptionSet {
	i, found := slices.BinarySearch(s.from, port)
	if !found {
		i--
	}
	return s.sets[i]
}

// addressSieve has the exceptions that an address at one end of a flow does not rule out.
type addressSieve struct {
	networks  bart.Table[exceptionSet]
	elsewhere exceptionSet // of addresses in none of them
}

// newAddressSieve returns nil where no exception names networks of that end itself. Of one that names files, which change, nothing is known.
func newAddressSieve(list []exception, source bool, words int, pool *setPool) *addressSieve {
	named := make(map[netip.Prefix][]int)
	elsewhere := make(exceptionSet, words)
	for i := range list {
		x := &list[i]
		if x.networks == nil || x.files != nil || x.ofSource != source {
			elsewhere.add(i)
			continue
		}
		for prefix := range x.networks.All() {
			named[prefix] = append(named[prefix], i)
		}
	}
	if len(named) == 0 {
		return nil
	}
	prefixes := make([]netip.Prefix, 0, len(named))
	for prefix := range named {
		prefixes = append(prefixes, prefix)
	}
	// The wider ones first: what holds for a network holds for those within it.
	slices.SortFunc(prefixes, func(a, b netip.Prefix) int { return cmp.Compare(a.Bits(), b.Bits()) })
	s := &addressSieve{elsewhere: pool.keep(elsewhere)}
	for _, prefix := range prefixes {
		set := slices.Clone(s.at(prefix.Addr()))
		for _, i := range named[prefix] {
			set.add(i)
		}
		s.networks.Insert(prefix, pool.keep(set))
	}
	return s
}

func (s *addressSieve) at(a netip.Addr) exceptionSet {
	if set, ok := s.networks.Lookup(a); ok {
		return set
	}
	return s.elsewhere
}
