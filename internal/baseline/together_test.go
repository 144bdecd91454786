package baseline

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func chance(p float64) float32 { return float32(-math.Log(p)) }

func TestOneWindowTogetherIsThatWindow(t *testing.T) {
	for _, p := range []float64{1, .7, 1e-6} {
		one := Prediction{Centre: 12.5, Spread: 1.25, Silence: chance(p), Class: 2}
		var sum Together
		sum.Add(one, 1)
		got := sum.Prediction()
		assert.InDelta(t, one.Centre, got.Centre, 1e-5)
		assert.InDelta(t, one.Spread, got.Spread, 1e-6)
		assert.InDelta(t, one.Silence, got.Silence, 1e-4)
		assert.Equal(t, one.Class, got.Class)
	}
}

func TestWindowsTogetherBringWhatTheyBringOneByOne(t *testing.T) {
	var busy, seldom, day Together
	busy.Add(Prediction{Centre: 10, Spread: 1, Class: 1}, 8)
	got := busy.Prediction()
	assert.InDelta(t, 10+math.Log(8), got.Centre, 1e-5, "eight windows of the same bring eight times as much")
	assert.Zero(t, got.Silence)

	seldom.Add(Prediction{Centre: 10, Spread: 1, Silence: chance(1e-4)}, 8)
	got = seldom.Prediction()
	assert.InDelta(t, 10, got.Centre, 1e-3, "who comes once in a year comes once, not eight times")
	assert.InDelta(t, -math.Log(8e-4), got.Silence, 1e-3, "but may in any of the eight")

	for _, order := range [][2]Prediction{{{Centre: 5, Spread: 3}, {Centre: 16, Spread: 1}}, {{Centre: 16, Spread: 1}, {Centre: 5, Spread: 3}}} {
		day = Together{}
		day.Add(order[0], 1)
		day.Add(order[1], 1)
		assert.InDelta(t, math.Log(math.Exp(5)+math.Exp(16)), day.Prediction().Centre, 1e-5)
		assert.InDelta(t, math.Sqrt(5), day.Prediction().Spread, 1e-5)
	}
}

func TestTogetherStaysFinite(t *testing.T) {
	var sum Together
	sum.Add(Prediction{Centre: 5e37, Spread: 1}, 30)
	sum.Add(Prediction{Centre: -5e37, Spread: 1e9, Silence: chance(leastActive)}, 1)
	got := sum.Prediction()
	for _, v := range []float32{got.Centre, got.Spread, got.Silence} {
		assert.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0), "%+v", got)
	}
}
