package rule

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// sieve finds the few exceptions that a flow may fall under, however many there are: those that neither its port nor its addresses
// rule out. It knows ports, and networks that the configuration names itself; what else exceptions ask for is not looked at. It does not
// change, and costs a look at a table and at most two look-ups a flow.
type sieve struct {
	ports     portSieve
	addresses [2]*addressSieve // of the destination and the source; nil: rules out none
}

// exceptionSet has a bit for each exception, in their order.
type exceptionSet struct {
	words  [(MaxExceptions + 63) / 64]uint64
	filled uint64 // has a bit for each word that is not 0
}

func (s *exceptionSet) add(i int)    { s.words[i/64] |= 1 << (i % 64); s.fill(i / 64) }
func (s *exceptionSet) toggle(i int) { s.words[i/64] ^= 1 << (i % 64); s.fill(i / 64) }

func (s *exceptionSet) fill(word int) {
	s.filled &^= 1 << word
	if s.words[word] != 0 {
		s.filled |= 1 << word
	}
}

// setPool keeps each set once: many ports and networks have the same.
type setPool map[exceptionSet]*exceptionSet

func (p setPool) keep(s exceptionSet) *exceptionSet {
	same, known := p[s]
	if !known {
		same = &s
		p[s] = same
	}
	return same
}

func newSieve(list []exception) *sieve {
	s, pool := &sieve{}, make(setPool)
	s.ports = newPortSieve(list, pool)
	for side := range s.addresses {
		s.addresses[side] = newAddressSieve(list, side == 1, pool)
	}
	return s
}

// candidates are the exceptions that a flow may fall under, in their order.
type candidates struct {
	sets   [3]*exceptionSet // they are in each; nil: of which nothing is known
	filled uint64           // of the words that are left, those that none of sets has empty
	word   int              // in hand
	left   uint64           // of it
}

// of returns the exceptions that the port and the ends of a flow, its destination and its source, do not rule out.
func (s *sieve) of(port uint16, ends [2]netip.Addr) candidates {
	set := s.ports.at(port)
	c := candidates{sets: [3]*exceptionSet{set}, filled: set.filled}
	for side, sieve := range s.addresses {
		if sieve != nil && c.filled != 0 {
			set = sieve.at(ends[side])
			c.sets[1+side] = set
			c.filled &= set.filled
		}
	}
	return c
}

// next returns one after the other; false: there are no more.
func (c *candidates) next() (exception int, ok bool) {
	for c.left == 0 {
		if c.filled == 0 {
			return 0, false
		}
		c.word = bits.TrailingZeros64(c.filled)
		c.filled &= c.filled - 1
		c.left = c.sets[0].words[c.word]
		for _, set := range c.sets[1:] {
			if set != nil {
				c.left &= set.words[c.word]
			}
		}
	}
	exception = c.word*64 + bits.TrailingZeros64(c.left)
	c.left &= c.left - 1
	return exception, true
}

// portSieve has, by the upper and the lower half of a port, the exceptions that it does not rule out.
type portSieve [256]*portPage

type portPage [256]*exceptionSet

func newPortSieve(list []exception, pool setPool) (s portSieve) {
	changes := make(map[int][]int) // exceptions, by the port at which they begin or cease to be ruled out
	var set exceptionSet
	for i := range list {
		if list[i].ports == nil {
			set.add(i)
		}
		for _, r := range list[i].ports {
			first, end := int(r.first), int(r.last)+1
			changes[first], changes[end] = append(changes[first], i), append(changes[end], i)
		}
	}
	kept := pool.keep(set)
	known := make(map[portPage]*portPage) // most have the same set throughout
	for high := range s {
		var page portPage
		for low := range page {
			if here := changes[high<<8|low]; here != nil {
				for _, i := range here {
					set.toggle(i)
				}
				kept = pool.keep(set)
			}
			page[low] = kept
		}
		if known[page] == nil {
			known[page] = &page
		}
		s[high] = known[page]
	}
	return s
}

func (s *portSieve) at(port uint16) *exceptionSet { return s[port>>8][port&0xff] }

// addressSieve has the exceptions that an address at one end of a flow does not rule out.
type addressSieve struct {
	networks  bart.Table[*exceptionSet]
	elsewhere *exceptionSet // of addresses in none of them
}

// newAddressSieve returns nil where no exception names networks of that end itself. Of one that names files, which change, nothing is known.
func newAddressSieve(list []exception, source bool, pool setPool) *addressSieve {
	named := make(map[netip.Prefix][]int)
	var elsewhere exceptionSet
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
		set := *s.at(prefix.Addr())
		for _, i := range named[prefix] {
			set.add(i)
		}
		s.networks.Insert(prefix, pool.keep(set))
	}
	return s
}

func (s *addressSieve) at(a netip.Addr) *exceptionSet {
	if set, ok := s.networks.Lookup(a); ok {
		return set
	}
	return s.elsewhere
}
