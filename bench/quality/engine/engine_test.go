package engine_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

var monday = time.Date(2026, 4, 6, 0, 0, 0, 0, time.UTC)

// watch lets an engine, without some of its parts, watch ten days of an office from which two gigabytes are stolen on the ninth.
func watch(t *testing.T, less engine.Without) *engine.Engine {
	t.Helper()
	plan := traffic.SmallOffice(1, monday, 10)
	plan.Thefts = []traffic.Theft{{
		Name: "theft", Start: monday.Add(8*24*time.Hour + 14*time.Hour), Duration: time.Hour, Bytes: 2e9,
		Host: "ws-07", Process: "rclone", Port: 4444, Region: "Tashkent", Shape: traffic.Steady,
	}}
	e, err := engine.NewWithout("exfil", config.Default(), less, 90, 75)
	require.NoError(t, err)
	records, err := plan.Flows()
	require.NoError(t, err)
	var batch []flow.Flow
	for l := range records {
		var f flow.Flow
		if flow.NewScope(nil).Resolve(&l.Record, &f) != flow.Leaves {
			continue
		}
		if batch = append(batch, f); len(batch) == 500 {
			e.Observe(batch)
			batch = batch[:0]
		}
	}
	e.Observe(batch)
	e.Finish(plan.End())
	return e
}

func TestTheEngineAlarmsAsAUserWouldSee(t *testing.T) {
	e := watch(t, engine.Without{})
	assert.Equal(t, "exfil", e.Name())
	assert.Equal(t, []float64{90, 75}, e.Thresholds())

	var port, region []score.Alarm
	for _, a := range e.Alarms(engine.DefaultThreshold) {
		assert.Equal(t, 75.0, a.Score)
		switch {
		case a.Field == flow.DestinationPort && a.Value == "4444":
			port = append(port, a)
		case a.Field == flow.DestinationRegion && a.Value == "Tashkent":
			region = append(region, a)
		}
	}
	require.Len(t, port, 1, "an update is no second alarm, and the gate holds repeats back")
	require.Len(t, region, 1)
	begin := monday.Add(8*24*time.Hour + 14*time.Hour)
	assert.Equal(t, "ws-07", port[0].Host)
	assert.Equal(t, begin.Truncate(3*time.Hour).UnixNano(), port[0].Since)
	assert.Less(t, time.Duration(port[0].Time-begin.UnixNano()), 10*time.Minute)
	assert.Positive(t, port[0].Chance)

	assert.LessOrEqual(t, len(e.Alarms(90)), len(e.Alarms(75)))
	assert.Equal(t, e.Alarms(90), e.Alarms(80), "between two thresholds holds the higher one")
	assert.Nil(t, e.Alarms(91))

	broken := engine.Constant{Method: e}
	assert.True(t, score.AllEqual(broken))
	assert.Equal(t, "exfil, all scores equal", broken.Name())
	assert.Len(t, broken.Alarms(50), len(e.Alarms(75)))
	for _, a := range broken.Alarms(0) {
		assert.Equal(t, 50.0, a.Score)
	}
	assert.Empty(t, broken.Alarms(51))
}

// about returns the reasons of the alarms about a value, and the times at which they came.
func about(e *engine.Engine, value string) (reasons []engine.Reason, times []time.Time) {
	for i, a := range e.Alarms(75) {
		if a.Value == value {
			reasons, times = append(reasons, e.Reasons(75)[i]), append(times, time.Unix(0, a.Time).UTC())
		}
	}
	return reasons, times
}

func TestEveryAlarmHasItsReason(t *testing.T) {
	e := watch(t, engine.Without{})
	for _, threshold := range []float64{90, 80, 75} {
		assert.Len(t, e.Reasons(threshold), len(e.Alarms(threshold)))
	}
	assert.Nil(t, e.Reasons(91))
	reasons, _ := about(e, "4444")
	require.Len(t, reasons, 1)
	assert.True(t, reasons[0].FirstSeen)
	assert.Zero(t, reasons[0].Windows)
}

func TestPartsCanBeLeftOut(t *testing.T) {
	// What is stolen shows in no finer key if there is none, and only when the window closes if judging waits for that.
	coarse := watch(t, engine.Without{NoDetails: true})
	require.NotEmpty(t, coarse.Reasons(75))
	for _, r := range coarse.Reasons(75) {
		assert.Empty(t, r.Detail)
	}
	late := watch(t, engine.Without{Ablation: baseline.Ablation{JudgesAtTheEnd: true}})
	_, times := about(late, "4444")
	require.Len(t, times, 1)
	assert.Equal(t, monday.Add(8*24*time.Hour+15*time.Hour), times[0])
}

func TestWhatIsHeldIsTold(t *testing.T) {
	whole, coarse := watch(t, engine.Without{}), watch(t, engine.Without{NoDetails: true})
	assert.Greater(t, coarse.Entities(75), 2, "ports and regions")
	assert.Greater(t, whole.Entities(75), 2*coarse.Entities(75), "and pairs of them and of hosts")
	assert.Zero(t, whole.Entities(91), "no detector has a threshold as high")
}

func TestThresholdsDescendAndHoldTheDefault(t *testing.T) {
	last := math.Inf(1)
	for _, threshold := range engine.Thresholds() {
		assert.Less(t, threshold, last)
		last = threshold
	}
	assert.Contains(t, engine.Thresholds(), float64(engine.DefaultThreshold))
	rules, err := config.Default().EnabledRules()
	require.NoError(t, err)
	for _, r := range rules {
		assert.InDelta(t, engine.DefaultThreshold, r.Threshold, 0, r.ID)
	}
}

func TestAScoreOf75StandsForTheBudget(t *testing.T) {
	assert.InDelta(t, 1, engine.Stated(75), 1e-9)
	assert.InDelta(t, 10, engine.Stated(50), 1e-9)
	assert.InDelta(t, 0.01, engine.Stated(87.5), 1e-9)
}

func TestAnEngineThatCannotBeMadeSaysWhy(t *testing.T) {
	_, err := engine.New("exfil", config.Default(), 101)
	require.ErrorIs(t, err, detector.ErrSettings)
	cfg := config.Default()
	cfg.Rules = map[string]rule.Override{"no_such_rule": {}}
	_, err = engine.New("exfil", cfg, 75)
	require.ErrorIs(t, err, rule.ErrUnknownRule)
}
