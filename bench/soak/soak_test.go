package main

import (
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// weeks is a small organisation that the test has time for.
func weeks(t *testing.T) plan {
	return plan{
		length: 21 * day, month: 7 * day, entities: 300,
		hosts: 30, habits: 8, records: 250, seed: 1, directory: t.TempDir(), logger: zap.NewNop(),
	}
}

// Keys are full, hosts come and go, and after the first week nothing grows, is lost or missed.
func TestWeeksOfTrafficTakeNoMoreMemoryThanTheFirst(t *testing.T) {
	p := weeks(t)
	var out strings.Builder
	r, err := run(t.Context(), p, &out)
	require.NoError(t, err, "%s", &out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 2+3+2, "%s", &out)
	assert.True(t, strings.HasPrefix(lines[6], "flat: "), "%s", &out)

	first, second := r.months[0], r.months[1]
	assert.Equal(t, time.Date(2026, 1, 12, 0, 0, 0, 0, time.UTC), first.ends)
	assert.EqualValues(t, 5*p.entities+5, second.entities, "all keys are full, and have an overflow entity")
	assert.Greater(t, second.evicted, first.evicted+int64(p.entities))
	assert.EqualValues(t, 2*7*8-1, second.windows, "all that have ended")
	assert.EqualValues(t, 7*8*p.records, second.records)
	assert.Zero(t, first.thefts, "of the warm-up")
	assert.Equal(t, 1, second.thefts)
	assert.Equal(t, 1, second.told)
	assert.Positive(t, second.heap)
	assert.Positive(t, second.checkpoint)
	assert.EqualValues(t, second.entities, r.again.entities)
}

// sound is a run with which nothing is wrong.
func sound() *report {
	r := newReport(&strings.Builder{}, year())
	for i := range 6 {
		r.month(month{heap: 100e6 + int64(i), evicted: 5, checkpoint: 1e6, thefts: 4, told: 4})
	}
	r.loaded(loadedAgain{entities: 7, kept: 7})
	return r
}

func TestTheVerdictSaysWhatIsWrong(t *testing.T) {
	require.NoError(t, sound().verdict())
	for name, c := range map[string]struct {
		spoil func(r *report)
		want  error
	}{
		"it grew by the last month":             {func(r *report) { r.months[5].heap = 111e6 }, errGrows},
		"it grew, and shrank in the last month": {func(r *report) { r.months[3].heap = 111e6 }, errGrows},
		"nothing was ever evicted":              {func(r *report) { r.months[5].evicted = 0 }, errRoom},
		"a checkpoint failed":                   {func(r *report) { r.months[5].checkpointFailures = 1 }, errFailures},
		"there is none":                         {func(r *report) { r.months[5].checkpoint = 0 }, errFailures},
		"half of the thefts are missed": {func(r *report) {
			for i := range 3 {
				r.months[3+i].told = 2
			}
		}, errBlind},
		"entities are missing after a restart": {func(r *report) { r.again.entities-- }, errLost},
		"it was only a month":                  {func(r *report) { r.months = r.months[:1] }, errShort},
	} {
		t.Run(name, func(t *testing.T) {
			r := sound()
			c.spoil(r)
			assert.ErrorIs(t, r.verdict(), c.want)
		})
	}
}

func TestAStorageThatFailsIsNoPass(t *testing.T) {
	p := weeks(t)
	p.length = day
	p.directory += "/is not there"
	_, err := run(t.Context(), p, io.Discard)
	require.ErrorIs(t, err, fs.ErrNotExist)
}
