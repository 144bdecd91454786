package alert

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

func saved(g *Gate) []byte {
	var w codec.Writer
	g.Save(&w)
	return w.Data
}

// reopened is a gate of these options in its next life.
func reopened(t testing.TB, g *Gate, change func(*GateOptions)) *Gate {
	t.Helper()
	r := codec.NewReader(saved(g))
	next := newGate(change)
	require.NoError(t, next.Load(r))
	require.NoError(t, r.End())
	return next
}

// findings are n of many entities, windows and machines, in order of time, begun at a window.
func findings(random *rand.Rand, window, n int) []detector.Finding {
	var all []detector.Finding
	for i := range n {
		f := at(window+i/20, strconv.Itoa(random.IntN(30)), 75+20*random.Float64())
		f.Time = f.Time.Add(time.Duration(i%20) * 5 * time.Minute)
		f.Contributors = []detector.Contribution{{Field: flow.Host, Values: []string{"ws-" + strconv.Itoa(random.IntN(12))}, Bytes: []int64{f.Actual}}}
		if random.IntN(4) == 0 {
			f = closing(f, f.Score)
		}
		all = append(all, f)
	}
	return all
}

// Given findings without end, when the gate is saved and loaded in between, then the same alerts leave, with the same
// uids, as from one that was not interrupted, and what is saved next is the same.
func TestTheGateGoesOnAsIfThereHadBeenNoRestart(t *testing.T) {
	few := func(o *GateOptions) { o.MaxPerInterval = 2 }
	for seed := range uint64(10) {
		never, restarted := newGate(few), newGate(few)
		random := rand.New(rand.NewPCG(seed, 1))
		for life := range 5 {
			next := findings(random, 3*life, 97)
			require.Equal(t, never.Admit(next, nil), restarted.Admit(next, nil))
			restarted = reopened(t, restarted, few)
			require.Equal(t, never.Stats(), restarted.Stats())
			require.Equal(t, saved(never), saved(restarted))
		}
		later := windowStart.Add(30 * 24 * time.Hour)
		assert.Equal(t, never.Tick(later, nil), restarted.Tick(later, nil), "what was held back is told")
		assert.Positive(t, never.Stats().Suppressed)
		assert.Positive(t, never.Stats().Overflowed)
	}
}

// The window's update after the restart names the alert of before, and what is found again has its uid.
func TestUIDsAreTheSameAfterARestart(t *testing.T) {
	f := at(0, "4444", 78)
	g := newGate(nil)
	first := admit(g, f)
	require.Len(t, first, 1)
	g = reopened(t, g, nil)
	assert.Empty(t, admit(g, f), "it was told before")
	update := admit(g, closing(f, 95))
	require.Len(t, update, 1)
	assert.Equal(t, first[0].UID, update[0].UpdateOf)

	lost := admit(newGate(nil), f)
	require.Len(t, lost, 1, "who has lost what was told tells it again")
	assert.Equal(t, first[0].UID, lost[0].UID)
	assert.Equal(t, first[0].UID, reread(t, first[0]).ID())
}

func TestAnotherIntervalAfterTheRestart(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 })
	require.Len(t, admit(g, at(0, "1", 80), at(0, "2", 80)), 1)
	hourly := func(o *GateOptions) { o.Interval = time.Hour; o.MaxPerInterval = 1 }
	g = reopened(t, g, hourly)
	assert.Empty(t, admit(g, at(0, "3", 80)), "one left in this interval already")
	assert.Empty(t, g.Tick(windowStart.Add(59*time.Minute), nil))
	out := g.Tick(windowStart.Add(time.Hour), nil)
	require.Len(t, out, 1)
	assert.Equal(t, 2, out[0].(Overflow).Alerts)
	assert.Equal(t, windowStart, out[0].(Overflow).Start)
	assert.Len(t, admit(g, at(1, "4", 80)), 1)
}

// crowded remembers as many entities as it can, and of each as much as it can.
func crowded() *Gate {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 << 30 })
	for window := range maxSenders {
		for entity := range maxRemembered {
			f := at(window, "host-name-of-some-length."+strconv.Itoa(entity)+".example.com", 80+10*float64(window))
			f.Contributors = []detector.Contribution{{Field: flow.Host, Values: []string{"workstation-" + strconv.Itoa(window)}, Bytes: []int64{f.Actual}}}
			g.Admit([]detector.Finding{f}, nil)
		}
	}
	return g
}

func TestAFullGateIsReadWhole(t *testing.T) {
	g := crowded()
	next := reopened(t, g, nil)
	assert.Equal(t, maxRemembered, next.order.Len())
	assert.Equal(t, saved(g), saved(next))
	m := next.order.Front().Value.(*remembered)
	assert.Len(t, m.told, maxTold)
	assert.Len(t, m.senders, maxSenders)
}

