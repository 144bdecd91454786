package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// series writes ten days of three cities' bytes, by the half hour.
func series(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("time,north,south,west\n")
	for i := range 10 * 48 {
		wave := 2 + math.Sin(float64(i)*2*math.Pi/48)
		noise := 1 + 0.1*math.Sin(float64(i*i))
		fmt.Fprintf(&b, "%s,%.0f,%.0f,%.0f\n", start().Add(time.Duration(i)*30*time.Minute).Format(time.RFC3339),
			1e8*wave*noise, 5e7*wave, 2e7*wave*noise)
	}
	path := filepath.Join(t.TempDir(), "series.csv")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	return path
}

func TestARealBackgroundHasAFileOfItsOwn(t *testing.T) {
	o := options{dir: t.TempDir(), seeds: 1, workers: 2, runs: 1, background: series(t), log: io.Discard}
	require.NoError(t, run(context.Background(), o))
	text, err := os.ReadFile(filepath.Join(o.dir, "BACKGROUND.md"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "`make quality BACKGROUND=series.csv`")
	assert.Contains(t, string(text), "Its keys: 3, in steps of 30m0s over 10.0 days")
	assert.Contains(t, string(text), "| injected 10x |")
	assert.Contains(t, string(text), "### 3× the mean")
	assert.Contains(t, string(text), "## Alarms about the series itself")
	assert.NoFileExists(t, filepath.Join(o.dir, "RESULTS.md"))

	if raceEnabled {
		return // once is enough to find a race
	}
	require.NoError(t, run(context.Background(), o))
	again, err := os.ReadFile(filepath.Join(o.dir, "BACKGROUND.md"))
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again), "to the digit")
}

func TestABackgroundThatIsNotThereIsAnError(t *testing.T) {
	require.ErrorIs(t, run(context.Background(), options{background: "none such.csv", log: io.Discard}), os.ErrNotExist)
}
