package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// measured is a measurement of which a record takes so many microseconds with exfil, and 10 without, twice that in the second round.
func measured(with ...float64) *measurement {
	m := &measurement{plan: usual(), built: "go1.26", cores: 2, batches: []*batch{{encoded: make([]byte, 450_000)}}}
	m.rounds = len(with)
	resultOf := func(round int, each float64) result {
		took := time.Duration(each * 1000 * float64(round+1) * float64(time.Microsecond))
		r := result{
			saturated: work{records: 1000, elapsed: took, processor: took},
			paced:     work{records: 1000, elapsed: took, processor: 2 * took},
			memory:    usage{resident: 50e6, peak: 60e6},
			counts:    counts{received: 2000, windows: int64(m.learned) + 3},
		}
		for i := range 100 {
			r.latencies = append(r.latencies, time.Duration(i+1)*time.Millisecond)
		}
		return r
	}
	for round, each := range with {
		m.without = append(m.without, resultOf(round, 10))
		m.with = append(m.with, resultOf(round, each))
	}
	return m
}

// Given rounds of which one is twice as slow, then times vary and ratios do not.
func TestRatiosAreThoseWithinARound(t *testing.T) {
	text := measured(10.4, 10.4).table()
	for _, row := range []string{
		"| processor time a record at saturation, µs | 15.00 (10.00–20.00) | 15.60 (10.40–20.80) | 1.040 (1.040–1.040) |",
		"| records a second and core at saturation | 75000 (50000–100000) | 72115 (48077–96154) | 0.962 (0.962–0.962) |",
		"| a batch at 50,000 records a second, median, ms | 50.00 (50.00–50.00) | 50.00 (50.00–50.00) | 1.000 (1.000–1.000) |",
		"| p99, ms | 99.00 (99.00–99.00) | 99.00 (99.00–99.00) | 1.000 (1.000–1.000) |",
		"| p99.9 of the batches of all rounds, ms | 100.00 | 100.00 | 1.000 |",
		"| resident memory at most, MB | 60 (60–60) | 60 (60–60) | 1.000 (1.000–1.000) |",
		"It adds 4.0 (4.0–4.0) %: **holds**.",
		"the ends of 6 windows",
		"8,000 records were sent in batches of 1,000, encoded before (450,000 bytes a batch",
		"is 104 % of the least",
	} {
		assert.Contains(t, text, row)
	}
	assert.NotContains(t, text, "%!")
	for line := range strings.Lines(text) {
		assert.LessOrEqual(t, len([]rune(line)), 165, line)
	}
}

func TestAGoalThatIsMissedIsSaidToBe(t *testing.T) {
	assert.Contains(t, measured(10.2, 10.9, 10.7).table(), "It adds 7.0 (2.0–9.0) %: **does not hold**.")
}

func TestPercentiles(t *testing.T) {
	values := []time.Duration{4, 1, 3, 2}
	for share, want := range map[float64]time.Duration{0: 1, 0.25: 1, 0.5: 2, 0.51: 3, 0.99: 4, 1: 4} {
		assert.Equal(t, want, percentile(values, share), "%v", share)
	}
	assert.Equal(t, []time.Duration{4, 1, 3, 2}, values)
	assert.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
	assert.InDelta(t, 3, median([]float64{4, 1, 3}), 0)
	assert.Equal(t, []string{"7", "100", "1,000", "1,234,567"}, []string{thousands(7), thousands(100), thousands(1000), thousands(1_234_567)})
}
