package baseline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const span = 3 * time.Hour

// studentTail integrates Student's density with five degrees of freedom from z to infinity.
func studentTail(z float64) float64 {
	density := func(t float64) float64 {
		return 8 / (3 * math.Pi * math.Sqrt(5)) * math.Pow(1+t*t/5, -3)
	}
	// t = z + u/(1-u) maps [0,1) to [z,∞).
	const steps = 200_000
	sum := 0.0
	for i := range steps {
		u := (float64(i) + 0.5) / steps
		sum += density(z+u/(1-u)) / ((1 - u) * (1 - u))
	}
	return sum / steps
}

func TestSurpriseIsTheTailOfStudentsDistribution(t *testing.T) {
	for _, z := range []float64{-8, -2, -0.5, 0, 0.5, 1, 2.015, 3.365, 4.032, 10, 50} {
		assert.InDelta(t, -math.Log(studentTail(z)), student{}.surprise(z), 1e-4, "z = %v", z)
	}
	// Tabulated: the upper 5 % point for five degrees of freedom is 2.015, the upper 0.5 % point 4.032.
	assert.InDelta(t, 0.05, math.Exp(-student{}.surprise(2.015)), 1e-4)
	assert.InDelta(t, 0.005, math.Exp(-student{}.surprise(4.032)), 1e-5)
	assert.InDelta(t, student{}.surprise(1000), student{}.surprise(1000.0001), 1e-3, "the far tail continues the near one")
}

func TestSurpriseGrowsAndDeviationInvertsIt(t *testing.T) {
	for name, tail := range map[string]tail{"student": student{}, "logistic": logistic{}} {
		last := 0.0
		for z := -13.0; z < 1e5; z = z + 0.3 + math.Abs(z)*0.1 {
			x := tail.surprise(z)
			require.Greater(t, x, last, "%s, z = %v", name, z)
			last = x
			if z > -6 && x < 700 { // below, the surprise is too close to 0 to be told apart
				assert.InDelta(t, z, tail.deviation(x), 1e-5*max(1, math.Abs(z)), "%s, z = %v", name, z)
			}
		}
		assert.True(t, math.IsInf(tail.deviation(0), -1), name)
		assert.True(t, math.IsInf(tail.deviation(-3), -1), name)
	}
	assert.True(t, math.IsInf(student{}.deviation(1e6), 1))
}

func TestTheTailOfNewcomersIsLogistic(t *testing.T) {
	for _, z := range []float64{-5, -1, 0, 0.4, 3, 10} {
		assert.InEpsilon(t, -math.Log(1/(1+math.Exp(z/logisticScale))), logistic{}.surprise(z), 1e-6, "z = %v", z)
	}
	far := logisticFar * logisticScale
	assert.InDelta(t, logistic{}.surprise(far-1e-9), logistic{}.surprise(far+1e-9), 1e-7, "the far tail continues the near one")
	// The tail falls by a power of the bytes: ten times as many are as much less probable at a gigabyte as at a terabyte.
	m, p := NewModel(span, 1, false, Ablation{}), Prediction{Centre: 8, Spread: 1, Class: newcomers}
	assert.InEpsilon(t, m.Surprise(p, 1e10)-m.Surprise(p, 1e9), m.Surprise(p, 1e13)-m.Surprise(p, 1e12), 1e-5)
	p.Class++
	assert.Less(t, m.Surprise(p, 1e13)-m.Surprise(p, 1e12), m.Surprise(p, 1e10)-m.Surprise(p, 1e9), "which is not so with a history")
}

// predict as a space of one rule does.
func predict(m *Model, s *Series, table *Table, slot Slot) Prediction {
	return m.Predict(s, table, slot, s.Activity(s.Next, span, EvenChance))
}

func TestScoreStandsForFalseAlarms(t *testing.T) {
	for score, alarms := range map[float64]float64{25: 100, 50: 10, 75: 1, 87.5: 0.01, 93.75: 1e-4} {
		assert.InDelta(t, score, Score(alarms, 1), 1e-9)
		assert.InEpsilon(t, alarms, FalseAlarmsAt(score, 1), 1e-9)
	}
	assert.InDelta(t, 75, Score(3, 3), 1e-9, "75 is the budget, whatever it is")
	assert.Zero(t, Score(1e9, 1))
	assert.Zero(t, FalseAlarmsAt(100, 1))
	assert.Equal(t, 100.0, Score(0, 1))
}

