package alert

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

func newGate(change func(*GateOptions)) *Gate {
	o := GateOptions{
		Interval: 15 * time.Minute, MaxPerInterval: 100,
		Policy: policy(24 * time.Hour),
	}
	if change != nil {
		change(&o)
	}
	return NewGate(o)
}

// policy is one for all rules, by the usual groups.
func policy(silence time.Duration) func(string) Policy {
	return func(string) Policy {
		return Policy{SuppressFor: silence, Grouping: rule.Grouping{Entity: true, Source: true}}
	}
}

// at is a finding on an entity, so many windows after the first, ten minutes into it.
func at(window int, entity string, score float64) detector.Finding {
	f := portFinding()
	f.Values, f.Score = []string{entity}, score
	f.WindowStart = windowStart.Add(time.Duration(window) * threeHours)
	f.WindowEnd = f.WindowStart.Add(threeHours)
	f.Time = f.WindowStart.Add(10 * time.Minute)
	return f
}

func closing(f detector.Finding, score float64) detector.Finding {
	f.Phase, f.Score, f.Time = detector.Closing, score, f.WindowEnd
	return f
}

func admit(g *Gate, findings ...detector.Finding) []Anomaly {
	var anomalies []Anomaly
	for _, a := range g.Admit(findings, nil) {
		if anomaly, ok := a.(Anomaly); ok {
			anomalies = append(anomalies, anomaly)
		}
	}
	return anomalies
}

func TestAnEntityAlertsOnceADay(t *testing.T) {
	g := newGate(nil)
	first := admit(g, at(0, "4444", 80))
	require.Len(t, first, 1)
	assert.Zero(t, first[0].Suppressed)
	assert.Empty(t, first[0].UpdateOf)

	assert.Empty(t, admit(g, at(1, "4444", 80)))
	assert.Empty(t, admit(g, at(2, "4444", 89), at(2, "4444", 76)), "two keys found it")
	assert.Len(t, admit(g, at(2, "8080", 76)), 1, "another entity is another matter")

	other := at(2, "4444", 76)
	other.Rule = "unusual_region"
	assert.Len(t, admit(g, other), 1, "and so is another rule")

	later := admit(g, at(8, "4444", 76))
	require.Len(t, later, 1, "a day has passed")
	assert.Equal(t, 2, later[0].Suppressed)
	assert.NotEqual(t, first[0].UID, later[0].UID)

	again := admit(g, at(16, "4444", 76))
	require.Len(t, again, 1)
	assert.Zero(t, again[0].Suppressed, "counted since the last alert")
	assert.Equal(t, GateStats{Alerted: 5, Suppressed: 2}, g.Stats())
}

func TestMuchWorseInAnotherWindowIsNews(t *testing.T) {
	g := newGate(nil)
	require.Len(t, admit(g, at(0, "4444", 78)), 1)
	assert.Empty(t, admit(g, at(1, "4444", 87.9)))
	worse := admit(g, at(2, "4444", 88))
	require.Len(t, worse, 1)
	assert.Empty(t, worse[0].UpdateOf)
	assert.Equal(t, 1, worse[0].Suppressed)
	assert.Empty(t, admit(g, at(3, "4444", 97.9)), "ten points above the last that was told, not above the first")
}

func TestAnotherMachinesTheftIsNewsAtOnce(t *testing.T) {
	by := func(window int, host string) detector.Finding {
		f := at(window, "443", 80)
		f.Actual = 100
		f.Contributors = []detector.Contribution{{Field: flow.Host, Values: []string{host}, Bytes: []int64{60}}}
		return f
	}
	g := newGate(nil)
	require.Len(t, admit(g, by(0, "ws-1")), 1)
	assert.Empty(t, admit(g, by(1, "ws-1")))
	nobody := by(1, "")
	nobody.Contributors = nil
	assert.Empty(t, admit(g, nobody), "nobody sent most of it")
	assert.Len(t, admit(g, by(2, "ws-2")), 1)
	assert.Empty(t, admit(g, by(3, "ws-1"), by(4, "ws-2")), "both are known now")
	for i := range 20 {
		admit(g, by(3, "flood-"+strconv.Itoa(i)))
	}
	assert.Len(t, admit(g, by(12, "ws-1")), 1, "a day after the last")
}

func TestAWindowIsToldOfOnceAndUpdatedOnce(t *testing.T) {
	g := newGate(nil)
	f := at(0, "4444", 78)
	first := admit(g, f)
	require.Len(t, first, 1)

	worse := f
	worse.Score = 99
	assert.Empty(t, admit(g, worse), "while the window is open there is no second alert, however bad")
	assert.Empty(t, admit(g, closing(f, 87.9)), "nor at its close, if little was added")

	update := admit(g, closing(f, 88))
	require.Len(t, update, 1)
	assert.Equal(t, first[0].UID, update[0].UpdateOf)
	assert.NotEqual(t, first[0].UID, update[0].UID)
	assert.Zero(t, update[0].Suppressed, "what is news of a window that was told of is in its update")
	assert.Empty(t, admit(g, closing(f, 100)), "one update")
	assert.Empty(t, admit(g, at(1, "4444", 97.9)), "the update is the last that was told")
	assert.Len(t, admit(g, at(1, "4444", 98)), 1)
}

