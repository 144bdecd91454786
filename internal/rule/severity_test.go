package rule

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheHighestBandThatAScoreReachesDecides(t *testing.T) {
	falling := []SeverityBand{{90, Critical}, {80, High}, {75.5, Medium}}
	rising := []SeverityBand{{75.5, Medium}, {80, High}, {90, Critical}}
	for score, want := range map[float64]Severity{
		0: "", 75: "", 75.5: Medium, 79.99: Medium, 80: High, 89.9: High, 90: Critical, 100: Critical, math.Inf(1): Critical,
	} {
		for _, bands := range [][]SeverityBand{falling, rising} {
			got, ok := SeverityAt(bands, score)
			assert.Equal(t, want, got, "%v", score)
			assert.Equal(t, want != "", ok, "%v", score)
		}
	}
	_, ok := SeverityAt(falling, math.NaN())
	assert.False(t, ok, "a score that is none reaches nothing")
	_, ok = SeverityAt(nil, 100)
	assert.False(t, ok, "without bands the rule decides")
}

func TestSeveritiesHaveAnOrder(t *testing.T) {
	assert.Less(t, Severity("grave").Rank(), Low.Rank())
	assert.Less(t, Low.Rank(), Medium.Rank())
	assert.Less(t, Medium.Rank(), High.Rank())
	assert.Less(t, High.Rank(), Critical.Rank())
}
