package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
)

// judged is the verdict at a threshold, on thefts of which some are found.
func judged(threshold float64, found ...bool) score.Point {
	p := score.Point{Threshold: threshold}
	for _, f := range found {
		p.Detections = append(p.Detections, score.Detection{Found: f})
	}
	return p
}

// blind is a measurement in which 75 finds the first of four thefts, lower thresholds and a higher one the second, a
// higher one the third, and none the last.
func blind() *measurement {
	trial := &score.Trial{Name: "seed 101", To: int64(week), Thefts: []score.Truth{
		{Name: "found", Kind: "burst"},
		{Name: "small", Kind: "night", Bytes: 3e6, Last: int64(6 * time.Hour), Multiple: 0.4},
		{Name: "odd", Kind: "night", Bytes: 2e6, Last: int64(time.Hour), Multiple: 0.2},
		{Name: "hidden", Kind: "low_and_slow", Bytes: 210e6, Last: int64(week), Multiple: 1.5},
	}}
	curve := score.Curve{Trial: trial, Points: []score.Point{
		judged(90, true, true, true, false), judged(75, true, false, false, false),
		judged(60, true, true, false, false), judged(45, true, true, false, false),
	}}
	e := entry{
		contestant: product(engine.DefaultThreshold), Result: score.NewResult([]score.Curve{curve}),
		thefts: [][]traffic.Theft{{{Name: "part 1", Label: "small", PortUse: traffic.Quiet, RegionUse: traffic.Busy}}},
		wrong: []wrongAlarm{
			{1, engine.Reason{Detail: []flow.Field{flow.Host, flow.DestinationRegion}, FirstSeen: true}},
			{0, engine.Reason{Windows: young - 1}},
			{0, engine.Reason{Windows: young}},
			{0, engine.Reason{Windows: young + 1}},
		},
	}
	return &measurement{heldOut: []entry{e}}
}

func TestWhatIsMissedIsToldWithItsMarks(t *testing.T) {
	var b bytes.Buffer
	blind().blindSpots(&b)
	text := b.String()
	assert.Contains(t, text, "Of the 4 held-out thefts, 3 are missed at 75.")
	assert.Contains(t, text, `| low and slow | 101 | 210 MB | 1.50 | 7.0 d | – | – | never |
| night | 101 | 2.0 MB | 0.20 | 60 min | – | – | 90 |
| night | 101 | 3.0 MB | 0.40 | 6.0 h | quiet | busy | 60 |
`)
	assert.Contains(t, text, "The 4 false alarms at 75")
	assert.Contains(t, text, `| destination.port | its own | 0 | 1 | 2 |
| destination.geo.region_name | host.name × destination.geo.region_name | 1 | 0 | 0 |
| all | | 1 | 1 | 2 |
`)
}

// TestFalseAlarmsAreThoseThatTheTrialCounts plays an office whose theft nobody has told the trial of.
func TestFalseAlarmsAreThoseThatTheTrialCounts(t *testing.T) {
	plan := traffic.SmallOffice(1, start(), 12)
	plan.Thefts = []traffic.Theft{{
		Name: "theft", Start: start().Add(9*day + 14*time.Hour), Duration: time.Hour, Bytes: 2e9,
		Host: "ws-07", Process: "rclone", Port: 4444, Region: "Tashkent", Shape: traffic.Steady,
	}}
	e, err := engine.New(productName, config.Default(), engine.DefaultThreshold)
	require.NoError(t, err)
	trial, err := play(context.Background(), "office", plan, e)
	require.NoError(t, err)
	known := wrongAlarms(e, trial, engine.DefaultThreshold)

	trial.Thefts = nil
	all := wrongAlarms(e, trial, engine.DefaultThreshold)
	verdict := trial.Judge(e.Alarms(engine.DefaultThreshold))
	assert.Len(t, all, verdict.FalseAlarms())
	assert.Len(t, all, len(known)+2, "of the port and of the region")
	byRule, firstSeen := [2]int{}, 0
	for _, w := range all {
		byRule[w.rule]++
		if w.FirstSeen {
			firstSeen++
		}
	}
	assert.Equal(t, verdict.False, byRule)
	assert.GreaterOrEqual(t, firstSeen, 2, "nobody sent anything to either before")
}

func TestWhatAPartCostsIsTheDifferenceToTheWhole(t *testing.T) {
	m := blind()
	m.ablation = []entry{m.heldOut[0], m.heldOut[0]}
	worse := score.Curve{Trial: m.heldOut[0].Curves[0].Trial, Points: []score.Point{judged(75, true, false, false, false)}}
	m.ablation[1].Result, m.ablation[1].name = score.NewResult([]score.Curve{worse}), "half of it"
	var b bytes.Buffer
	m.parts(&b)
	assert.Contains(t, b.String(), "| exfil | 0.750 | – | 0.250 | 0.00 |")
	assert.Contains(t, b.String(), "| half of it | 0.250 | +0.500 | 0.250 | 0.00 |")
}

func TestEveryPartIsLeftOutOnce(t *testing.T) {
	seen := map[engine.Without]bool{}
	for i, p := range engineParts() {
		assert.Equal(t, i == 0, p.less == engine.Without{}, "%s", p.name)
		assert.False(t, seen[p.less], "%s is there twice", p.name)
		assert.False(t, p.less.LearnsFirst, "that is a fault and no part")
		seen[p.less] = true
	}
	assert.Contains(t, ablationThresholds(), float64(engine.DefaultThreshold))
}
