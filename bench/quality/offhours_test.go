package main

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/baseline"
)

const (
	archivePort   = 9443
	archiveRegion = "Hesse"
)

// archive is a group that sends hundreds of megabytes in each three working hours to an archive, and
// only signs of life at any other time.
func archive() traffic.Group {
	var office traffic.Rhythm
	for hour := 8; hour < 18; hour++ {
		office.Weekday[hour] = 2.4 // so that a weekday's mean is 1
	}
	service := traffic.Service{Name: "archive", Port: archivePort, Process: "archiver"}
	return traffic.Group{
		Name: "scan", Hosts: 20, Prefix: netip.MustParsePrefix("10.30.1.0/24"), People: true, Spread: 0.3,
		Habits: []traffic.Habit{
			{Service: service, PerDay: 12, Rhythm: office, Regions: []string{archiveRegion}, Sent: traffic.Size{Median: 8e6, Sigma: 0.5}},
			{Service: service, PerDay: 24, Rhythm: traffic.AroundTheClock(), Regions: []string{archiveRegion}, Sent: traffic.Size{Median: 2e3, Sigma: 0.5}},
		},
	}
}

// offHours is a plan with thefts to the archive, at night and at weekends, by those who use it all day. Each is
// a fraction of what the archive gets in any three working hours, so that only the hour gives it away. Nothing
// else goes on: among the rare, large uploads of a whole office, the calibrated tails are too wide
// for the hour to show at the default threshold.
func offHours(seed uint64) traffic.Plan {
	plan := traffic.SmallOffice(seed, start(), contestDays)
	plan.Groups, plan.Probes = []traffic.Group{archive()}, 0
	for i := range 10 {
		// From the fourth week on, every other day: late in the evening, or at noon of a Saturday or Sunday.
		at := plan.Start.Add(3*week + time.Duration(2*i)*day + 22*time.Hour)
		if at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
			at = at.Add(-10 * time.Hour)
		}
		plan.Thefts = append(plan.Thefts, traffic.Theft{
			Name: fmt.Sprintf("theft %d", i), Kind: "off hours", Start: at, Duration: time.Hour, Bytes: 100e6, Flows: 10,
			Host: fmt.Sprintf("scan-%02d", i+1), Process: "archiver", Port: archivePort, Region: archiveRegion, Shape: traffic.Steady,
		})
	}
	return plan
}

func TestWithoutSeasonsTheGateStaysClosed(t *testing.T) {
	if raceEnabled || testing.Short() {
		t.Skip("plays six weeks of an archive's users")
	}
	played, err := playedPlan(offHours(heldOut(1)[0]))
	require.NoError(t, err)
	entries, err := contest(context.Background(), 1, []named{{"off hours", played}}, []contestant{
		product(engine.DefaultThreshold),
		without("no seasonality", engine.Without{Ablation: baseline.Ablation{NoSeason: true}}, engine.DefaultThreshold),
	})
	require.NoError(t, err)
	for i := range entries {
		set := entries[i].At(engine.DefaultThreshold)
		t.Logf("%s finds %.2f with %.1f false alarms a week", entries[i].title(), set.Recall(score.All).Mean, set.FalseAlarms().Mean)
	}
	whole, broken := &entries[0], &entries[1]
	assert.Empty(t, misses(whole, leastOffHours, "thefts off hours"))
	assert.Contains(t, misses(broken, leastOffHours, "thefts off hours"), "of thefts off hours 0.000 are found at 75, below 0.9")
	for _, theft := range whole.Curves[0].Trial.Thefts {
		assert.Less(t, theft.Multiple, 0.5, "by day, nobody could see %s", theft.Name)
	}
}
