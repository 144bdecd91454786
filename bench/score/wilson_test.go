package score_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-exfil/exfil/bench/score"
)

func TestWilsonsIntervalHoldsAllSharesThatAreNotTooFar(t *testing.T) {
	// At both ends, what was seen is 1.96 standard deviations away: the interval's definition.
	for _, c := range [][2]int{{9, 12}, {1, 2}, {0, 10}, {640, 640}, {611, 640}} {
		low, high := score.Wilson(c[0], c[1])
		seen, n := float64(c[0])/float64(c[1]), float64(c[1])
		assert.LessOrEqual(t, low, seen+1e-12)
		assert.GreaterOrEqual(t, high, seen-1e-12)
		for _, p := range []float64{low, high} {
			if p > 1e-12 && p < 1-1e-12 {
				assert.InDelta(t, 1.96, math.Abs(seen-p)/math.Sqrt(p*(1-p)/n), 1e-3, "%v at %v", c, p)
			}
		}
	}
	low, high := score.Wilson(9, 12)
	assert.InDelta(t, 0.468, low, 5e-4)
	assert.InDelta(t, 0.911, high, 5e-4)
	low, high = score.Wilson(0, 0)
	assert.Zero(t, low)
	assert.InDelta(t, 1, high, 1e-12)
	_, high = score.Wilson(12, 12)
	assert.InDelta(t, 1, high, 1e-12)
}
