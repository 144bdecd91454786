package geo

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync/atomic"

	"github.com/otel-exfil/exfil/internal/flow"
)

// addressSlots bounds the addresses remembered, 32 bytes each: 1 MB.
const addressSlots = 1 << 15

// addressCache remembers where those addresses are that a blockCache has no room for, of IPv6 above all: one address a slot,
// so that the search tree, some 200 ns of cache misses in a full City database, is walked once for a
// destination that many records name. Readers and writers never wait: a slot that is being written is a
// miss, and a write to it is given up. A hit or a write allocates nothing.
type addressCache struct {
	slots [addressSlots]addressSlot
}

// addressSlot is guarded by its version, which is odd while the slot is written and
// grows with every write: what is read between two equal, even versions belongs together.
type addressSlot struct {
	version   atomic.Uint64
	high, low atomic.Uint64
	place     atomic.Pointer[flow.Place] // nil: empty
}

func (c *addressCache) slot(a netip.Addr) (s *addressSlot, high, low uint64) {
	b := a.As16()
	high, low = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return &c.slots[spread(high^bits.RotateLeft64(low, 31))], high, low
}

// get returns nil for an address that is not there.
func (c *addressCache) get(a netip.Addr) *flow.Place {
	s, high, low := c.slot(a)
	version := s.version.Load()
	if version&1 != 0 || s.high.Load() != high || s.low.Load() != low {
		return nil
	}
	p := s.place.Load()
	if s.version.Load() != version {
		return nil
	}
	return p
}

func (c *addressCache) put(a netip.Addr, p *flow.Place) {
	s, high, low := c.slot(a)
	version := s.version.Load()
	if version&1 != 0 || !s.version.CompareAndSwap(version, version+1) {
		return
	}
	s.high.Store(high)
	s.low.Store(low)
	s.place.Store(p)
	s.version.Store(version + 2)
}

// spread maps x to 0..addressSlots-1 so that neighbours do not share a slot: Fibonacci hashing, by 2^64 divided by the golden ratio (Knuth, The Art
// of Computer Programming, volume 3, section 6.4).
func spread(x uint64) int {
	high, _ := bits.Mul64(x*0x9E3779B97F4A7C15, addressSlots)
	return int(high)
}
