package detector

import "math/bits"

// table finds an entity's sum by the hash of its key. It is on the path of every record and key: open addressing
// with linear probing, at most half full, over hashes that are well mixed already and never 0.
type table struct {
	slots []tableSlot // the length is a power of two
	count int
}

type tableSlot struct {
	hash uint64 // 0: free
	at   uint32
}

const leastSlots = 64

func newTable() *table { return &table{slots: make([]tableSlot, leastSlots)} }

// get returns what was put under the hash.
func (t *table) get(hash uint64) (at uint32, ok bool) {
	mask := uint64(len(t.slots) - 1)
	for i := hash >> 1; ; i++ { // the lowest bit of all but one hash is set
		s := &t.slots[i&mask]
		if s.hash == hash {
			return s.at, true
		}
		if s.hash == 0 {
			return 0, false
		}
	}
}

// put adds a hash that is not in the table.
func (t *table) put(hash uint64, at uint32) {
	if t.count++; 2*t.count > len(t.slots) {
		old := t.slots
		t.slots = make([]tableSlot, 2*len(old))
		for _, s := range old {
			if s.hash != 0 {
				t.place(s)
			}
		}
	}
	t.place(tableSlot{hash, at})
}

func (t *table) place(s tableSlot) {
	mask := uint64(len(t.slots) - 1)
	i := s.hash >> 1
	for t.slots[i&mask].hash != 0 {
		i++
	}
	t.slots[i&mask] = s
}

// reset empties the table. It shrinks to what it held if that was little, so that a flood does not
// make every later window costly to empty.
func (t *table) reset() {
	if need := max(leastSlots, 1<<bits.Len(uint(2*t.count))); need*4 <= len(t.slots) {
		t.slots = make([]tableSlot, 2*need)
	} else {
		clear(t.slots)
	}
	t.count = 0
}
