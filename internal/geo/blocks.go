package geo

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync/atomic"
)

// blockSlots bounds the blocks of IPv4 addresses remembered, 8 bytes each: 512 KB. It is a power of two.
const blockSlots = 1 << 16

// blockCache remembers where IPv4 addresses are: of a whole /24 where a database says the same of all of it, else of a single
// address. All of an entry is one word, so that readers and writers never wait for each other, and none sees half
// of one. An entry may be in two slots, which share a cache line; the one that came last is in its first. A hit takes
// a few nanoseconds, of which most is to wait for that line; to walk a database's search tree takes some hundred,
// and the embedded table's binary search one hundred.
//
// An entry is, from its highest bit on: 32 bits of the address, a bit that is set if it stands for its /24, and 31 of the placeRef.
type blockCache struct {
	slots [blockSlots]atomic.Uint64
}

// placeRef names a place of a generation: the number of its table in the upper 7 of 31 bits, and where it is in that. The
// zero placeRef names none.
type placeRef uint32

const (
	refPositionBits = 24
	refBits         = refPositionBits + 7
	refPosition     = 1<<refPositionBits - 1

	embeddedTable = 1 // countries.byCode
	firstDatabase = 2
	lastTable     = 1<<7 - 1

	wholeBlock = 1 << refBits // in an entry
	blockBits  = 24           // of the prefix that a block is
)

// refTo is the name of a place, 0 if it is beyond what can be named.
func refTo(table, position int) placeRef {
	if table > lastTable || position > refPosition {
		return 0
	}
	return placeRef(table<<refPositionBits | position)
}

func (r placeRef) table() int    { return int(r >> refPositionBits) }
func (r placeRef) position() int { return int(r & refPosition) }

// addressKey and blockKey are what begins the entry of an IPv4 address, and that of its /24.
func addressKey(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(binary.BigEndian.Uint32(b[:])) << 32
}

func blockKey(address uint64) uint64 { return address&^(0xff<<32) | wholeBlock }

// get returns the zero placeRef for an address that is not there.
func (c *blockCache) get(a netip.Addr) placeRef {
	address := addressKey(a)
	if r := c.find(blockKey(address)); r != 0 {
		return r
	}
	return c.find(address)
}

func (c *blockCache) find(key uint64) placeRef {
	slot := blockSlot(key)
	if r := c.slots[slot].Load() ^ key; r < wholeBlock {
		return placeRef(r)
	}
	if r := c.slots[slot^1].Load() ^ key; r < wholeBlock {
		return placeRef(r)
	}
	return 0
}

// put remembers where an address is or, if that is the same for all of it, its /24.
func (c *blockCache) put(a netip.Addr, whole bool, r placeRef) {
	key := addressKey(a)
	if whole {
		key = blockKey(key)
	}
	first := blockSlot(key)
	c.slots[first^1].Store(c.slots[first].Load())
	c.slots[first].Store(key | uint64(r))
}

// blockSlot maps a key to 0..blockSlots-1 as spread does to the slots of an addressCache.
func blockSlot(key uint64) int {
	high, _ := bits.Mul64((key>>refBits)*0x9E3779B97F4A7C15, blockSlots)
	return int(high)
}