func TestTheCloseOfAWindowThatNobodyHeardOfIsAnAlert(t *testing.T) {
	g := newGate(nil)
	alerts := admit(g, closing(at(0, "4444", 0), 90))
	require.Len(t, alerts, 1)
	assert.Empty(t, alerts[0].UpdateOf)
}

func TestWindowsOfSeveralSpansAreToldApart(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.Policy = policy(0) })
	short, long := at(0, "4444", 80), at(0, "4444", 80)
	long.Span, long.WindowEnd = 24*time.Hour, long.WindowStart.Add(24*time.Hour)
	alerts := admit(g, short, long, short, long, at(1, "4444", 80))
	require.Len(t, alerts, 3)
	uids := map[string]bool{}
	for _, a := range alerts {
		uids[a.UID] = true
	}
	assert.Len(t, uids, 3)
	update := admit(g, closing(short, 95))
	require.Len(t, update, 1)
	assert.Equal(t, alerts[0].UID, update[0].UpdateOf, "though later windows were told of since")
}

func TestWithoutSuppressionEveryWindowAlertsOnce(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.Policy = policy(0) })
	for window := range 10 {
		f := at(window, "4444", 80)
		assert.Len(t, admit(g, f, f), 1, "window %d", window)
	}
}

func TestWhatExceedsTheCapIsReportedWhenTheIntervalEnds(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 3 })
	var findings []detector.Finding
	for port := range 30 {
		findings = append(findings, at(0, strconv.Itoa(1000+port), 80))
	}
	region := regionFinding()
	region.Time = findings[0].Time
	again := findings[5]
	again.WindowStart = again.WindowStart.Add(-threeHours)
	findings = append(findings, region, findings[6], again)
	out := g.Admit(findings, nil)
	require.Len(t, out, 3)

	assert.Empty(t, g.Tick(windowStart.Add(14*time.Minute+59*time.Second), nil), "the interval goes on")
	out = g.Tick(windowStart.Add(15*time.Minute), nil)
	require.Len(t, out, 1)
	o := out[0].(Overflow)
	assert.Equal(t, windowStart, o.Start)
	assert.Equal(t, windowStart.Add(15*time.Minute), o.End)
	assert.Equal(t, 3, o.MaxPerInterval)
	assert.Equal(t, 29, o.Alerts)
	assert.Equal(t, []OverflowRule{{"unusual_destination_port", 28}, {"unusual_region", 1}}, o.Rules)
	require.Len(t, o.Entities, OverflowEntities)
	assert.Equal(t, []string{"1003"}, o.Entities[0].Values)
	assert.Equal(t, 2, o.Entities[2].Alerts, "port 1005 came in two windows")
	assert.Equal(t, 1, o.Entities[3].Alerts, "port 1006 was found by two keys in one window")
	assert.Equal(t, 8, o.Others)
	assert.EqualValues(t, 29, g.Stats().Overflowed)

	assert.Empty(t, g.Tick(windowStart.Add(time.Hour), nil), "once")
	late := at(0, "1010", 80)
	late.Time = windowStart.Add(20 * time.Minute)
	assert.Len(t, admit(g, late), 1, "what was held back by the cap may alert when it is found again")
}

// Given a flood of small alerts that fills the interval and the list, then the theft behind it is named all the same, first of all.
func TestTheWorstOfWhatIsHeldBackIsNamed(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 })
	for port := range 100 {
		f := at(0, strconv.Itoa(1000+port), 80)
		f.Actual = 1_000_000
		admit(g, f)
	}
	theft := at(0, "4444", 97)
	theft.Actual = 5_000_000_000
	assert.Empty(t, admit(g, theft))
	theft.Actual, theft.Score = 6_000_000_000, 98.5
	assert.Empty(t, admit(g, theft), "another key finds the same window")
	o := g.Tick(windowStart.Add(15*time.Minute), nil)[0].(Overflow)
	require.Len(t, o.Entities, OverflowEntities)
	assert.Equal(t, []string{"4444"}, o.Entities[0].Values)
	assert.Equal(t, 98.5, o.Entities[0].Score)
	assert.Equal(t, 1, o.Entities[0].Alerts)
	assert.Equal(t, []string{"1001"}, o.Entities[1].Values, "of the same score the first")
	assert.Equal(t, 100, o.Alerts)
	assert.Equal(t, 80, o.Others)
	assert.EqualValues(t, 6_099_000_000, o.Bytes)
	assert.Equal(t, 98.5, o.Score)
}

