package baseline

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
)

// learned is a model, and an entity of it, that have seen some weeks.
type learned struct {
	model *Model
	ports [40]Series
	table Table
	n     uint32
}

func newLearned(detail bool) *learned {
	return &learned{model: NewModel(3*time.Hour, 0.7, detail, Ablation{})}
}

// play lets windows pass in which some of the entities send, and returns the last prediction.
func (l *learned) play(windows int) (p Prediction) {
	for range windows {
		at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(l.n) * 3 * time.Hour)
		slot, random := SlotOf(at), rand.New(rand.NewPCG(uint64(l.n), 7))
		for i := range l.ports {
			s := &l.ports[i]
			if random.IntN(i+1) > 3 {
				continue
			}
			var table *Table
			if i == 0 {
				table = &l.table
			}
			s.SkipTo(l.n, 3*time.Hour)
			p = l.model.Predict(s, table, slot, s.Activity(l.n, 3*time.Hour, EvenChance))
			bytes := int64(math.Exp(9 + 2*random.NormFloat64()))
			l.model.Learn(s, table, slot, p, bytes, l.model.Judge(p, bytes).Ordinary(1))
		}
		l.table.Pass(slot, true)
		l.model.EndWindow(slot, at.Hour() == 21)
		l.n++
	}
	return p
}

func (l *learned) save() []byte {
	var w codec.Writer
	l.model.Save(&w)
	for i := range l.ports {
		l.ports[i].Save(&w)
	}
	l.table.Save(&w)
	return w.Data
}

func loadLearned(t *testing.T, data []byte, detail bool, n uint32) *learned {
	t.Helper()
	l, r := newLearned(detail), codec.NewReader(data)
	l.model.Load(r)
	for i := range l.ports {
		l.ports[i] = LoadSeries(r)
	}
	l.table.Load(r)
	l.n = n
	require.NoError(t, r.End())
	return l
}

// Given a model that has learned for weeks, when it is saved and loaded, then it goes on as if nothing had happened.
func TestASavedModelGoesOnToTheBit(t *testing.T) {
	for _, detail := range []bool{false, true} {
		straight := newLearned(detail)
		straight.play(300)
		resumed := loadLearned(t, straight.save(), detail, straight.n)
		assert.Equal(t, straight, resumed)

		assert.Equal(t, straight.play(200), resumed.play(200))
		assert.Equal(t, straight.save(), resumed.save())
		assert.True(t, straight.model.calibration[0].fitted, "the calibration is part of it")
		assert.Equal(t, detail, straight.model.shape != Shape{}, "and so is the shape of detail keys")
	}
}

func TestAPredictionIsSaved(t *testing.T) {
	p := newLearned(false).play(100)
	p.Class = 2
	var w codec.Writer
	p.Save(&w)
	r := codec.NewReader(w.Data)
	assert.Equal(t, p, LoadPrediction(r))
	require.NoError(t, r.End())
}

func TestStatisticsThatNobodyCanHaveMadeAreRefused(t *testing.T) {
	floats := func(vs ...float32) []byte {
		var w codec.Writer
		for _, v := range vs {
			w.Float32(v)
		}
		w.Uint(3)
		return w.Data
	}
	for name, c := range map[string]struct {
		data []byte
		load func(r *codec.Reader)
	}{
		"a series with a negative count":     {floats(-1, 0, 0, 0, 0, 0, 0), func(r *codec.Reader) { LoadSeries(r) }},
		"a series with negative squares":     {floats(1, 0, -2, 0, 0, 0, 0), func(r *codec.Reader) { LoadSeries(r) }},
		"a series in window 2⁴⁰":             {append(floats(1, 0, 0, 0, 0, 0, 0)[:28], 128, 128, 128, 128, 128, 32), func(r *codec.Reader) { LoadSeries(r) }},
		"a prediction with a spread below 0": {floats(1, -1, 0, 0), func(r *codec.Reader) { LoadPrediction(r) }},
		"a prediction of class 3":            {floats(1, 1, 0, 0), func(r *codec.Reader) { LoadPrediction(r) }},
		"a table with a negative count":      {floats(0, 0, -1, 0), func(r *codec.Reader) { new(Table).Load(r) }},
		"a histogram of 321 bins": {func() []byte {
			var w codec.Writer
			w.Uint(321)
			for range 321 {
				w.Float64(1)
			}
			return w.Data
		}(), func(r *codec.Reader) { new(Calibration).load(r) }},
		"a tail without a scale": {func() []byte {
			var w codec.Writer
			c := Calibration{fitted: true, rate: 1}
			c.save(&w)
			return w.Data
		}(), func(r *codec.Reader) { new(Calibration).load(r) }},
		"half a model": {newLearned(true).save()[:1000], func(r *codec.Reader) { newLearned(true).model.Load(r) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := codec.NewReader(c.data)
			c.load(r)
			require.ErrorIs(t, r.Err(), codec.ErrMalformed)
		})
	}
}

func TestAModelThatCannotBeReadIsAsItWas(t *testing.T) {
	l := newLearned(false)
	l.play(100)
	before := l.save()
	var w codec.Writer
	other := newLearned(false)
	other.play(150)
	other.model.sinceFit = -1
	other.model.Save(&w)
	r := codec.NewReader(w.Data)
	l.model.Load(r)
	require.ErrorIs(t, r.Err(), codec.ErrMalformed)
	assert.Equal(t, before, l.save())
}
