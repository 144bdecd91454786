package detector

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Whoever is evicted is in no open window, and of those the lightest, the first where several are; and fewer than an eighth
// of all that were looked at are lighter.
func TestTheLightestIsEvicted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	found, none := 0, 0
	for range 5000 {
		s := &space{current: newWindow(), next: newWindow(), missed: newWindow()}
		n, open, values := 1+r.IntN(evictionTries), r.IntN(4), 1+r.IntN(12)
		few := make([]candidate, n)
		evictable := make([]bool, n)
		for i := range few {
			e := entity{hash: r.Uint64() | hashBits}
			if r.IntN(50) == 0 {
				e.hash = overflowHash
			}
			evictable[i] = e.hash != overflowHash
			if w := s.windows(); r.IntN(4) < open && !w[i%len(w)].index.full() {
				w[i%len(w)].index.put(e.hash, 0)
				evictable[i] = false
			}
			s.entities = append(s.entities, e)
			few[i] = candidate{float64(r.IntN(values)), uint32(i)}
		}
		best := -1
		for i := range few {
			if evictable[i] && (best < 0 || few[i].worth < few[best].worth) {
				best = i
			}
		}
		lighter := 0
		for i := range few {
			if best >= 0 && few[i].worth < few[best].worth {
				lighter++
			}
		}
		at, ok := s.lightest(few)
		if best < 0 || lighter >= max(1, n/newcomersShare) {
			assert.False(t, ok)
			none++
			continue
		}
		assert.True(t, ok)
		assert.Equal(t, best, int(at))
		found++
	}
	assert.Greater(t, min(found, none), 500)
}
