package alert

import (
	"maps"
	"math/rand/v2"
	"slices"
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

// never is a time before which all happens that tests make up.
var never = windowStart.AddDate(10, 0, 0)

// reopened is a gate of these options in its next life.
func reopened(t testing.TB, g *Gate, change func(*GateOptions)) *Gate {
	t.Helper()
	r := codec.NewReader(saved(g))
	next := newGate(change)
	require.NoError(t, next.Load(r, never))
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
		straight, restarted := newGate(few), newGate(few)
		random := rand.New(rand.NewPCG(seed, 1))
		for life := range 5 {
			next := findings(random, 3*life, 97)
			require.Equal(t, straight.Admit(next, nil), restarted.Admit(next, nil))
			restarted = reopened(t, restarted, few)
			require.Equal(t, straight.Stats(), restarted.Stats())
			require.Equal(t, saved(straight), saved(restarted))
		}
		later := windowStart.Add(30 * 24 * time.Hour)
		assert.Equal(t, straight.Tick(later, nil), restarted.Tick(later, nil), "what was held back is told")
		assert.Positive(t, straight.Stats().Suppressed)
		assert.Positive(t, straight.Stats().Overflowed)
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
	for window := range maxWho {
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
	assert.Equal(t, maxRemembered, next.live.entities.len())
	assert.Equal(t, maxRemembered, next.live.groups.len())
	assert.Equal(t, saved(g), saved(next))
	e, _ := next.live.entities.oldest()
	assert.Len(t, e.told, maxTold)
	last, _ := next.live.groups.oldest()
	assert.Len(t, last.who, maxWho)
}

// A state of a version whose limits were higher: the latest stay.
func TestMoreThanIsRemembered(t *testing.T) {
	g := newGate(nil)
	admit(g, at(0, "first", 80))
	p := &g.live
	e, _ := p.entities.oldest()
	first, _ := p.groups.oldest()
	first.who = nil
	for i := range 2 * maxHeld {
		first.who = append(first.who, strconv.Itoa(i))
		first.held = append(first.held, heldWindow{window: window{int64(i), time.Hour}})
		e.told = append(e.told, told{window: window{int64(i), time.Hour}, uid: strconv.Itoa(i)})
	}
	for i := range maxRemembered {
		key := strconv.Itoa(i)
		p.entities.use(&entity{key: key})
		p.groups.use(&group{key: key})
	}
	for i := range OverflowEntities + 5 {
		f := at(0, strconv.Itoa(i), 80)
		p.overflow.add([]byte(f.Values[0]), &f)
	}
	p.overflow.entities = append(p.overflow.entities, OverflowEntity{Rule: "r", Alerts: 4})

	next := reopened(t, g, nil)
	assert.Equal(t, maxRemembered, next.live.entities.len())
	assert.Equal(t, maxRemembered, next.live.groups.len())
	assert.Nil(t, next.live.entities.get([]byte(e.key)), "the oldest")
	assert.Nil(t, next.live.groups.get([]byte(e.key)))
	assert.Len(t, next.live.overflow.entities, OverflowEntities)
	assert.Equal(t, 9, next.live.overflow.others)

	p.entities.use(e)
	p.groups.use(first)
	next = reopened(t, g, nil)
	first = next.live.groups.get([]byte(e.key))
	assert.Equal(t, []string{"24", "25", "26", "27", "28", "29", "30", "31"}, first.who)
	assert.Len(t, first.held, maxHeld)
	assert.EqualValues(t, 31, first.held[maxHeld-1].start)
	assert.Equal(t, "28", next.live.entities.get([]byte(e.key)).told[0].uid)
}

// firstState writes what a gate that knows entities as groups only remembers as the first version did, which had one
// passage and one list of both.
func firstState(g *Gate) []byte {
	var w codec.Writer
	p := &g.live
	w.Uint(1)
	saveStats(&w, p.stats)
	w.Int(int64(g.options.Interval))
	w.Int(g.interval)
	w.Int(int64(p.left))
	w.Int(int64(p.overflow.alerts))
	w.Int(int64(p.overflow.others))
	w.Uint(uint64(len(p.overflow.rules)))
	for _, id := range slices.Sorted(maps.Keys(p.overflow.rules)) {
		w.Text(id)
		w.Int(int64(p.overflow.rules[id]))
	}
	w.Uint(uint64(len(p.overflow.entities)))
	for i := range p.overflow.entities {
		e := &p.overflow.entities[i]
		w.Text(e.Rule)
		appendKey(&w, e.Fields, e.Values)
		w.Int(int64(e.Alerts))
		window{windowStart.UnixNano(), threeHours}.save(&w)
	}
	w.Uint(uint64(p.entities.len()))
	for e := range p.entities.all() {
		known := p.groups.get([]byte(e.key))
		var last heldWindow
		if n := len(known.held); n > 0 {
			last = known.held[n-1]
		}
		w.Text(e.key)
		w.Time(e.at)
		appendFloat(&w, known.score)
		w.Int(int64(known.suppressed))
		last.save(&w)
		w.Uint(uint64(len(e.told)))
		for _, t := range e.told {
			t.save(&w)
			w.Text(t.uid)
			appendFloat(&w, t.score)
			w.Int(t.bytes)
			w.Bool(t.updated)
		}
		w.Uint(uint64(len(known.who)))
		for _, who := range known.who {
			w.Text(who)
		}
	}
	return w.Data
}

// Given a state of the first version, the gate goes on as one of today that knows the same, but for what that would sum up of
// what was held back before: nobody had counted its bytes.
func TestAStateOfTheFirstVersionIsRead(t *testing.T) {
	few := func(o *GateOptions) { o.MaxPerInterval = 2 }
	g := newGate(few)
	random := rand.New(rand.NewPCG(1, 1))
	g.Admit(findings(random, 0, 97), nil)
	g.Admit([]detector.Finding{at(5, "1", 80), at(5, "2", 80), at(5, "a", 80), at(5, "b", 80), at(5, "c", 80)}, nil)
	require.NotEmpty(t, g.live.overflow.entities)
	later := newGate(few)
	r := codec.NewReader(firstState(g))
	require.NoError(t, later.Load(r, never))
	require.NoError(t, r.End())
	assert.Equal(t, g.Stats(), later.Stats())
	assert.Equal(t, g.live.entities.len(), later.live.entities.len())

	anomalies := func(alerts []Alert) (all []Alert) {
		for _, a := range alerts {
			if _, ok := a.(Anomaly); ok {
				all = append(all, a)
			}
		}
		return all
	}
	next := findings(random, 6, 97)
	assert.Equal(t, anomalies(g.Admit(next, nil)), anomalies(later.Admit(next, nil)))
	for _, a := range later.Tick(windowStart.Add(1e3*time.Hour), nil) {
		if s, ok := a.(Suppression); ok {
			assert.False(t, s.First.Before(windowStart.Add(6*threeHours)), "nothing is told of before")
			assert.Positive(t, s.Bytes)
		}
	}
}

// Given a clock that was wrong, and a state that says that alerts left a year from now, then no interval is full and no group is
// silent for a year.
func TestAStateOfTheFutureIsTakenForOneOfNow(t *testing.T) {
	year := 365 * 24 * time.Hour / threeHours
	one := func(o *GateOptions) { o.MaxPerInterval = 1 }
	for name, save := range map[string]func(*Gate) []byte{"now": saved, "first": firstState} {
		t.Run(name, func(t *testing.T) {
			g := newGate(one)
			require.Len(t, admit(g, at(int(year), "4444", 80), at(int(year)+2, "4444", 80), at(int(year)+2, "22", 80), at(int(year)+2, "23", 80)), 2)
			next := newGate(one)
			require.NoError(t, next.Load(codec.NewReader(save(g)), windowStart))

			out := next.Tick(windowStart.Add(15*time.Minute), nil)
			require.Len(t, out, 1, "what the cap held back is told with the interval that goes on")
			assert.Equal(t, windowStart, out[0].(Overflow).Start)
			assert.Len(t, admit(next, at(1, "8080", 80)), 1, "the interval has room")
			assert.Empty(t, admit(next, at(2, "4444", 80)), "the group goes on to be silent")
			assert.Len(t, admit(next, at(8, "4444", 80)), 1, "for a day from now")
		})
	}
}

func TestAStateThatCannotBeReadLeavesTheGateAsItIs(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 3 })
	g.Admit(findings(rand.New(rand.NewPCG(1, 1)), 0, 60), nil)
	whole := saved(g)
	fresh := newGate(nil)
	empty := saved(fresh)
	for n := range whole {
		require.ErrorIs(t, fresh.Load(codec.NewReader(whole[:n]), never), codec.ErrMalformed)
		require.Equal(t, empty, saved(fresh))
	}
	later := append([]byte{3}, whole[1:]...)
	require.ErrorContains(t, fresh.Load(codec.NewReader(later), never), "version 3; versions 1 and 2 can be read")

	e, _ := g.live.entities.oldest()
	g.live.entities.order.PushBack(e)
	err := fresh.Load(codec.NewReader(saved(g)), never)
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.ErrorContains(t, err, "entity that is remembered twice")

	g = newGate(nil)
	admit(g, at(0, "4444", 80))
	last, _ := g.live.groups.oldest()
	g.live.groups.order.PushBack(last)
	require.ErrorContains(t, fresh.Load(codec.NewReader(saved(g)), never), "group that is remembered twice")
}

func FuzzLoadGate(f *testing.F) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 3 })
	f.Add(saved(g))
	g.Admit(findings(rand.New(rand.NewPCG(1, 1)), 0, 60), nil)
	f.Add(saved(g))
	f.Fuzz(func(t *testing.T, data []byte) {
		g := newGate(nil)
		if g.Load(codec.NewReader(data), never) != nil {
			return
		}
		for _, p := range g.passages() {
			if len(p.entities.byKey) != p.entities.len() || len(p.groups.byKey) != p.groups.len() {
				t.Fatalf("%d entities and %d groups in orders of %d and %d",
					len(p.entities.byKey), len(p.groups.byKey), p.entities.len(), p.groups.len())
			}
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
			n := 0
			for e := range g.live.entities.all() {
				e.changed()
				g.live.groups.get([]byte(e.key)).changed()
				if n++; n == 400 {
					break
				}
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