func TestBytesAndYAreInverse(t *testing.T) {
	for _, b := range []int64{0, 1, 999, 1 << 20, 1 << 40, 1 << 60} {
		assert.InEpsilon(t, float64(b)+1, float64(BytesOf(YOf(b)))+1, 1e-2)
	}
	assert.Equal(t, int64(0), BytesOf(-5))
	assert.Equal(t, int64(math.MaxInt64), BytesOf(1e9))
	assert.Equal(t, int64(math.MaxInt64), BytesOf(math.Inf(1)))
}

func TestSlots(t *testing.T) {
	assert.Equal(t, Slot{Day: 0, Week: 8}, SlotOf(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)))    // Monday
	assert.Equal(t, Slot{Day: 7, Week: 47}, SlotOf(time.Date(2026, 3, 6, 21, 0, 0, 0, time.UTC)))  // Friday night
	assert.Equal(t, Slot{Day: 12, Week: 52}, SlotOf(time.Date(2026, 3, 7, 13, 0, 0, 0, time.UTC))) // Saturday
	assert.Equal(t, Slot{Day: 8, Week: 0}, SlotOf(time.Date(2026, 3, 8, 1, 0, 0, 0, time.UTC)))    // Sunday
}

// keys learns windows of several entities: bytes(entity, window) < 0 means inactive.
func keys(t *testing.T, entities, windows int, bytes func(entity, window int) int64) (*Model, []Series, []*Table) {
	t.Helper()
	m := NewModel(span, 1, false, Ablation{})
	series, tables := make([]Series, entities), make([]*Table, entities)
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for w := range windows {
		at := start.Add(time.Duration(w) * span)
		slot := SlotOf(at)
		for e := range entities {
			b := bytes(e, w)
			if b >= 0 {
				s := &series[e]
				if s.Active == 0 {
					s.Begin(uint32(w), uint32(w))
				}
				s.SkipTo(uint32(w), span)
				p := predict(m, s, tables[e], slot)
				m.Learn(s, tables[e], slot, p, b, true)
				if tables[e] == nil && m.WantsTable(s) {
					tables[e] = new(Table)
				}
			}
			if tables[e] != nil {
				tables[e].Pass(slot, b >= 0)
			}
		}
		m.EndWindow(slot, w%8 == 7)
	}
	return m, series, tables
}

func noisy(r *rand.Rand, median, sd float64) int64 {
	return int64(median * math.Exp(sd*r.NormFloat64()))
}

func TestPredictionFindsLevelAndSpread(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	m, series, tables := keys(t, 20, 8*28, func(e, w int) int64 { return noisy(r, 1e6*float64(e+1), 0.5) })
	for e := range series {
		series[e].SkipTo(8*28, span)
		p := predict(m, &series[e], tables[e], Slot{})
		assert.InDelta(t, math.Log(1e6*float64(e+1)), float64(p.Centre), 0.5)
		assert.InDelta(t, 0.5, float64(p.Spread), 0.15)
		assert.InDelta(t, 0, float64(p.Silence), 0.01, "always active")
		assert.Equal(t, uint8(2), p.Class)
	}
}

func TestPredictionKnowsTheHour(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	m, series, tables := keys(t, 20, 8*28, func(e, w int) int64 {
		switch {
		case w%8 == 4: // noon
			return noisy(r, 1e9, 0.3)
		case w%8 == 0: // midnight: never
			return -1
		}
		return noisy(r, 1e6, 0.3)
	})
	s, table := &series[3], tables[3]
	require.NotNil(t, table)
	noon := predict(m, s, table, Slot{Day: 4})
	evening := predict(m, s, table, Slot{Day: 6})
	midnight := predict(m, s, table, Slot{Day: 0})
	assert.Greater(t, noon.Median(), 100*evening.Median())
	assert.Greater(t, midnight.Silence, evening.Silence+1, "traffic at an hour that is silent is the more surprising")
	assert.Greater(t, m.Surprise(midnight, 1e8)+float64(midnight.Silence), m.Surprise(evening, 1e8)+float64(evening.Silence))
}

func TestNewcomersAreComparedWithNewcomers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	// 20 busy keys at 1 GB, and each window two keys that are new and send 10 kB.
	windows := 8 * 14
	m, _, _ := keys(t, 20+2*windows, windows, func(e, w int) int64 {
		if e < 20 {
			return noisy(r, 1e9, 0.4)
		}
		if (e-20)/2 == w {
			return noisy(r, 1e4, 0.8)
		}
		return -1
	})
	var fresh Series
	fresh.Begin(uint32(windows), uint32(windows))
	p := predict(m, &fresh, nil, Slot{})
	// The busy keys were new once, too: 20 of the 244 first windows.
	assert.InDelta(t, math.Log(1e4), float64(p.Centre), 1.2)
	assert.Less(t, m.Threshold(p, 1, 1<<20), int64(300e6), "a new port that sends 300 MB is found, though busy ports send more every window")
}

