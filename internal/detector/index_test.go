package detector

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Given entities that come, and whose places others take, then an index says of each hash what a map says: whatever the
// hashes have in common, where they are few, and where there are leaves that have split more often than others.
func TestAnIndexFindsWhatAMapFinds(t *testing.T) {
	for name, c := range map[string]struct {
		entities int
		same     func(r *rand.Rand) uint64 // bits that are not drawn
	}{
		"few":          {40, func(*rand.Rand) uint64 { return 0 }},
		"mixed":        {60_000, func(*rand.Rand) uint64 { return 0 }},
		"one slot":     {400, func(*rand.Rand) uint64 { return 1<<leafShift - 1 }},
		"two slots":    {400, func(r *rand.Rand) uint64 { return 1<<leafShift - 1 - 2*r.Uint64N(2) }},
		"looking like": {1200, func(*rand.Rand) uint64 { return 0xff<<56 | 1<<leafShift - 1 - 0xff<<1 }},
		"deep":         {20_000, func(r *rand.Rand) uint64 { return min(1, r.Uint64N(20)) * (0xf << leafShift) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 5))
			x, want := newIndex(), map[uint64]uint32{}
			var entities []entity
			fresh := func() uint64 {
				for {
					hash := r.Uint64() | c.same(r) | hashBits
					if _, ok := want[hash]; !ok {
						return hash
					}
				}
			}
			come := func(at uint32, hash uint64) {
				entities[at].hash, want[hash] = hash, at
				x.put(at, entities)
			}
			for range 3 * c.entities {
				gone := fresh()
				switch n := len(entities); {
				case n < c.entities/2 || n < c.entities && r.IntN(2) == 0:
					hash := fresh()
					if n == c.entities/3 {
						hash = overflowHash
					}
					entities = append(entities, entity{})
					come(uint32(n), hash)
				default:
					at := uint32(r.IntN(n))
					gone = entities[at].hash
					x.remove(at, entities)
					delete(want, gone)
					come(at, fresh())
				}
				_, ok := x.get(gone, entities)
				require.False(t, ok)
				here := entities[r.IntN(len(entities))].hash
				at, ok := x.get(here, entities)
				require.True(t, ok)
				require.Equal(t, want[here], at)
			}
			assertHolds(t, want, x, entities)
			for at := range entities {
				x.remove(uint32(at), entities)
				delete(want, entities[at].hash)
				if at%(1+c.entities/10) == 0 {
					assertHolds(t, want, x, entities)
				}
			}
			assertHolds(t, nil, x, entities)
		})
	}
}

// assertHolds says that an index has what a map has, in leaves that have room.
func assertHolds(t *testing.T, want map[uint64]uint32, x *index, entities []entity) {
	t.Helper()
	for hash, at := range want {
		got, ok := x.get(hash, entities)
		require.True(t, ok)
		require.Equal(t, at, got)
	}
	assert.Equal(t, len(want), x.count)
	taken, counted, seen := 0, 0, map[*leaf]bool{}
	for _, l := range x.leaves {
		if seen[l] {
			continue
		}
		seen[l] = true
		counted += l.count
		for _, slot := range l.slots {
			if slot != 0 {
				taken++
			}
		}
		assert.LessOrEqual(t, 4*l.count, 3*len(l.slots))
		assert.LessOrEqual(t, len(l.slots), mostLeaf)
	}
	assert.Equal(t, len(want), taken)
	assert.Equal(t, len(want), counted)
}

// Given as many entities as there may be of a key, then most of the index's slots hold one, and it has split into leaves that are alike.
func TestAnIndexIsNotMuchLargerThanWhatItHolds(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	x := newIndex()
	entities := make([]entity, 300_000)
	for at := range entities {
		entities[at].hash = r.Uint64() | hashBits
		x.put(uint32(at), entities)
	}
	assert.Len(t, x.leaves, 256)
	slots := 0
	for _, l := range x.leaves {
		slots += len(l.slots)
	}
	assert.Equal(t, 256*mostLeaf, slots)
	assert.Equal(t, len(entities), x.count)
}
