package detector

import (
	"math"
	"math/bits"
)

// table finds an entity's sum by the hash of its key. It is on the path of every record and key: open
// addressing with linear probing, at most half full, over hashes that are well mixed already.
//
// A slot holds the upper 40 bits of the hash, the highest of which is always set, and in 24 bits where the
// sum is; the lower bits of the hash say where the slot is. So eight slots fit into a cache line, and two keys
// are taken for one only if they are neighbours and agree in 40 bits.
type table struct {
	slots []uint64 // 0: free; the length is a power of two
	count int
}

const (
	leastSlots = 64
	placeBits  = 24 // more sums than max_entities may be
	placeMask  = 1<<placeBits - 1

	// Beyond all places: there is none yet, and there will be none.
	unknownPlace = math.MaxUint32
	lackingPlace = math.MaxUint32 - 1
)

func newTable() *table { return &table{slots: make([]uint64, leastSlots)} }

// get returns what was put under the hash.
func (t *table) get(hash uint64) (at uint32, ok bool) {
	mask := uint64(len(t.slots) - 1)
	for i := hash >> 1; ; i++ { // the lowest bit is set in nearly all hashes
		s := t.slots[i&mask]
		if s^hash <= placeMask {
			return uint32(s & placeMask), true
		}
		if s == 0 {
			return 0, false
		}
	}
}

// find gets what was put under many hashes: unknownPlace where it is nothing, lackingPlace where the hash is 0. Most are in
// one of the first two slots that are looked at, and both of these are looked at without a branch: so the processor does not guess
// wrong which it is, and fetches the slots of several hashes at a time.
func (t *table) find(hashes []uint64, places []uint32) {
	slots, mask := t.slots, uint64(len(t.slots)-1)
	places = places[:len(hashes)]
	for i, hash := range hashes {
		s, next := slots[hash>>1&mask], slots[(hash>>1+1)&mask]
		if s^hash > placeMask {
			s = next
		}
		at := uint32(s & placeMask)
		if s^hash > placeMask {
			at = t.search(hash)
		}
		if hash == 0 {
			at = lackingPlace
		}
		places[i] = at
	}
}

// search is find for one hash.
func (t *table) search(hash uint64) uint32 {
	if at, ok := t.get(hash); ok {
		return at
	}
	return unknownPlace
}

// full says whether the table must grow before the next put.
func (t *table) full() bool { return 2*(t.count+1) > len(t.slots) }

// put adds a hash that is not in the table; the table must not be full.
func (t *table) put(hash uint64, at uint32) {
	t.count++
	mask := uint64(len(t.slots) - 1)
	i := hash >> 1
	for t.slots[i&mask] != 0 {
		i++
	}
	t.slots[i&mask] = hash&^placeMask | uint64(at)
}

// grow empties the table and doubles it; what was in it must be put again, since a slot does not
// hold the whole hash.
func (t *table) grow() {
	t.slots = make([]uint64, 2*len(t.slots))
	t.count = 0
}

// reset empties the table. It shrinks to what it held if that was little, so that a flood does not
// make every later window costly to empty.
func (t *table) reset() {
	if need := max(leastSlots, 1<<bits.Len(uint(2*t.count))); need*4 <= len(t.slots) {
		t.slots = make([]uint64, 2*need)
	} else {
		clear(t.slots)
	}
	t.count = 0
}
