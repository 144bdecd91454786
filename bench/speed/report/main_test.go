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

func TestTooFewRunsMakeNoTable(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, run(strings.NewReader(printed(5)), &out), "was measured 5 times; 6 are needed")
	assert.Empty(t, out.String())
}

func TestABenchmarkThatIsMissingIsNamed(t *testing.T) {
	text := strings.ReplaceAll(printed(6), "entities=1000000-", "entities=7-")
	require.ErrorContains(t, run(strings.NewReader(text), &strings.Builder{}), "entities=1000000 was measured 0 times")
}