// The promise of the score: the threshold in bytes and the false alarms of a sum are two sides of one curve.
func TestThresholdIsWhereTheJudgementCrosses(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 2))
	m, series, tables := keys(t, 30, 8*21, func(e, w int) int64 { return noisy(r, 1e7, 1) })
	for e := range series {
		p := predict(m, &series[e], tables[e], Slot{Day: 3})
		for _, alarms := range []float64{10, 1, 0.01} {
			threshold := m.Threshold(p, alarms, 0)
			assert.Greater(t, m.Judge(p, threshold/101*100).FalseAlarms, alarms)
			assert.LessOrEqual(t, m.Judge(p, threshold/100*101+1).FalseAlarms, alarms)
		}
		assert.Equal(t, int64(math.MaxInt64), m.Threshold(p, 0, 0), "a score of 100 is never reached")
		assert.Equal(t, int64(1<<60), m.Threshold(p, 1, 1<<60), "never below the floor")
	}
}

func TestCalibrationFitsTheTailThatIs(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var c Calibration
	// 400 windows every three hours whose surprise has 1.4 times the scale that the model promises.
	for w := range 8 * 28 {
		for range 400 {
			c.count(1.4*r.ExpFloat64(), true)
		}
		c.pass(span)
		if w%8 == 7 {
			c.fit(24*time.Hour, student{}.prior())
		}
	}
	require.True(t, c.fitted)
	assert.InDelta(t, 1.4, c.scale, 0.15)
	for _, x := range []float64{7, 10, 13} {
		want := 400 * 56 * math.Exp(-x/1.4)
		assert.InEpsilon(t, want, c.perWeek(x), 0.4)
		assert.InDelta(t, x, c.surpriseAt(c.perWeek(x)), 1e-9)
	}
}

func TestAlertedWindowsAreNoOrdinaryOnes(t *testing.T) {
	learn := func(extra bool) float64 {
		r := rand.New(rand.NewPCG(4, 4))
		var c Calibration
		for w := range 8 * 14 {
			for range 50 {
				c.count(r.ExpFloat64(), true)
			}
			if extra {
				c.count(60, false)
			}
			c.pass(span)
			if w%8 == 7 {
				c.fit(24*time.Hour, student{}.prior())
			}
		}
		return c.perWeek(12)
	}
	assert.Equal(t, learn(false), learn(true))
}

func TestAnUncalibratedModelIsBelieved(t *testing.T) {
	var c Calibration
	c.fit(24*time.Hour, student{}.prior())
	assert.InEpsilon(t, math.Exp(-5), c.perWeek(5), 1e-9)
	assert.InDelta(t, 5, c.surpriseAt(math.Exp(-5)), 1e-9)
}

func TestPeersMergeAsIfOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 4))
	var batch peerClass
	var all []float64
	for range 40 {
		var b peerBatch
		for range 10 {
			y := 5 + r.NormFloat64()
			all = append(all, y)
			b.add(&batch, y, 1)
		}
		batch.learn(&b)
	}
	mean, m2 := 0.0, 0.0
	for _, y := range all {
		mean += y / float64(len(all))
	}
	for _, y := range all {
		m2 += (y - mean) * (y - mean)
	}
	assert.InDelta(t, mean, batch.mean, 1e-5)
	assert.InDelta(t, m2, batch.m2, 1e-3)
	assert.Equal(t, 400.0, batch.n)
	for range 1000 {
		var b peerBatch
		for range 10 {
			b.add(&batch, 9, 0)
		}
		batch.learn(&b)
	}
	assert.Equal(t, 2000.0, batch.n, "the memory is bounded")
	assert.InDelta(t, 9, batch.mean, 0.02, "what is long past is forgotten")
}

func TestOneWildKeyDoesNotWidenItsPeers(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 4))
	calm, _, _ := keys(t, 40, 80, func(e, w int) int64 { return noisy(r, 1e6, 0.3) })
	wild, _, _ := keys(t, 40, 80, func(e, w int) int64 {
		if e == 0 && w%2 == 0 {
			return noisy(r, 1e12, 3)
		}
		return noisy(r, 1e6, 0.3)
	})
	assert.Less(t, wild.peers.missedBy(6, 9), 1.5*calm.peers.missedBy(6, 9))
}