// A window of an entity that is not named counts once, too, however many keys find it.
func TestWhatIsNotNamedCountsOnce(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 })
	for range 3 {
		for port := range 50 {
			admit(g, at(0, strconv.Itoa(port), 80))
		}
	}
	o := g.Tick(windowStart.Add(15*time.Minute), nil)[0].(Overflow)
	assert.Equal(t, 49, o.Alerts)
	assert.Equal(t, 49-OverflowEntities, o.Others)
}

// Given more windows than are told apart, all are counted, and no more is kept of them.
func TestAnOverflowIsBounded(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 })
	for port := range 2 * maxOverflowWindows {
		admit(g, at(0, strconv.Itoa(port), 80))
	}
	assert.Len(t, g.live.overflow.seen, maxOverflowWindows)
	assert.Equal(t, 2*maxOverflowWindows-1, g.live.overflow.alerts)
	g = reopened(t, g, func(o *GateOptions) { o.MaxPerInterval = 1 })
	admit(g, at(0, "5", 80))
	assert.Equal(t, 2*maxOverflowWindows-1, g.live.overflow.alerts, "what was told apart before the restart")
}

func TestTheNextIntervalsFirstFindingBringsTheOverflowBeforeIt(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 })
	known := admit(g, at(-8, "2", 80))
	require.Len(t, known, 1)
	out := g.Admit([]detector.Finding{at(0, "1", 80), at(0, "2", 80), at(1, "2", 80)}, nil)
	require.Len(t, out, 3)
	assert.IsType(t, Anomaly{}, out[0])
	assert.IsType(t, Overflow{}, out[1])
	require.IsType(t, Anomaly{}, out[2])
	assert.Equal(t, 1, out[2].(Anomaly).Suppressed, "what the cap held back counts as held back")
}

func TestAFindingThatComesLateBelongsToTheOpenInterval(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 })
	assert.Len(t, admit(g, at(1, "1", 80)), 1)
	assert.Empty(t, admit(g, at(0, "2", 80)))
	assert.EqualValues(t, 1, g.Stats().Overflowed)
}

func TestTheGateForgets(t *testing.T) {
	g := newGate(nil)
	admit(g, at(0, "old", 80))
	admit(g, at(8, "young", 80))
	admit(g, at(0, "again", 80))
	admit(g, at(9, "again", 80))
	g.Tick(windowStart.Add(rememberFor+time.Hour), nil)
	assert.Equal(t, 2, g.live.entities.len())
	assert.Equal(t, 2, g.live.groups.len())
	g.Tick(windowStart.Add(rememberFor+26*time.Hour), nil)
	assert.Equal(t, 1, g.live.entities.len(), "the last alert counts, not the first")
	assert.Equal(t, 1, g.live.groups.len())
}

func TestAFloodOfEntitiesIsBounded(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 << 20 })
	for i := range maxRemembered + 10 {
		require.Len(t, admit(g, at(0, strconv.Itoa(i), 80)), 1)
	}
	assert.Equal(t, maxRemembered, g.live.entities.len())
	assert.Equal(t, maxRemembered, g.live.groups.len())
	assert.Empty(t, admit(g, at(1, strconv.Itoa(maxRemembered), 80)), "the latest are remembered")
	assert.Len(t, admit(g, at(1, "3", 80)), 1, "the oldest are not")
}

func TestOneEntitysWindowsAreBounded(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.Policy = policy(0) })
	for window := range 20 {
		admit(g, at(window, "4444", 80))
	}
	e, _ := g.live.entities.oldest()
	assert.Len(t, e.told, maxTold)
}

func TestAGateOfNoOptionsHasLimitsAllTheSame(t *testing.T) {
	g := NewGate(GateOptions{})
	for i := range 101 {
		admit(g, at(0, strconv.Itoa(i), 80))
	}
	assert.Equal(t, GateStats{Alerted: 100, Overflowed: 1}, g.Stats())
	assert.Len(t, g.Tick(windowStart.Add(15*time.Minute), nil), 1)
}

func TestTheUIDIsTheSameForTheSameAndOnlyForThat(t *testing.T) {
	f := at(0, "4444", 80)
	base := findingUID(&f, stateNew)
	assert.Len(t, base, 32)

	same := f
	same.Score, same.Actual, same.Time, same.DetailFields = 99, 7, now, regionFinding().DetailFields
	assert.Equal(t, base, findingUID(&same, stateNew), "whatever the verdict and whenever it fell")

	for name, change := range map[string]func(*detector.Finding){
		"rule":   func(f *detector.Finding) { f.Rule = "other" },
		"value":  func(f *detector.Finding) { f.Values = []string{"4445"} },
		"field":  func(f *detector.Finding) { f.Fields = regionFinding().Fields },
		"window": func(f *detector.Finding) { f.WindowStart = f.WindowStart.Add(threeHours) },
		"span":   func(f *detector.Finding) { f.Span = time.Hour },
	} {
		other := f
		change(&other)
		assert.NotEqual(t, base, findingUID(&other, stateNew), name)
	}
	assert.NotEqual(t, base, findingUID(&f, stateUpdate))
	assert.NotEqual(t, uid("a", "bc"), uid("ab", "c"))
}
