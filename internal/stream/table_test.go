package stream

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table does at every step what a list in order of use does, written down plainly.
func TestTheTableForgetsInOrderOfUse(t *testing.T) {
	const limit = 50
	random := rand.New(rand.NewPCG(1, 2))
	table := newTable[int](limit)
	var used []uint64 // the newest last
	for step := range 20_000 {
		id := random.Uint64N(90)
		at := slices.Index(used, id)
		state := table.find(id)
		require.Equal(t, at >= 0, state != nil, "step %d: stream %d", step, id)
		if state != nil {
			require.EqualValues(t, id, *state)
			used = append(slices.Delete(used, at, at+1), id)
			continue
		}
		state, forgotten, wasFull := table.add(id)
		require.Zero(t, *state)
		*state = int(id)
		require.Equal(t, len(used) == limit, wasFull)
		if wasFull {
			require.EqualValues(t, used[0], forgotten, "step %d", step)
			used = used[1:]
		}
		used = append(used, id)
		require.Len(t, used, table.len())
	}
}

func TestIdentitiesThatDifferLittleDoNotShareBuckets(t *testing.T) {
	for _, shift := range []int{0, 20, 44} {
		table := newTable[int](1 << 16)
		for i := range uint64(1 << 16) {
			table.add(i << shift)
		}
		longest := 0
		for _, head := range table.heads {
			n := 0
			for i := head; i != 0; i = table.at(i).next {
				n++
			}
			longest = max(longest, n)
		}
		assert.LessOrEqual(t, longest, 64, "shifted by %d", shift)
	}
}

// full is a memory that as many streams of one temporality have filled as it may hold, each
// older than the observation and a group by itself.
func full(cumulative bool) *Streams {
	s := New(Options{Limit: many, Groups: MaxGroups, Gap: time.Hour, Created: time.Unix(5, 0)})
	for id := range uint64(many) {
		s.Advance(&Point{ID: spread(id), Group: spread(id), Start: 1, Time: 2, Bytes: 5, Cumulative: cumulative}, time.Unix(10, 0))
	}
	return s
}

// spread makes an identity that looks like a hash.
func spread(i uint64) uint64 { return (i + 1) * 0xD1B54A32D192ED03 }

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestAMillionStreamsTakeAHundredBytesEach(t *testing.T) {
	for name, cumulative := range map[string]bool{"cumulative": true, "delta": false} {
		before := heap()
		s := full(cumulative)
		each := float64(heap()-before) / many
		t.Logf("%s: %.1f bytes a stream", name, each)
		assert.Less(t, each, 100.0, name)

		// Another million come and go, and take no more.
		for id := range uint64(many) {
			s.Advance(&Point{ID: spread(many + id), Group: spread(many + id), Start: 1, Time: 3, Bytes: 5, Cumulative: cumulative}, time.Unix(10, 0))
		}
		assert.Equal(t, Stats{Streams: many, Evicted: many}, s.Stats(), name)
		if cumulative {
			assert.Equal(t, MaxGroups, s.groups.table.len(), "the groups are full, too")
		}
		assert.Less(t, float64(heap()-before)/many, each+1, name)
		runtime.KeepAlive(s)
	}
}

// A sender that dates each stream by itself must not fill the groups.
func TestStreamsThatAreYoungerThanTheObservationTakeNoGroup(t *testing.T) {
	s := New(Options{Limit: 10, Groups: 10, Gap: time.Hour, Created: time.Unix(5, 0)})
	for id := range uint64(5) {
		start := time.Unix(5, int64(id)).UnixNano()
		_, outcome := s.Advance(&Point{ID: id, Group: id, Start: start, Time: start + 1, Bytes: 5, Cumulative: true}, time.Unix(10, 0))
		assert.Equal(t, Added, outcome)
	}
	assert.Zero(t, s.groups.table.len())
}

func TestKnownStreamsAndForgottenOnesPlacesCostNoAllocation(t *testing.T) {
	for name, cumulative := range map[string]bool{"cumulative": true, "delta": false} {
		s := New(Options{Limit: 1000, Groups: 100, Gap: time.Hour, Created: time.Unix(5, 0)})
		id, at := uint64(0), int64(2)
		advance := func() {
			at++
			for range 100 {
				id++
				s.Advance(&Point{ID: id % 1500, Group: id % 150, Start: 1, Time: at, Bytes: at, Cumulative: cumulative}, time.Unix(10, 0))
			}
		}
		for range 100 {
			advance()
		}
		assert.Zero(t, testing.AllocsPerRun(100, advance), name)
	}
}

// BenchmarkAdvance is the next export of a million streams, in the order of the one before and
// in none.
func BenchmarkAdvance(b *testing.B) {
	for name, cumulative := range map[string]bool{"cumulative": true, "delta": false} {
		before := heap()
		s := full(cumulative)
		each := float64(heap()-before) / many
		inOrder := make([]uint64, many)
		for i := range inOrder {
			inOrder[i] = spread(uint64(i))
		}
		shuffled := slices.Clone(inOrder)
		rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		at := int64(2)
		for _, order := range []struct {
			name string
			ids  []uint64
		}{{"in_order", inOrder}, {"shuffled", shuffled}} {
			b.Run(name+"/"+order.name, func(b *testing.B) {
				b.ReportAllocs()
				i, now := 0, time.Unix(10, 0)
				for b.Loop() {
					if i == 0 {
						at++
					}
					s.Advance(&Point{ID: order.ids[i], Group: order.ids[i] % 1000, Start: 1, Time: at, Bytes: 5 * at, Cumulative: cumulative}, now)
					i = (i + 1) % many
				}
				b.ReportMetric(each, "B/stream")
			})
			at += 1000
		}
	}
}