func TestALastingChangeIsLearnedInDays(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 8))
	m, series, tables := keys(t, 20, 8*35, func(e, w int) int64 {
		if e == 0 && w >= 8*28 {
			return noisy(r, 5e7, 0.3)
		}
		return noisy(r, 1e7, 0.3)
	})
	p := predict(m, &series[0], tables[0], SlotOf(time.Date(2026, 4, 6, 12, 0, 0, 0, time.UTC)))
	assert.Greater(t, m.Threshold(p, 1, 1<<20), int64(5e7), "after a week the new level is usual")
}

func TestOneHugeWindowBarelyMovesTheBaseline(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 8))
	history := func(spike bool) int64 {
		m, series, tables := keys(t, 20, 8*28, func(e, w int) int64 {
			if spike && e == 0 && w == 8*27 {
				return 1e12
			}
			return noisy(r, 1e7, 0.3)
		})
		p := predict(m, &series[0], tables[0], Slot{Day: 4})
		return m.Threshold(p, 1, 1<<20)
	}
	assert.Less(t, history(true), 2*history(false))
}

func TestSilenceIsAccountedForAtOnceOrStepByStep(t *testing.T) {
	a := Series{N: 10, SS: 3, Active: 12, Total: 40, Mean: 5}
	b := a
	a.SkipTo(100, span)
	for w := range uint32(100) {
		b.SkipTo(w+1, span)
	}
	assert.InEpsilon(t, a.N, b.N, 1e-4)
	assert.InEpsilon(t, a.Active, b.Active, 1e-4)
	assert.InEpsilon(t, a.Total, b.Total, 1e-4)
	assert.Equal(t, a.Mean, b.Mean)
	before := a
	a.SkipTo(50, span)
	assert.Equal(t, before, a, "the past is not skipped to")
	assert.Equal(t, float64(a.Active), a.ActiveAt(3, span))
	later := a
	later.SkipTo(300, span)
	assert.Equal(t, float64(later.Active), a.ActiveAt(300, span), "to the bit: it decides under which rule a detail key is found")
}

func TestDetailKeysFollowTheSharedShape(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 8))
	m := NewModel(span, 0.25, true, Ablation{})
	series := make([]Series, 50)
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for w := range 8 * 28 {
		slot := SlotOf(start.Add(time.Duration(w) * span))
		for e := range series {
			median := 1e5
			if slot.Day == 4 {
				median = 1e7
			}
			s := &series[e]
			p := predict(m, s, nil, slot)
			m.Learn(s, nil, slot, p, noisy(r, median, 0.4), true)
		}
		m.EndWindow(slot, w%8 == 7)
	}
	noon := predict(m, &series[7], nil, Slot{Day: 4, Week: 12})
	night := predict(m, &series[7], nil, Slot{Day: 0, Week: 8})
	assert.Greater(t, noon.Median(), 20*night.Median())
	assert.False(t, m.WantsTable(&series[7]))
	assert.False(t, m.LeansOnPeers(&series[7]))
}

// What is worked out beforehand is the same to the bit as what it stands for.
func TestDecaysAreThoseOfASeries(t *testing.T) {
	for _, span := range []time.Duration{time.Hour, span, 24 * time.Hour} {
		d := NewDecays(span)
		for _, ordinal := range []uint32{0, 7, 8, 9, 100, 7 + decaysKnown - 1, 7 + decaysKnown, 7 + decaysKnown + 1, 1 << 20} {
			a := Series{N: 10, SS: 3, Active: 12, Total: 40, Mean: 5, Next: 7}
			b := a
			assert.Equal(t, a.ActiveAt(ordinal, span), d.ActiveAt(&a, ordinal))
			assert.Equal(t, a.Activity(ordinal, span, 0.25), d.Activity(a, ordinal, 0.25))
			a.SkipTo(ordinal, span)
			d.SkipTo(&b, ordinal)
			assert.Equal(t, a, b, "window %d", ordinal)
		}
	}
}

func TestClassesOfExperienceArePowersOfTwo(t *testing.T) {
	for x := float32(1); x < 1<<14; x *= 2 {
		for _, active := range []float32{x, math.Nextafter32(x, 0), math.Nextafter32(x, 1e9), 1.5 * x} {
			want := 0
			if active >= 1 {
				want = min(peerClasses-1, 1+int(math.Log2(float64(active))))
			}
			s := Series{Active: active}
			assert.Equal(t, want, s.experience(), "%v windows", active)
		}
	}
}
