package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// printed is what the benchmarks print in so many runs, exfil taking a quarter of what unmarshal does, on a machine that is slower
// each time.
func printed(runs int) string {
	var b strings.Builder
	seen := map[string]bool{}
	for run := range runs {
		for _, t := range layout() {
			for _, r := range t.rows {
				ns := 4000
				if strings.HasSuffix(r.name, "exfil") {
					ns = 1000
				}
				if key := fmt.Sprint(run, r.name); !seen[key] {
					seen[key] = true
					fmt.Fprintf(&b, "BenchmarkX/%s-2 \t 100\t 0 allocs/record\t %d ns/record\n", r.name, ns*(1+run))
				}
			}
		}
	}
	for run := range runs {
		fmt.Fprintf(&b, "BenchmarkMemory/active=by_turns-2 \t 1\t %d B/entity\nBenchmarkMemory/active=all_at_once-2 \t 1\t 250 B/entity\n", 149+run%2)
	}
	return b.String()
}

// Given runs of which each is slower than the one before, then times vary and ratios do not.
func TestRatiosAreThoseWithinARun(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(strings.NewReader(printed(6)), &out))
	lines := strings.Split(out.String(), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "| **exfil** |") })
	require.GreaterOrEqual(t, at, 0, out.String())
	assert.Equal(t, "| **exfil** | **3500 (1000–6000)** | **0.00** | **0.250 (0.250–0.250)** | **0.250 (0.250–0.250)** |", lines[at])
}

// Each goal stands beside what was measured, and says when it is not kept, or only just.
func TestGoalsStandBesideWhatWasMeasured(t *testing.T) {
	var out strings.Builder
	text := printed(6)
	text = strings.ReplaceAll(text, "0 allocs/record\t 12000 ns/record\nBenchmarkX/with=city_database_uniform", "2 allocs/record\t 12000 ns/record\nBenchmarkX/with=city_database_uniform")
	require.NoError(t, run(strings.NewReader(text), &out))
	for _, row := range []string{
		"| both rules with their keys, ECS, 10,000 entities: at most 1.5 × one bare pass over the attributes | 0.250 (0.250–0.250) | yes |",
		"| both rules with their keys, ECS, 10,000 entities: at most 0.08 × the OTLP unmarshal | 0.250 (0.250–0.250) | no |",
		"| both rules with their keys, ECS, 10,000 entities: less than group_by_attrs | 0.250 (0.250–0.250) | yes |",
		"| the same, learned: at most 0.08 × the OTLP unmarshal | 1.000 (1.000–1.000) | no |",
		"| a region from the database, Zipf addresses: adds at most 0.03 × the unmarshal | 0.000 (0.000–0.000) | yes |",
		"| no allocations a record, in any format and with all that is configured: 0.00 | 0.0000 (0.0000–2.0000) | yes, narrowly |",
		"| two senders on two cores: at least 1.8 × one | 1.00 (1.00–1.00) | no |",
		"| a million entities without season table: at most 150 bytes each | 150 (149–150) | yes |",
		"| all active in a window that is open | 250 (250–250) |",
	} {
		assert.Contains(t, out.String(), row+"\n")
	}
	assert.Equal(t, len(goals()), strings.Count(out.String(), "| yes |")+strings.Count(out.String(), "| no |")+strings.Count(out.String(), "narrowly |"))
}

func TestTooFewRunsMakeNoTable(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, run(strings.NewReader(printed(5)), &out), "was measured 5 times; 6 are needed")
	assert.Empty(t, out.String())
}

func TestABenchmarkThatIsMissingIsNamed(t *testing.T) {
	text := strings.ReplaceAll(printed(6), "entities=1000000-", "entities=7-")
	require.ErrorContains(t, run(strings.NewReader(text), &strings.Builder{}), "entities=1000000 was measured 0 times")
	text = strings.ReplaceAll(printed(6), "active=by_turns-", "active=never-")
	require.ErrorContains(t, run(strings.NewReader(text), &strings.Builder{}), "active=by_turns was measured 0 times")
}
