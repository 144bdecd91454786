package detector

import "slices"

// index finds an entity's place by the hash of its key. It does not hold the hash, which the entity has: a slot holds in 24 bits
// the entity's place, and above them the highest eight of its hash, so that one that is not meant is looked at once in 128 slots.
// So sixteen slots fit into a cache line, and an entity takes four bytes and what is free.
//
// A leaf of it is an open-addressed table with linear probing, over hashes that are well mixed already. A leaf doubles while
// it is small. A large one splits in two, by one more bit of the hashes: so no flow waits until a million entities have moved.
type index struct {
	leaves []*leaf // by a hash's bits from leafShift on; one that has split less often than others is there several times
	count  int
}

// leaf holds entities whose hashes have some bits from leafShift on in common.
type leaf struct {
	slots []uint32 // 0: free; the length is a power of two
	count int
	depth uint // how many bits they have in common
}

const (
	leastLeaf = 16
	mostLeaf  = 1 << 11 // slots: 8 kB
	leafShift = 12      // the bits below say where in a leaf the slot is; the lowest is set in nearly all hashes
)

func newIndex() *index { return &index{leaves: []*leaf{newLeaf(leastLeaf, 0)}} }

func newLeaf(slots int, depth uint) *leaf { return &leaf{slots: make([]uint32, slots), depth: depth} }

// slotOf is what a slot holds of an entity. It is not 0, since the highest bit of every hash is set.
func slotOf(hash uint64, at uint32) uint32 { return uint32(hash>>32)&^placeMask | at }

// leaf is where the entity with a hash is, if it is there.
func (x *index) leaf(hash uint64) *leaf { return x.leaves[hash>>leafShift&uint64(len(x.leaves)-1)] }

// get returns the place of the entity with a hash.
func (x *index) get(hash uint64, entities []entity) (at uint32, ok bool) {
	slots, want := x.leaf(hash).slots, slotOf(hash, 0)
	mask := uint64(len(slots) - 1)
	for i := hash >> 1; ; i++ {
		slot := slots[i&mask]
		if at := slot ^ want; at <= placeMask && entities[at].hash == hash {
			return at, true
		}
		if slot == 0 {
			return 0, false
		}
	}
}

// put adds the entity at a place; none with its hash may be in the index.
func (x *index) put(at uint32, entities []entity) {
	hash := entities[at].hash
	for x.leaf(hash).full() {
		x.grow(hash, entities)
	}
	x.leaf(hash).put(hash, at)
	x.count++
}

// remove takes the entity at a place out of the index, in which it must be. Those behind it, up to the next free slot, move up if
// they then are nearer to where their hashes belong. So nothing is left that would make searches longer, however many come and go.
func (x *index) remove(at uint32, entities []entity) {
	hash := entities[at].hash
	l, slot := x.leaf(hash), slotOf(hash, at)
	mask := uint64(len(l.slots) - 1)
	gap := hash >> 1
	for l.slots[gap&mask] != slot {
		gap++
	}
	for i := gap + 1; l.slots[i&mask] != 0; i++ {
		home := entities[l.slots[i&mask]&placeMask].hash >> 1
		if (i-home)&mask >= (i-gap)&mask { // the gap is not before its home
			l.slots[gap&mask] = l.slots[i&mask]
			gap = i
		}
	}
	l.slots[gap&mask] = 0
	l.count--
	x.count--
}

// grow makes the leaf larger that a hash belongs to, or splits it.
func (x *index) grow(hash uint64, entities []entity) {
	l := x.leaf(hash)
	if len(l.slots) < mostLeaf {
		larger := newLeaf(2*len(l.slots), l.depth)
		l.moveTo([2]*leaf{larger, larger}, entities)
		*l = *larger
		return
	}
	halves := [2]*leaf{newLeaf(mostLeaf, l.depth+1), newLeaf(mostLeaf, l.depth+1)}
	l.moveTo(halves, entities)
	if len(x.leaves) == 1<<l.depth {
		x.leaves = append(x.leaves, x.leaves...)
	}
	first := int(hash >> leafShift & (1<<l.depth - 1))
	for i := first; i < len(x.leaves); i += 1 << l.depth {
		x.leaves[i] = halves[i>>l.depth&1]
	}
}

// full says whether the leaf must grow before the next put: three quarters of the slots are taken. With more, one that is removed
// would have so many behind it that to fetch their hashes takes longer than all else about it.
func (l *leaf) full() bool { return 4*(l.count+1) > 3*len(l.slots) }

func (l *leaf) put(hash uint64, at uint32) {
	mask := uint64(len(l.slots) - 1)
	i := hash >> 1
	for l.slots[i&mask] != 0 {
		i++
	}
	l.slots[i&mask] = slotOf(hash, at)
	l.count++
}

// moveTo puts all that are in the leaf into one of two others, by the first bit that their hashes need not have in common. It fetches
// sixteen hashes, and only then looks at them: otherwise each cache miss would wait for the one before.
func (l *leaf) moveTo(others [2]*leaf, entities []entity) {
	var hashes [leastLeaf]uint64
	for some := range slices.Chunk(l.slots, len(hashes)) {
		for i, slot := range some {
			hashes[i] = entities[slot&placeMask].hash // of the first entity where the slot is free
		}
		for i, slot := range some {
			if slot != 0 {
				others[hashes[i]>>leafShift>>l.depth&1].put(hashes[i], slot&placeMask)
			}
		}
	}
}