// A state of a version whose limits were higher: the latest stay.
func TestMoreThanIsRemembered(t *testing.T) {
	g := newGate(nil)
	admit(g, at(0, "first", 80))
	m := g.order.Front().Value.(*remembered)
	m.senders = make([]string, 0, 2*maxSenders)
	for i := range 2 * maxSenders {
		m.senders = append(m.senders, strconv.Itoa(i))
		m.told = append(m.told, told{window: window{int64(i), time.Hour}, uid: strconv.Itoa(i)})
	}
	for i := range maxRemembered {
		key := strconv.Itoa(i)
		g.memory[key] = g.order.PushBack(&remembered{key: key})
	}
	for i := range OverflowEntities + 5 {
		f := at(0, strconv.Itoa(i), 80)
		g.overflow.add(&f)
	}
	g.overflow.entities = append(g.overflow.entities, OverflowEntity{Rule: "r", Alerts: 4})
	g.overflow.windows = append(g.overflow.windows, window{})

	next := reopened(t, g, nil)
	assert.Equal(t, maxRemembered, next.order.Len())
	assert.NotContains(t, next.memory, m.key, "the oldest")
	assert.Len(t, next.overflow.entities, OverflowEntities)
	assert.Equal(t, 9, next.overflow.others)

	g.order.MoveToBack(g.memory[m.key])
	next = reopened(t, g, nil)
	m = next.order.Back().Value.(*remembered)
	assert.Equal(t, []string{"8", "9", "10", "11", "12", "13", "14", "15"}, m.senders)
	assert.Equal(t, "12", m.told[0].uid)
}

func TestAStateThatCannotBeReadLeavesTheGateAsItIs(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 3 })
	g.Admit(findings(rand.New(rand.NewPCG(1, 1)), 0, 60), nil)
	whole := saved(g)
	fresh := newGate(nil)
	empty := saved(fresh)
	for n := range whole {
		require.ErrorIs(t, fresh.Load(codec.NewReader(whole[:n])), codec.ErrMalformed)
		require.Equal(t, empty, saved(fresh))
	}
	later := append([]byte{2}, whole[1:]...)
	require.ErrorContains(t, fresh.Load(codec.NewReader(later)), "version 2; version 1 can be read")

	g.order.PushBack(g.order.Front().Value)
	err := fresh.Load(codec.NewReader(saved(g)))
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.ErrorContains(t, err, "twice")
}

func FuzzLoadGate(f *testing.F) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 3 })
	f.Add(saved(g))
	g.Admit(findings(rand.New(rand.NewPCG(1, 1)), 0, 60), nil)
	f.Add(saved(g))
	f.Fuzz(func(t *testing.T, data []byte) {
		g := newGate(nil)
		if g.Load(codec.NewReader(data)) != nil {
			return
		}
		if len(g.memory) != g.order.Len() {
			t.Fatalf("%d entities in an order of %d", len(g.memory), g.order.Len())
		}
		before := saved(g)
		if after := saved(reopened(t, g, nil)); string(before) != string(after) {
			t.Fatal("what it saves is not what is read")
		}
		g.Admit(findings(rand.New(rand.NewPCG(1, 1)), 0, 60), nil)
		g.Tick(windowStart.Add(1e6*time.Hour), nil)
	})
}

// A snapshot is of its moment, whatever the gate does before it is written.
func TestASnapshotOfTheGateDoesNotChange(t *testing.T) {
	g := newGate(nil)
	random := rand.New(rand.NewPCG(3, 1))
	g.Admit(findings(random, 0, 60), nil)
	before, snapshot := saved(g), g.Snapshot()
	g.Admit(findings(random, 3, 60), nil)
	var w codec.Writer
	snapshot.Save(&w)
	assert.Equal(t, before, w.Data)
	assert.NotEqual(t, before, saved(g))
}

// BenchmarkGate is how long the pipeline waits for a gate that is full to its limits, an hour's alerts after the
// last time, and how long it takes to write that.
func BenchmarkGate(b *testing.B) {
	g := crowded()
	b.Run("snapshot", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for e, n := g.order.Front(), 0; n < 400; e, n = e.Next(), n+1 {
				e.Value.(*remembered).changed()
			}
			g.Snapshot()
		}
	})
	b.Run("save", func(b *testing.B) {
		var w codec.Writer
		for b.Loop() {
			w.Data = w.Data[:0]
			g.Save(&w)
		}
		b.ReportMetric(float64(len(w.Data)), "B")
	})
}
