package traffic_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/traffic"
)

func TestATheftGoesOnForDaysOnTopOfARealKey(t *testing.T) {
	s := twoCities(t)
	median, mean := s.PerStep("Wien")
	assert.Equal(t, int64(100_000), median)
	assert.InDelta(t, 550_000, mean, 1e-6)

	starts := map[time.Time]bool{}
	for seed := range uint64(5) {
		b, err := traffic.Sustain(s, traffic.Sustained{Key: "Wien", Kind: "thrice", PerStep: 3 * median, Lasts: 72 * time.Hour, Seed: seed})
		require.NoError(t, err)
		require.Len(t, b.Thefts, 1)
		theft := b.Thefts[0]
		starts[theft.Start] = true
		assert.Equal(t, "thrice", theft.Kind)
		assert.False(t, theft.Start.Before(monday.AddDate(0, 0, 5)), "five days of history")
		assert.False(t, theft.End().After(s.End()))
		assert.Zero(t, theft.Start.Sub(monday)%s.Step)

		wien, last := map[int64]int64{}, int64(0)
		for l := range b.Flows() {
			require.GreaterOrEqual(t, l.Time, last)
			last = l.Time
			if l.Theft != "" {
				assert.Equal(t, "Wien", l.DestinationPlace.Region)
				wien[l.Time] += l.Sent
			}
		}
		assert.Len(t, wien, 72*12)
		for at, bytes := range wien {
			require.Equal(t, 3*median, bytes)
			require.False(t, at < theft.Start.UnixNano() || at >= theft.End().UnixNano())
		}
	}
	assert.Greater(t, len(starts), 1, "the seed draws the start")
}

func TestASustainedTheftThatCannotBeIsRefused(t *testing.T) {
	s := twoCities(t)
	for says, in := range map[string]traffic.Sustained{
		`no key "Linz"`:  {Key: "Linz", PerStep: 1, Lasts: time.Hour},
		"0 bytes":        {Key: "Wien", Lasts: time.Hour},
		"for 1s":         {Key: "Wien", PerStep: 1, Lasts: time.Second},
		"for 150h0m0s":   {Key: "Wien", PerStep: 1, Lasts: 150 * time.Hour},
		"from 2025-01-0": {Key: "Wien", PerStep: 1, Lasts: time.Hour, From: monday.Add(-time.Hour)},
	} {
		_, err := traffic.Sustain(s, in)
		require.ErrorIs(t, err, traffic.ErrSeries, says)
		assert.ErrorContains(t, err, says)
	}
	median, mean := s.PerStep("Linz")
	assert.Zero(t, median)
	assert.Zero(t, mean)
}
