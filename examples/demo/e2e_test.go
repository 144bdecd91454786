package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Given four weeks of an office and two thefts in its last days, when a real collector
// reads them, then each theft is noticed within its first window, and in the last two
// weeks nothing else is.
func TestARealCollectorNoticesTheTheftsAndNothingElse(t *testing.T) {
	program := os.Getenv("EXFIL_COLLECTOR")
	if program == "" {
		t.Skip("EXFIL_COLLECTOR names no collector; `make test` builds one and does")
	}
	plan, all := scenario()
	alerts, err := detect(t.Context(), files{collector: program, config: "collector.yaml", dir: t.TempDir()}, plan, newProgress(t.Output()))
	require.NoError(t, err)
	require.NoError(t, missed(alerts, all))

	quiet := firstDay.AddDate(0, 0, days-14)
	for _, a := range alerts {
		explained := a.time.Before(quiet)
		for _, s := range all {
			explained = explained || a.answers(s)
		}
		assert.True(t, explained, "a false alarm: %s %s", a.time, a.sentence)
	}
}
