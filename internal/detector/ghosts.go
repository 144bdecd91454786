package detector

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
)

// ghosts remember what evicted entities were, without their names, so that one that returns is neither new nor
// younger than it is: a flood of keys can neither make a known port look new nor let a key on probation begin
// anew. They are a table of buckets. A key's hash says which is its bucket; where that is full, the ghost that is
// worth least gives way. So a flood, whose keys are worth next to nothing, drives out its own.
//
// A ghost takes 56 bytes, and there is one for four entities: 14 bytes for each of max_entities, from
// the first eviction on.
type ghosts struct {
	buckets []ghostBucket // nil: nothing was evicted yet
	count   int
	decays  *baseline.Decays // nil with buckets

	dirty  []bool               // by page of buckets: changed since the last snapshot
	frozen *frozen[ghostBucket] // nil: no snapshot is being written
}

// ghostBucket holds its ghosts without gaps; the first with a hash of 0 is none.
type ghostBucket [ghostWays]ghost

// ghost is an entity without its name and its season table, which it learns again.
type ghost struct {
	hash uint64 // see lastingHash
	baseline.Series
	windows uint32
	first   int64
}

const (
	ghostWays  = 8
	ghostShare = 4                      // entities to a ghost
	ghostPage  = entityPage / ghostWays // buckets to a shard
)

// bucket is where the ghost with a hash is, if it is there.
func (g *ghosts) bucket(hash uint64) int { return int(hash % uint64(len(g.buckets))) }

// touch notes that a bucket is about to change.
func (g *ghosts) touch(b int) *ghostBucket {
	g.dirty[b/ghostPage] = true
	if g.frozen.keeps(uint32(b)) {
		g.frozen.keep(uint32(b), g.buckets[b])
	}
	return &g.buckets[b]
}

// put remembers a ghost, unless it is worth less than those that stand in its way.
func (g *ghosts) put(v ghost, limit int, ordinal uint32, span time.Duration) {
	if g.buckets == nil {
		g.buckets = make([]ghostBucket, (limit/ghostShare+ghostWays-1)/ghostWays+1)
		g.dirty = make([]bool, (len(g.buckets)+ghostPage-1)/ghostPage)
		again(g.dirty, false) // no page was ever written
		g.decays = baseline.NewDecays(span)
	}
	b := g.bucket(v.hash)
	at, least := -1, g.decays.Worth(&v.Series, ordinal)
	for i := range g.buckets[b] {
		other := &g.buckets[b][i]
		if other.hash == 0 || other.hash == v.hash {
			if other.hash == 0 {
				g.count++
			}
			at = i
			break
		}
		// Of those worth the same, the one that was there goes.
		if worth := g.decays.Worth(&other.Series, ordinal); worth <= least {
			at, least = i, worth
		}
	}
	if at >= 0 {
		g.touch(b)[at] = v
	}
}

// take returns the ghost of a key and forgets it.
func (g *ghosts) take(hash uint64) (v ghost, ok bool) {
	if g.count == 0 {
		return ghost{}, false
	}
	b := g.bucket(hash)
	for i := range g.buckets[b] {
		if g.buckets[b][i].hash == hash {
			v = g.buckets[b][i]
			bucket := g.touch(b)
			copy(bucket[i:], bucket[i+1:])
			bucket[ghostWays-1] = ghost{}
			g.count--
			return v, true
		}
	}
	return ghost{}, false
}

// newLastingSalt draws the salt of the hashes that outlive the process.
func newLastingSalt() (salt [16]byte) {
	_, _ = rand.Read(salt[:]) // never fails
	return salt
}

// lastingHash is a hash of a key, as appendKey writes it, that stays the same over restarts: its salt is saved. It is not 0.
func (s *space) lastingHash(key string) uint64 {
	s.salted = append(append(s.salted[:0], s.keyer.lasting[:]...), key...)
	sum := sha256.Sum256(s.salted)
	return binary.LittleEndian.Uint64(sum[:]) | 1
}
