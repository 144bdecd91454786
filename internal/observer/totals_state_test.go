package observer

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// totalsPages writes running totals. Between the pages meanwhile happens.
func totalsPages(t *totals, meanwhile func()) [][]byte {
	var all [][]byte
	snapshot := t.snapshot()
	for {
		var w codec.Writer
		if !snapshot.next(&w) {
			return all
		}
		all = append(all, w.Data)
		meanwhile()
	}
}

// loadTotals reads pages; the error is that of the last one that cannot be read.
func loadTotals(limit int, pages ...[]byte) (t *totals, err error) {
	l := newTotalsLoader(limit)
	for _, page := range pages {
		if lost := l.page(page); lost != nil {
			err = lost
		}
	}
	return l.end(), err
}

func reloaded(t testing.TB, from *totals, limit int, meanwhile func()) *totals {
	t.Helper()
	next, err := loadTotals(limit, totalsPages(from, meanwhile)...)
	require.NoError(t, err)
	return next
}

// connections report totals at random: n reports of some that go on and ever new ones.
func connections(random *rand.Rand, t *totals, n int) (added []int64) {
	for i := range n {
		id := random.Uint64N(400)
		if i%3 == 0 {
			id = random.Uint64()
		}
		added = append(added, t.advance(&flow.Flow{Total: id, Time: int64(i), Bytes: random.Int64N(1e6), Final: random.IntN(9) == 0}))
	}
	return added
}

// Given connections without end, when the totals are saved and loaded in between, then each report adds what it
// would have added, and what is saved next is the same.
func TestRunningTotalsGoOnAsIfThereHadBeenNoRestart(t *testing.T) {
	const limit = 1000
	for seed := range uint64(5) {
		never, restarted := newTotals(limit), newTotals(limit)
		a, b := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
		clock := monday
		for life := range 8 {
			restarted = reloaded(t, restarted, limit, func() {})
			require.Equal(t, never.size(), restarted.size())
			require.Equal(t, totalsPages(never, func() {}), totalsPages(restarted, func() {}))
			clock = clock.Add(25 * time.Minute)
			never.age(clock)
			restarted.age(clock)
			require.Equal(t, connections(a, never, 200*life), connections(b, restarted, 200*life), "life %d", life)
		}
		assert.Greater(t, never.turns, uint64(3))
	}
}

// Given connections that go on reporting while a snapshot is taken, and generations that end meanwhile, then none
// that reports all the time is missing, and each is as it was at the beginning or newer.
func TestRunningTotalsAreSavedWhileTrafficFlows(t *testing.T) {
	const known = 20_000
	for _, c := range []struct {
		story string
		limit int
		flood uint64 // new connections between two pages
		turns uint64
	}{
		{"little happens", 1 << 19, 10, 0},
		{"a generation ends", 2 * 30_000, 3000, 1},
	} {
		t.Run(c.story, func(t *testing.T) {
			live := newTotals(c.limit)
			report := func(t *totals, id uint64, at int64) int64 {
				return t.advance(&flow.Flow{Total: id, Time: at, Bytes: 1000 + at})
			}
			all := func(at int64) {
				for id := range uint64(known) {
					report(live, id+1, at)
				}
			}
			all(0)
			live.turn()
			for id := range uint64(known) / 2 {
				report(live, id+1, 0)
			}
			before := live.turns
			round, next := int64(0), uint64(1<<40)
			loaded := reloaded(t, live, c.limit, func() {
				round++
				if round%2 == 0 {
					all(round)
				}
				for range c.flood {
					next++
					report(live, next, round)
				}
			})
			assert.GreaterOrEqual(t, live.turns-before, c.turns)
			for id := range uint64(known) {
				added := report(loaded, id+1, 5000)
				require.LessOrEqual(t, added, int64(5000), "connection %d", id)
				require.GreaterOrEqual(t, added, 5000-round)
			}
		})
	}
}

func TestASnapshotOfRunningTotalsEnds(t *testing.T) {
	totals, next := newTotals(40_000), uint64(0)
	flood := func() {
		for range 25_000 {
			next++
			totals.advance(&flow.Flow{Total: next, Bytes: 1})
		}
	}
	flood()
	assert.LessOrEqual(t, len(totalsPages(totals, flood)), 12)
}

func TestOfMoreRunningTotalsTheNewestStay(t *testing.T) {
	totals := newTotals(1000)
	for id := range uint64(400) {
		totals.advance(&flow.Flow{Total: id, Bytes: 5})
	}
	few := reloaded(t, totals, 100, func() {})
	assert.LessOrEqual(t, few.size(), 100)
	assert.Zero(t, few.advance(&flow.Flow{Total: 399, Bytes: 5}))
	assert.EqualValues(t, 5, few.advance(&flow.Flow{Total: 1, Bytes: 5}))
}

func TestAPageOfRunningTotalsThatIsLostLosesNoOther(t *testing.T) {
	totals := newTotals(1 << 19)
	for id := range uint64(20_000) {
		totals.advance(&flow.Flow{Total: id + 1, Bytes: 5})
	}
	pages := totalsPages(totals, func() {})
	require.Len(t, pages, 3)
	for lost := range pages {
		for _, damaged := range [][]byte{nil, {2}, pages[lost][:len(pages[lost])-1]} {
			some := slices.Clone(pages)
			some[lost] = damaged
			loaded, err := loadTotals(1<<19, some...)
			require.ErrorIs(t, err, codec.ErrMalformed)
			assert.GreaterOrEqual(t, loaded.size(), 20_000-pageSeries)
			assert.Less(t, loaded.size(), 20_000)
		}
	}
	fresh, err := loadTotals(10)
	require.NoError(t, err)
	assert.Equal(t, newTotals(10), fresh)
	var w codec.Writer
	w.Uint(3)
	fresh, err = loadTotals(10, w.Data)
	require.ErrorContains(t, err, "version 3; version 1 can be read")
	assert.Equal(t, newTotals(10), fresh)
}

func FuzzLoadTotals(f *testing.F) {
	totals := newTotals(100)
	f.Add(totalsPages(totals, func() {})[0], []byte{})
	connections(rand.New(rand.NewPCG(1, 1)), totals, 300)
	pages := totalsPages(totals, func() {})
	f.Add(pages[0], pages[1])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		totals, _ := loadTotals(20, a, b) // what could be read must be sound
		connections(rand.New(rand.NewPCG(1, 1)), totals, 100)
		if totals.size() > 20 {
			t.Fatalf("%d series remembered", totals.size())
		}
		saved := totalsPages(totals, func() {})
		if now := totalsPages(reloaded(t, totals, 20, func() {}), func() {}); !slices.EqualFunc(saved, now, slices.Equal[[]byte]) {
			t.Fatal("what is read is not what was saved")
		}
	})
}

// BenchmarkTotalsPage is how long the pipeline waits for one page of half a million running totals.
func BenchmarkTotalsPage(b *testing.B) {
	totals := newTotals(maxSeries)
	for id := range uint64(maxSeries) {
		totals.advance(&flow.Flow{Total: (id + 1) * 0x9E3779B97F4A7C15, Time: int64(id) * 1e6, Bytes: int64(id)})
	}
	var w codec.Writer
	snapshot := totals.snapshot()
	for b.Loop() {
		w.Data = w.Data[:0]
		if !snapshot.next(&w) {
			snapshot = totals.snapshot()
		}
	}
}
