package decode

import (
	"math"
	"math/bits"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Limits on what is read of one record.
const (
	MaxFlows = 10_000  // flows taken from one record that holds many
	MaxBytes = 1 << 50 // bytes that one flow may count; more is a broken counter

	maxAttributes = 4096 // attributes of one map that are looked at
	maxKeys       = 512  // keys of all formats together
	maxSegments   = 8    // dots and one of a key, and so the depth of nesting
	maxKeyLength  = 128  // bytes of a key
)

// Scratch is the state of decoding one batch. It belongs to one goroutine at a time and
// is meant to be pooled; the zero Scratch is ready for use.
type Scratch struct {
	// Now stands in for the time of records that bear none.
	Now time.Time

	values  []pcommon.Value // by slot; valid where present has the bit
	present [maxKeys / 64]uint64
	formats uint64 // formats that the record shows signs of

	// guesses holds, by place in a record, the key that the record before had there.
	guesses [maxGuesses]guess
	seen    int // attributes of the record so far

	resource []resourceValue
	received int64 // time of the record in hand, by its own fields or Now

	lines  columns // of the last header line in this resource, if any
	header bool

	counter  counter   // the metric in hand
	identity *identity // the decoder's
}

// guess is where a key was found. Records of one source list their keys in the same
// order, and to compare a name is cheaper than to look it up.
type guess struct {
	level *level
	entry *entry
}

const maxGuesses = 64 // a power of two

type resourceValue struct {
	slot  slot
	value pcommon.Value
}

// Reset lets go of the batch, so that a pooled Scratch does not keep it in memory.
func (s *Scratch) Reset() {
	clear(s.values)
	clear(s.resource[:cap(s.resource)])
	s.resource = s.resource[:0]
	s.clear()
	s.header = false
	s.counter, s.identity = counter{}, nil
}

// fit empties s and makes it large enough for so many keys.
func (s *Scratch) fit(slots int) {
	if len(s.values) < slots {
		s.values = make([]pcommon.Value, slots)
	}
	s.clear()
}

func (s *Scratch) clear() {
	s.present = [maxKeys / 64]uint64{}
	s.formats, s.seen = 0, 0
}

func (s *Scratch) has(i slot) bool {
	return s.present[i/64]&(1<<(i%64)) != 0
}

// set keeps the first value of a slot: attributes are gathered before the body, and
// the body before the resource.
func (s *Scratch) set(i slot, v pcommon.Value) {
	word, bit := &s.present[i/64], uint64(1)<<(i%64)
	if *word&bit == 0 {
		*word |= bit
		s.values[i] = v
	}
}

// gather keeps the values of all known keys of m, nested ones included. The depth
// is bounded by that of the known keys.
func (s *Scratch) gather(l *level, m pcommon.Map) {
	left := maxAttributes
	for name, v := range m.All() {
		if left--; left < 0 {
			return
		}
		g := &s.guesses[s.seen%maxGuesses]
		s.seen++
		if g.level != l || g.entry.name != name {
			e := l.find(name)
			if e == nil {
				continue
			}
			*g = guess{l, e}
		}
		e := g.entry
		if e.nested != nil && v.Type() == pcommon.ValueTypeMap {
			s.gather(e.nested, v.Map())
			continue
		}
		if e.slot != noSlot {
			s.set(e.slot, v)
			s.formats |= e.formats
		}
	}
}

// keepResource moves what was gathered to where inherit finds it.
func (s *Scratch) keepResource() {
	s.resource = s.resource[:0]
	for w, word := range s.present {
		for ; word != 0; word &= word - 1 {
			i := slot(w*64 + bits.TrailingZeros64(word))
			s.resource = append(s.resource, resourceValue{i, s.values[i]})
		}
	}
}

// inherit fills in from the resource what the record does not have.
func (s *Scratch) inherit() {
	for i := range s.resource {
		s.set(s.resource[i].slot, s.resource[i].value)
	}
}

// stamp notes the record's own time: when it happened, else when it was seen, else Now.
func (s *Scratch) stamp(lr plog.LogRecord) {
	switch {
	case lr.Timestamp() != 0:
		s.received = sinceEpoch(lr.Timestamp())
	case lr.ObservedTimestamp() != 0:
		s.received = sinceEpoch(lr.ObservedTimestamp())
	default:
		s.received = s.Now.UnixNano()
	}
}

// sinceEpoch is a timestamp in nanoseconds. One after the year 2262 does not fit and becomes the
// latest that does, so that it stays in the future instead of turning into the distant past.
func sinceEpoch(t pcommon.Timestamp) int64 {
	return int64(min(t, math.MaxInt64))
}
