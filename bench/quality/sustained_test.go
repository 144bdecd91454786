package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/flow"
)

// nervous is a method that alarms about everything at every noon.
type nervous struct {
	days   map[int64]bool
	alarms []score.Alarm
}

func (n *nervous) Name() string { return "nervous" }

func (n *nervous) Observe(batch []flow.Flow) {
	for i := range batch {
		f := &batch[i]
		if today := f.Time / int64(day); f.Time%int64(day) >= int64(12*time.Hour) && !n.days[today] {
			n.days[today] = true
			n.alarms = append(n.alarms, score.Alarm{Time: f.Time, Field: flow.DestinationPort, Value: "443", Score: 1})
		}
	}
}

func (n *nervous) Finish(time.Time)             {}
func (n *nervous) Alarms(float64) []score.Alarm { return n.alarms }
func (n *nervous) Thresholds() []float64        { return []float64{1} }

// decoded reads a series of a text.
func decoded(t *testing.T, text string) traffic.Series {
	t.Helper()
	s, err := traffic.DecodeSeries(strings.NewReader(text))
	require.NoError(t, err)
	return s
}

func TestWhatGoesOnForDaysIsFoundBeyondChance(t *testing.T) {
	real, err := traffic.ReadSeries(series(t))
	require.NoError(t, err)
	ctx := context.Background()
	const low = 45
	contestants := []contestant{everyoneOnBackground([]float64{engine.DefaultThreshold, low})[0], {
		name: "nervous", threshold: 1, new: func() (score.Method, error) { return &nervous{days: map[int64]bool{}}, nil },
	}}
	alone, err := watchAlone(ctx, &real, contestants)
	require.NoError(t, err)
	all, err := onSustained(ctx, 2, 3, &real, contestants, alone)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for _, s := range all {
		set, nothing := s.entries[0].At(low), s.chance[0].At(low)
		assert.Equal(t, "3 of 3", foundOf(&set), s.usual)
		assert.Equal(t, "1 of 3", foundOf(&nothing), s.usual)
		set, nothing = s.entries[1].At(1), s.chance[1].At(1)
		assert.Equal(t, "3 of 3", foundOf(&set), "who alarms each day alarms in any three days")
		assert.Equal(t, "3 of 3", foundOf(&nothing), "and would if nothing were stolen")
	}
	var b bytes.Buffer
	sustainedReport(&b, &real, all)
	text := b.String()
	assert.Contains(t, text, "### 3× the median\n\nIn three hours, that is ")
	assert.Contains(t, text, "| **exfil** | 1 of 3 | 0 of 3 | 0.00 | 4.5 h | 3 of 3 | 1 of 3 | 30 min |")
	assert.Contains(t, text, "| nervous | 3 of 3 | 3 of 3 | ")
	assert.Contains(t, text, "| 45 | 3 of 3 | 1 of 3 | ")
	assert.NotContains(t, text, "The series has one key")
}

func TestWhatCannotGoOnIsSaid(t *testing.T) {
	report := func(s *traffic.Series, runs int) string {
		all, err := onSustained(context.Background(), 1, runs, s, nil, nil)
		require.NoError(t, err)
		var b bytes.Buffer
		sustainedReport(&b, s, all)
		return b.String()
	}
	idle := "time,only\n"
	for i := range 9 * 8 {
		idle += fmt.Sprintf("%d,0\n", start().Add(time.Duration(i)*3*time.Hour).Unix())
	}
	real := decoded(t, idle)
	text := report(&real, 2)
	assert.Contains(t, text, "The series has one key.")
	assert.Contains(t, text, "The median is less than a byte.")
	assert.Contains(t, text, "The mean is less than a byte.")
	assert.Contains(t, report(&real, 0), "None was tried")
	short := decoded(t, "time,only\n1772409600,1\n1772413200,1\n")
	assert.Contains(t, report(&short, 2), "None was tried")
	assert.Equal(t, 1, theftsInto(&short))
	assert.Equal(t, "5 B to 3.0 MB", (&sustained{least: 5, most: 3e6}).sizes())
	assert.Equal(t, "3.0 MB", (&sustained{least: 3e6, most: 3_000_001}).sizes())
}

func TestAlarmsAboutTheSeriesItselfAreListed(t *testing.T) {
	var b bytes.Buffer
	ownAlarmsReport(&b, 75, nil)
	assert.Equal(t, "At 75, nothing being hidden in the series, the product raises 0 alarms from day 5 on.\n\n", b.String())
	ownAlarmsReport(&b, 45, []score.Alarm{{Time: start().UnixNano(), Field: flow.DestinationPort, Value: "443"}})
	assert.Contains(t, b.String(), "| 2026-03-02 00:00:00 | destination.port | 443 |")
}
