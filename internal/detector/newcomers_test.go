package detector

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
)

// ramp is traffic of the given hosts to a port that nobody used before: in every window twice as much every
// three days, beginning with start bytes a window in all, a week after three of ordinary traffic.
func ramp(start int64, days int, hosts ...string) []flow.Flow {
	flows := office(12, monday, 21+days)
	begin := monday.AddDate(0, 0, 21)
	for w := range 8 * days {
		bytes := start << (w / 24) / int64(len(hosts))
		for _, host := range hosts {
			flows = append(flows, within(begin.Add(time.Duration(w)*3*time.Hour), 3*time.Hour, 12, host, 9100, "Hesse", bytes)...)
		}
	}
	sortByTime(flows)
	return flows
}

func findsPort(t *testing.T, s Settings, flows []flow.Flow, port string) bool {
	t.Helper()
	return slices.ContainsFunc(run(t, newDetector(t, s), flows, 250), func(f Finding) bool {
		return f.Fields[0] == flow.DestinationPort && f.Values[0] == port && len(f.DetailFields) == 0
	})
}

func TestARampOfOneSenderDoesNotBecomeUsualBeforeItAlerts(t *testing.T) {
	t.Parallel()
	s := twoRules()
	assert.True(t, findsPort(t, s, ramp(200e3, 12, "ws-b"), "9100"))

	s.Ablation = baseline.Ablation{NoProbation: true}
	assert.False(t, findsPort(t, s, ramp(200e3, 12, "ws-b"), "9100"), "without probation it has taught its own baseline")
}

func TestAServiceThatSeveralHostsTakeUpIsLearned(t *testing.T) {
	t.Parallel()
	assert.False(t, findsPort(t, twoRules(), ramp(200e3, 12, "ws-a", "ws-b", "ws-c"), "9100"))
}

func TestProbationEnds(t *testing.T) {
	t.Parallel()
	// Four weeks of one sender below the floor, then as much as a ramp alerts with on its ninth day.
	flows := office(12, monday, 52)
	begin := monday.AddDate(0, 0, 21)
	for w := range 8 * 28 {
		flows = append(flows, within(begin.Add(time.Duration(w)*3*time.Hour), 3*time.Hour, 12, "ws-b", 9100, "Hesse", 300e3+int64(w*37%7)*90e3)...)
	}
	flows = append(flows, within(begin.AddDate(0, 0, 28), 3*time.Hour, 12, "ws-b", 9100, "Hesse", 1200e3)...)
	sortByTime(flows)
	assert.False(t, findsPort(t, twoRules(), flows, "9100"), "what has gone on for weeks is usual, however it began")
}

func TestAPairOfTwoNewHalvesIsLessProbableThanOneOfBusyHalves(t *testing.T) {
	t.Parallel()
	s := twoRules()
	for i := range s.Watches {
		s.Watches[i].Threshold = 1
	}
	d := newDetector(t, s)
	run(t, d, office(10, monday, 22), 250)
	at := monday.AddDate(0, 0, 22).Add(13 * time.Hour)
	silence := func(port uint16, region string) float64 {
		var pair *Finding
		for _, f := range d.Observe([]flow.Flow{one(at, "ws-b", port, region, 3e9)}, farAhead, nil) {
			if slices.Equal(f.DetailFields, []flow.Field{flow.DestinationPort, flow.DestinationRegion}) {
				pair = &f
			}
		}
		require.NotNil(t, pair, "%d × %s", port, region)
		return pair.Why.Silence
	}
	both, half := silence(5555, "Jilin"), silence(6666, "Hesse")
	assert.Greater(t, both, half+1)
}

func TestWhatIsLeftOutIsMissed(t *testing.T) {
	t.Parallel()
	flows := office(10, monday, 24)
	theftAt := monday.AddDate(0, 0, 22).Add(12 * time.Hour)
	flows = append(flows, within(theftAt, time.Hour, 20, "ws-b", 4444, "Hesse", 300e6)...)
	sortByTime(flows)
	first := func(a baseline.Ablation) (time.Time, float64) {
		s := twoRules()
		s.Ablation = a
		for _, f := range run(t, newDetector(t, s), flows, 250) {
			if f.Values[0] == "4444" {
				return f.Time, f.Score
			}
		}
		return time.Time{}, 0
	}
	whole, _ := first(baseline.Ablation{})
	assert.WithinRange(t, whole, theftAt, theftAt.Add(10*time.Minute))
	atEnd, score := first(baseline.Ablation{JudgesAtTheEnd: true})
	assert.Equal(t, theftAt.Add(3*time.Hour), atEnd, "only when the window closes")
	_, learned := first(baseline.Ablation{LearnsFirst: true})
	assert.NotEqual(t, score, learned, "its own bytes are part of what is usual")
	for name, a := range map[string]baseline.Ablation{
		"activity": {NoActivity: true}, "peers": {NoPeers: true}, "tail": {StudentOnly: true},
	} {
		a.JudgesAtTheEnd = true
		_, without := first(a)
		assert.NotEqual(t, score, without, name)
	}
}
