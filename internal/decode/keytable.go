package decode

import (
	"math/bits"

	"github.com/otel-exfil/exfil/internal/word"
)

// slot is the place in a Scratch of one key's value.
type slot uint16

const noSlot = slot(0xffff)

// keys is a list of slots to try in order.
type keys []slot

// entry is what is known of one key on one level of nesting. The entry without a name
// is a free place.
type entry struct {
	name string
	slot slot // noSlot: the key only leads to nested ones
	// formats has a bit for each format that the key is a sign of.
	formats uint64
	nested  *level // keys below this one, nil if none
}

// level finds the keys that may occur on one level of nesting. A dotted name may be
// split at any of its dots, so "source.geo.city_name" is also known on the top level
// as "source" and "source.geo", each with a level of its own.
//
// It is an open-addressing table with linear probing, at most half full: many attributes
// of a record are no key of ours, and a miss mostly costs one look.
type level struct {
	entries []entry // the length is a power of two
	shift   uint8
	count   int
}

func newLevel() *level {
	l := &level{}
	l.resize(4)
	return l
}

func (l *level) resize(logSize int) {
	old := l.entries
	l.entries, l.shift = make([]entry, 1<<logSize), uint8(64-logSize)
	for _, e := range old {
		if e.name != "" {
			*l.free(e.name) = e
		}
	}
}

// free returns the place where a key that is not in the table belongs.
func (l *level) free(name string) *entry {
	i := l.index(name)
	for l.entries[i].name != "" {
		i = (i + 1) & (len(l.entries) - 1)
	}
	return &l.entries[i]
}

// find returns the entry of a key, nil where it is unknown.
func (l *level) find(name string) *entry {
	mask := len(l.entries) - 1
	for i := l.index(name); ; i++ {
		e := &l.entries[i&mask]
		if e.name == name {
			return e
		}
		if e.name == "" {
			return nil
		}
	}
}

// add returns the entry of a key, a new one where it is unknown. It is valid until the next add.
func (l *level) add(name string) *entry {
	if e := l.find(name); e != nil {
		return e
	}
	if l.count++; 2*l.count > len(l.entries) {
		l.resize(bits.Len(uint(len(l.entries))))
	}
	e := l.free(name)
	e.name, e.slot = name, noSlot
	return e
}

// index hashes the first and last eight bytes of a key and its length; the keys that
// agree in these are few and share a probe sequence. The factor is 2^64 divided by
// the golden ratio (multiplicative hashing, Knuth, TAOCP 3, 6.4).
func (l *level) index(name string) int {
	const golden = 0x9E3779B97F4A7C15
	n := len(name)
	var head, tail uint64
	switch {
	case n >= 8:
		head, tail = word.Load64(name), word.Load64(name[n-8:])
	case n >= 4:
		head, tail = word.Load32(name), word.Load32(name[n-4:])
	case n > 0:
		head, tail = uint64(name[0]), uint64(name[n/2])<<8|uint64(name[n-1])
	}
	return int((head ^ bits.RotateLeft64(tail, 29) ^ uint64(n)) * golden >> l.shift)
}

// compiler collects the keys of all configured formats into one table.
type compiler struct {
	top    *level
	slots  map[string]slot
	format int // the one being compiled
}

func newCompiler() *compiler {
	return &compiler{top: newLevel(), slots: map[string]slot{}}
}

// keys returns the slots of the named keys, in their order.
func (c *compiler) keys(names ...string) keys {
	ks := make(keys, len(names))
	for i, name := range names {
		ks[i] = c.slot(name)
	}
	return ks
}

// signs is keys for keys whose presence tells the format being compiled.
func (c *compiler) signs(names ...string) keys {
	ks := c.keys(names...)
	for _, name := range names {
		c.walk(c.top, name, func(e *entry) { e.formats |= 1 << c.format })
	}
	return ks
}

func (c *compiler) slot(name string) slot {
	if s, ok := c.slots[name]; ok {
		return s
	}
	s := slot(len(c.slots))
	c.slots[name] = s
	c.walk(c.top, name, func(e *entry) { e.slot = s })
	return s
}

// walk visits the entry of a name below l under every way of splitting it at dots,
// making what is missing.
func (c *compiler) walk(l *level, name string, visit func(*entry)) {
	visit(l.add(name))
	for i := 1; i < len(name)-1; i++ {
		if name[i] != '.' {
			continue
		}
		e := l.add(name[:i])
		if e.nested == nil {
			e.nested = newLevel()
		}
		c.walk(e.nested, name[i+1:], visit)
	}
}
