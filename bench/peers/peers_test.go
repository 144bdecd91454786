package peers_test

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/peers"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/flow"
)

var monday = time.Date(2025, 3, 3, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// flat is the same to three ports and three regions every twenty minutes, for so many days.
func flat(days int) []flow.Flow {
	var flows []flow.Flow
	for at := monday; at.Before(monday.Add(time.Duration(days) * day)); at = at.Add(20 * time.Minute) {
		for i, port := range []uint16{443, 53, 22} {
			flows = append(flows, flow.Flow{
				Time: at.UnixNano(), Bytes: 600_000 + int64(port), Port: port, Host: fmt.Sprintf("ws-%d", i),
				Source: netip.MustParseAddr("10.0.0.1"), Place: flow.Place{Region: []string{"Hesse", "Virginia", "Leinster"}[i]},
			})
		}
	}
	return flows
}

// stealing is half a GB by one host to a port and a region, within twenty minutes.
func stealing(at time.Time, port uint16, region string) []flow.Flow {
	var flows []flow.Flow
	for i := range 20 {
		flows = append(flows, flow.Flow{
			Time: at.Add(time.Duration(i) * time.Minute).UnixNano(), Bytes: 25e6, Port: port, Host: "ws-7",
			Source: netip.MustParseAddr("10.0.0.7"), Place: flow.Place{Region: region},
		})
	}
	return flows
}

// with puts flows among others, in the order of time.
func with(flows, others []flow.Flow) []flow.Flow {
	var all []flow.Flow
	for len(flows) > 0 || len(others) > 0 {
		if len(others) == 0 || len(flows) > 0 && flows[0].Time <= others[0].Time {
			all, flows = append(all, flows[0]), flows[1:]
		} else {
			all, others = append(all, others[0]), others[1:]
		}
	}
	return all
}

func watch(m score.Method, flows []flow.Flow, days int) score.Method {
	for len(flows) > 0 {
		n := min(len(flows), 1000)
		m.Observe(flows[:n])
		flows = flows[n:]
	}
	m.Finish(monday.Add(time.Duration(days) * day))
	return m
}

// each runs a test for every method, untuned and tuned.
func each(t *testing.T, test func(t *testing.T, spec peers.Spec, m score.Method, threshold float64)) {
	for _, spec := range peers.All() {
		t.Run(spec.Name+"/default", func(t *testing.T) { test(t, spec, spec.Default(), spec.Threshold) })
		t.Run(spec.Name+"/tuned", func(t *testing.T) { test(t, spec, spec.Tuned(), spec.TunedThreshold) })
	}
}

func TestSpecsSayWhatTheyAre(t *testing.T) {
	names := map[string]bool{}
	for _, s := range peers.All() {
		assert.False(t, names[s.Name], s.Name)
		names[s.Name] = true
		assert.NotEmpty(t, s.Source)
		assert.NotEmpty(t, s.How)
		assert.NotEmpty(t, s.Default().Name())
		assert.NotEmpty(t, s.Tuned().Name())
		assert.Positive(t, s.Threshold)
		assert.Positive(t, s.TunedThreshold)
	}
	assert.Len(t, names, 11)
}

func TestABlatantTheftAfterTwoWeeksStandsOut(t *testing.T) {
	theft := monday.Add(14*day + 10*time.Hour)
	flows := with(uneven(15), stealing(theft, 4444, "Tashkent"))
	each(t, func(t *testing.T, _ peers.Spec, m score.Method, _ float64) {
		watch(m, flows, 15)
		thresholds := m.Thresholds()
		require.NotEmpty(t, thresholds)
		// Whoever scores windows by how odd they look gives several the same score; nobody's top is silent about the theft.
		found := map[flow.Field]score.Alarm{}
		for _, a := range m.Alarms(thresholds[min(len(thresholds)-1, 3)]) {
			if a.Value == "4444" || a.Value == "Tashkent" {
				found[a.Field] = a
			}
		}
		require.Len(t, found, 2, "by both rules")
		for _, a := range found {
			assert.Equal(t, "ws-7", a.Host)
			at := time.Unix(0, a.Time).UTC()
			assert.False(t, at.Before(theft), at)
			assert.False(t, at.After(theft.Add(day)), at)
			assert.LessOrEqual(t, a.Since, a.Time)
		}
	})
}

func TestAHundredfoldRiseOfABusyPortStandsOut(t *testing.T) {
	theft := monday.Add(14*day + 10*time.Hour)
	flows := with(uneven(15), stealing(theft, 443, "Hesse"))
	each(t, func(t *testing.T, spec peers.Spec, m score.Method, _ float64) {
		watch(m, flows, 15)
		named := map[string]bool{}
		if thresholds := m.Thresholds(); len(thresholds) > 0 {
			for _, a := range m.Alarms(thresholds[min(len(thresholds)-1, 3)]) {
				named[a.Value] = true
			}
		}
		if spec.Name == "first seen" {
			assert.Empty(t, named, "it knows nothing of what is not new")
			return
		}
		assert.True(t, named["443"] && named["Hesse"], named)
	})
}

func TestFlatTrafficRaisesNoAlarmAtTheThreshold(t *testing.T) {
	flows := flat(15)
	each(t, func(t *testing.T, spec peers.Spec, m score.Method, threshold float64) {
		watch(m, flows, 15)
		if spec.Name == "isolation forest" && spec.Threshold == threshold {
			assert.Empty(t, m.Alarms(0.75), "an hour of the day can be odd too")
			return
		}
		assert.Empty(t, m.Alarms(threshold))
	})
}

func TestNobodySpeaksInTheFirstWeek(t *testing.T) {
	flows := with(flat(6), stealing(monday.Add(3*day), 4444, "Tashkent"))
	each(t, func(t *testing.T, _ peers.Spec, m score.Method, _ float64) {
		assert.Empty(t, watch(m, flows, 6).Thresholds())
		assert.Empty(t, m.Alarms(math.Inf(-1)))
	})
}

// uneven is flat traffic whose bytes vary by a few parts in a hundred, as nothing real is all the same.
func uneven(days int) []flow.Flow {
	flows := flat(days)
	for i := range flows {
		flows[i].Bytes += int64(i * 7919 % 60_000)
	}
	return flows
}

// ragged is traffic of many sizes, from a seed of its own.
func ragged(days int) []flow.Flow {
	flows := flat(days)
	state := uint64(1)
	for i := range flows {
		state = state*6364136223846793005 + 1442695040888963407
		flows[i].Bytes = 1 + int64(math.Exp(float64(state>>40)/(1<<24)*18))
		flows[i].Port += uint16(state >> 33 % 7)
	}
	return flows
}

func TestAHigherThresholdTellsASubset(t *testing.T) {
	type window struct {
		field flow.Field
		value string
		since int64
	}
	flows := with(ragged(9), stealing(monday.Add(8*day), 4444, "Tashkent"))
	each(t, func(t *testing.T, spec peers.Spec, m score.Method, _ float64) {
		watch(m, flows, 9)
		thresholds := m.Thresholds()
		require.NotEmpty(t, thresholds)
		var before map[window]bool
		for i, threshold := range thresholds {
			require.False(t, math.IsNaN(threshold) || math.IsInf(threshold, 0))
			if i > 0 {
				require.Less(t, threshold, thresholds[i-1])
			}
			if i%97 != 0 && i > 10 {
				continue
			}
			now := map[window]bool{}
			last := int64(math.MinInt64)
			for _, a := range m.Alarms(threshold) {
				require.GreaterOrEqual(t, a.Score, threshold)
				require.GreaterOrEqual(t, a.Time, last, "in the order of time")
				last = a.Time
				w := window{a.Field, a.Value, a.Since}
				require.False(t, now[w], "once a window")
				now[w] = true
			}
			require.Greater(t, len(now), 0)
			for w := range before {
				require.True(t, now[w], w)
			}
			before = now
		}
		if spec.Name != "first seen" { // it has but the theft to speak of
			assert.False(t, score.AllEqual(m))
		}
	})
}

func TestTheSameFlowsGetTheSameAlarmsHoweverTheyAreCut(t *testing.T) {
	flows := with(ragged(9), stealing(monday.Add(8*day), 4444, "Tashkent"))
	for _, spec := range peers.All() {
		t.Run(spec.Name, func(t *testing.T) {
			whole := spec.Tuned()
			whole.Observe(flows)
			whole.Finish(monday.Add(9 * day))
			cut := watch(spec.Tuned(), flows, 9)
			lowest := math.Inf(-1)
			assert.Equal(t, fmt.Sprint(whole.Alarms(lowest)), fmt.Sprint(cut.Alarms(lowest)))
		})
	}
}

func TestASumThatCrossesSpeaksAtOnceAndAWindowAtItsEnd(t *testing.T) {
	theft := monday.Add(14*day + 10*time.Hour)
	flows := with(flat(15), stealing(theft, 4444, "Tashkent"))
	first := func(m score.Method, threshold float64) time.Time {
		alarms := watch(m, flows, 15).Alarms(threshold)
		require.NotEmpty(t, alarms)
		return time.Unix(0, alarms[0].Time).UTC()
	}
	// Four flows of 25 MB.
	assert.Equal(t, theft.Add(3*time.Minute), first(peers.FixedBytes{Span: time.Hour}.New(), 8e7))
	assert.Equal(t, theft.Add(3*time.Minute), first(peers.FirstSeen{Memory: 7 * day, Span: day}.New(), 8e7))
	assert.Equal(t, monday.Add(14*day+12*time.Hour), first(peers.Sigma{Span: 3 * time.Hour, Back: 7 * day, Floor: 1e8}.New(), 3))
}

func TestAnEntityIsNewAgainWhenItWasLongSilent(t *testing.T) {
	flows := with(flat(40), stealing(monday.Add(10*day), 4444, "Tashkent"))
	flows = with(flows, stealing(monday.Add(14*day), 4444, "Tashkent"))
	flows = with(flows, stealing(monday.Add(38*day), 4444, "Tashkent"))
	var days []int
	for _, a := range watch(peers.FirstSeen{Memory: 7 * day, Span: day}.New(), flows, 40).Alarms(1e8) {
		if a.Field == flow.DestinationPort {
			days = append(days, int(time.Unix(0, a.Time).Sub(monday)/day))
		}
	}
	assert.Equal(t, []int{10, 38}, days)
}

func TestOnlyTheLastOfRunningTotalsCounts(t *testing.T) {
	flows := flat(8)
	for i, bytes := range []int64{4e7, 8e7, 12e7} {
		flows = append(flows, flow.Flow{
			Time: monday.Add(8*day + time.Duration(i)*time.Minute).UnixNano(), Bytes: bytes, Port: 4444, Total: 9, Final: i == 2,
		})
	}
	m := watch(peers.FixedBytes{Span: time.Hour}.New(), flows, 9)
	alarms := m.Alarms(2e7)
	require.Len(t, alarms, 1)
	assert.InDelta(t, 1.12e8, alarms[0].Score, 1e6, "120 MB, rounded down")
	assert.Empty(t, alarms[0].Value == "", "a flow without a region has a port")
	assert.Empty(t, alarms[0].Host, "nobody is known to have sent it")
}

func TestTheTopHostIsNamedAmongHundreds(t *testing.T) {
	flows := ragged(8)
	at := monday.Add(8 * day)
	for i := range 300 {
		f := flow.Flow{Time: at.Add(time.Duration(i) * time.Second).UnixNano(), Bytes: 1000, Port: 4444, Source: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})}
		flows = append(flows, f)
		f.Source, f.Bytes = netip.MustParseAddr("10.9.9.9"), 1e6
		flows = append(flows, f)
	}
	alarms := watch(peers.Population{Span: 3 * time.Hour, HalfLife: 14 * day}.New(), flows, 9).Alarms(math.Inf(-1))
	for _, a := range alarms {
		if a.Value == "4444" {
			assert.Equal(t, "10.9.9.9", a.Host)
			assert.InDelta(t, a.Score, -math.Log10(a.Chance), 1e-6)
			return
		}
	}
	t.Fatal("no alarm about port 4444")
}

func TestNothingToWatchIsNothingToSay(t *testing.T) {
	each(t, func(t *testing.T, _ peers.Spec, m score.Method, _ float64) {
		m.Observe(nil)
		m.Observe([]flow.Flow{{Bytes: 0, Port: 1}, {Bytes: -1, Port: 1}})
		m.Finish(monday)
		assert.Empty(t, m.Thresholds())
		assert.Empty(t, m.Alarms(0))
	})
}

// BenchmarkAll is the cost of all methods together for one flow of an organisation, the building of tables included.
func BenchmarkAll(b *testing.B) {
	plan, err := traffic.Organisation(1, traffic.Options{Start: monday, Days: 15})
	require.NoError(b, err)
	records, err := plan.Flows()
	require.NoError(b, err)
	var flows []flow.Flow
	scope := flow.NewScope(nil)
	for l := range records {
		var f flow.Flow
		if scope.Resolve(&l.Record, &f) == flow.Leaves {
			flows = append(flows, f)
		}
	}
	n := 0
	for b.Loop() {
		n += len(flows)
		for _, s := range peers.All() {
			m := s.Tuned()
			m.Observe(flows)
			m.Finish(plan.End())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/flow")
}
