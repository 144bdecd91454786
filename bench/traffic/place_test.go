package traffic_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/traffic"
)

func catalogue(t testing.TB) []traffic.Kind {
	t.Helper()
	kinds, err := traffic.Catalogue()
	require.NoError(t, err)
	return kinds
}

func TestTheCatalogueHoldsEveryKindOfTheft(t *testing.T) {
	names, sizes := map[string]int{}, []int64{}
	targets := map[string]map[[2]traffic.Rarity]bool{}
	for _, k := range catalogue(t) {
		names[k.Name]++
		sizes = append(sizes, k.Bytes)
		if targets[k.Name] == nil {
			targets[k.Name] = map[[2]traffic.Rarity]bool{}
		}
		targets[k.Name][[2]traffic.Rarity{k.Port, k.Region}] = true
	}
	for _, name := range []string{
		"burst", "plateau", "low_and_slow", "trickle_over_weeks", "stepwise_ramp", "working_hours_only", "weekend", "night", "several_hosts",
		"on_record_webdav", "on_record_twice_a_week", "on_record_rclone", "on_record_within_hours",
	} {
		assert.Positive(t, names[name], name)
	}
	assert.Len(t, targets["plateau"], 16, "unused, rare, quiet and busy ports, to such regions")
	assert.Equal(t, int64(500e9), slices.Max(sizes))
	assert.Contains(t, sizes, int64(1e6))
}

func TestACatalogueThatCannotBeReadSaysWhere(t *testing.T) {
	valid := "{kind: k, shape: burst, ports: [unused], regions: [busy], sizes: [3x, 2 MB], durations: [1s, 2s], hosts: [1, 2]}"
	kinds, err := traffic.ParseCatalogue([]byte("[" + valid + "]"))
	require.NoError(t, err)
	assert.Len(t, kinds, 8)
	assert.Equal(t, traffic.Kind{
		Name: "k", Shape: traffic.Burst, Port: traffic.Unused, Region: traffic.Busy, Bytes: 2e6, Duration: 2 * time.Second, Hosts: 2,
	}, kinds[7])

	for _, c := range []struct{ from, to, says string }{
		{"kind: k", "kind: ''", "no kind"},
		{"burst", "round", `shape "round"`},
		{"ports: [unused]", "port: 0", "either ports"},
		{"ports: [unused]", "ports: [odd]", "odd"},
		{"[busy]", "[odd]", "odd"},
		{"[busy]", "[]", "at least one value"},
		{"3x", "3 yards", "3 yards"},
		{"3x", "-3x", "-3x"},
		{"3x", "1e300x", "1e300x"},
		{"1s", "-1s", "-1s"},
		{"[1, 2]", "[0]", "hosts [0]"},
		{"kind: k", "kind: k, flows: -1", "flows is -1"},
		{"kind: k", "kind: k, days: [Someday]", "Someday"},
		{"kind: k", "kind: k, colour: red", "colour"},
	} {
		text := strings.Replace(valid, c.from, c.to, 1)
		_, err := traffic.ParseCatalogue([]byte("[" + valid + ", " + text + "]"))
		require.ErrorIs(t, err, traffic.ErrCatalogue, text)
		assert.ErrorContains(t, err, c.says)
	}
}

func TestAProfileSaysWhatIsUsedHowMuch(t *testing.T) {
	p := organisation(t, 1, traffic.Options{Days: 14, Hosts: 20})
	p.Thefts = []traffic.Theft{{
		Name: "not seen", Start: monday, Duration: time.Hour, Bytes: 1e12, Host: "ws-01", Port: 4445, Region: "Tashkent", Shape: traffic.Steady,
	}}
	profile, err := traffic.Measure(p)
	require.NoError(t, err)
	assert.Equal(t, 14*8, profile.Windows)
	assert.Equal(t, traffic.Busy, profile.Ports[443].Rarity)
	assert.Equal(t, traffic.Quiet, profile.Ports[123].Rarity, "often, but next to nothing")
	assert.Equal(t, traffic.Busy, profile.Regions["Hesse"].Rarity)
	assert.NotContains(t, profile.Regions, "Tashkent")
	assert.NotContains(t, profile.Ports, uint16(4445))
	assert.Contains(t, profile.Hosts, "ws-01")

	// By hand: the second largest of 112 windows is the 99th percentile by nearest rank.
	windows := map[uint16][]int64{443: make([]int64, profile.Windows), 3478: make([]int64, profile.Windows), 990: make([]int64, profile.Windows)}
	p.Thefts = nil
	for _, l := range play(t, p) {
		if sums := windows[l.DestinationPort]; sums != nil {
			bytes, _ := left(l)
			sums[(l.Time-monday.UnixNano())/int64(3*time.Hour)] += bytes
		}
	}
	for port, sums := range windows {
		slices.Sort(sums)
		assert.InDelta(t, float64(sums[110]), profile.Ports[port].P99, 0, "port %d", port)
		used := profile.Windows - slices.IndexFunc(sums, func(b int64) bool { return b > 0 })
		assert.Equal(t, used, profile.Ports[port].Windows, "port %d", port)
	}
	require.Less(t, profile.Ports[3478].Windows, profile.Windows, "nights without calls count too")
	assert.InDelta(t, 5e6, profile.Yardstick(4445, "Hesse"), 0, "nothing is too little to measure by")
	assert.InDelta(t, profile.Regions["Hesse"].P99, profile.Yardstick(443, "Hesse"), profile.Ports[443].P99-profile.Regions["Hesse"].P99)

	p.Days = 0
	_, err = traffic.Measure(p)
	assert.ErrorIs(t, err, traffic.ErrPlan)
}

func TestThievesTakeWhatTheCatalogueSays(t *testing.T) {
	const n = 35
	p := organisation(t, 1, traffic.Options{Days: 32, Hosts: 20})
	from := monday.AddDate(0, 0, 1)
	profile, err := traffic.Measure(p)
	require.NoError(t, err)
	p, thefts, err := profile.Place(p, catalogue(t), from, p.End(), n, 1)
	require.NoError(t, err)
	assert.Equal(t, thefts, p.Thefts)

	stolen, kinds := map[string]int64{}, map[string]int{}
	first := map[string]int64{}
	for _, l := range play(t, p) {
		if l.Theft == "" {
			continue
		}
		stolen[l.Theft] += l.Sent
		if first[l.Theft] == 0 {
			first[l.Theft] = l.Time
		}
	}
	expected, parts := map[string]int64{}, map[string]int{}
	for _, theft := range thefts {
		expected[theft.Label] += theft.Bytes
		if parts[theft.Label]++; parts[theft.Label] == 1 {
			kinds[theft.Kind]++
		}
		assert.False(t, theft.Start.Before(from))
		assert.False(t, theft.End().After(p.End()))
		assert.GreaterOrEqual(t, first[theft.Label], theft.Start.UnixNano())
		assert.Positive(t, theft.Multiple)
		_, used := profile.Ports[theft.Port]
		assert.Equal(t, theft.PortUse == traffic.Unused, !used)
		windows := max(1, math.Round(theft.Duration.Hours()/3))
		switch theft.Kind {
		case "plateau", "low_and_slow", "on_record_rclone", "on_record_within_hours":
			assert.InEpsilon(t, theft.Multiple*windows*profile.Yardstick(theft.Port, theft.Region), float64(theft.Bytes), 1e-6, theft.Label)
		case "burst", "handful":
			assert.InEpsilon(t, theft.Multiple*profile.Yardstick(theft.Port, theft.Region), float64(theft.Bytes), 1e-6, theft.Label)
		}
	}
	assert.Equal(t, expected, stolen)
	assert.Len(t, expected, n)
	for kind, count := range kinds {
		assert.InDelta(t, float64(n)/float64(len(kinds)), count, 1, kind)
	}
	for label, count := range parts {
		assert.Equal(t, strings.HasPrefix(label, "several_hosts"), count > 1, label)
	}

	_, again, err := profile.Place(organisation(t, 1, traffic.Options{Days: 32, Hosts: 20}), catalogue(t), from, p.End(), n, 1)
	require.NoError(t, err)
	assert.Equal(t, thefts, again)
	_, other, err := profile.Place(organisation(t, 1, traffic.Options{Days: 32, Hosts: 20}), catalogue(t), from, p.End(), n, 2)
	require.NoError(t, err)
	assert.NotEqual(t, thefts, other)
}

func TestAMultipleIsTakenInEachWindow(t *testing.T) {
	p := organisation(t, 1, traffic.Options{Days: 14, Hosts: 20})
	profile, err := traffic.Measure(p)
	require.NoError(t, err)
	for shape, windows := range map[traffic.Shape]float64{
		traffic.Burst: 1, traffic.Steady: 56, traffic.Office: 17, traffic.Night: 16, traffic.Weekend: 16, traffic.Trickle: 5,
	} {
		kind := traffic.Kind{Name: "k", Shape: shape, Port: traffic.Busy, Region: traffic.Busy, Multiple: 2, Duration: 7 * 24 * time.Hour, Hosts: 1}
		_, thefts, err := profile.Place(p, []traffic.Kind{kind}, p.Start, p.Start.AddDate(0, 0, 7), 1, 1)
		require.NoError(t, err)
		want := 2 * windows * profile.Yardstick(thefts[0].Port, thefts[0].Region)
		assert.InEpsilon(t, want, float64(thefts[0].Bytes), 1e-6, "%s: %d bytes", shape, thefts[0].Bytes)
	}
}

func TestThievesKeepApartFromEachOther(t *testing.T) {
	p := organisation(t, 1, traffic.Options{Days: 14, Hosts: 20})
	var kinds []traffic.Kind
	for _, k := range catalogue(t) {
		if k.Name == "burst" && k.Port == traffic.Unused && k.Region == traffic.Unused {
			kinds = append(kinds, k)
		}
	}
	_, thefts, err := traffic.Place(p, kinds, p.Start, p.End(), 10, 1)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, theft := range thefts {
		assert.False(t, seen[theft.Region], "a second theft to %s would not be to an unused region", theft.Region)
		seen[theft.Region] = true
	}
}

func TestTooManyTheftsOrNoneThatFitAreRefused(t *testing.T) {
	p := organisation(t, 1, traffic.Options{Days: 7, Hosts: 20})
	_, _, err := traffic.Place(p, catalogue(t), p.Start, p.End(), 9, 1)
	require.ErrorIs(t, err, traffic.ErrPlan)
	assert.ErrorContains(t, err, "8 a week at most")

	slow := slices.DeleteFunc(catalogue(t), func(k traffic.Kind) bool { return k.Duration < 10*24*time.Hour })
	_, _, err = traffic.Place(p, slow, p.Start, p.End(), 1, 1)
	require.ErrorIs(t, err, traffic.ErrPlan)
	assert.ErrorContains(t, err, "no kind of theft fits")

	weekend := slices.DeleteFunc(catalogue(t), func(k traffic.Kind) bool { return k.Shape != traffic.Weekend })
	_, _, err = traffic.Place(p, weekend, p.Start, p.Start.AddDate(0, 0, 3), 1, 1)
	require.ErrorIs(t, err, traffic.ErrPlan)
	assert.ErrorContains(t, err, "finds no fitting hour")

	p.Days = 0
	_, _, err = traffic.Place(p, catalogue(t), p.Start, p.Start.AddDate(0, 0, 7), 1, 1)
	assert.ErrorIs(t, err, traffic.ErrPlan)
}

func TestATheftKeepsToItsHours(t *testing.T) {
	for _, c := range []struct {
		shape traffic.Shape
		suits func(at time.Time) bool
	}{
		{traffic.Night, func(at time.Time) bool { return at.Hour() >= 22 || at.Hour() < 5 }},
		{traffic.Weekend, func(at time.Time) bool { return at.Weekday() == time.Saturday || at.Weekday() == time.Sunday }},
		{traffic.Trickle, func(at time.Time) bool {
			return (at.Weekday() == time.Tuesday || at.Weekday() == time.Thursday) && at.Hour() >= 8 && at.Hour() < 18
		}},
	} {
		t.Run(string(c.shape), func(t *testing.T) {
			theft := upload("theft")
			theft.Shape, theft.Start, theft.Duration, theft.Flows = c.shape, monday.Add(time.Minute), 13*24*time.Hour, 400
			theft.Days = []time.Weekday{time.Tuesday, time.Thursday}
			theft.Label = "the label"
			p := traffic.Plan{
				Start: monday, Days: 14, Regions: []traffic.Region{{Weight: 1}}, Thefts: []traffic.Theft{theft},
				Groups: traffic.SmallOffice(1, monday, 1).Groups[4:5], // one that stays silent below
			}
			p.Groups = []traffic.Group{{Name: "ws", Hosts: 7, Prefix: p.Groups[0].Prefix}}
			p.Regions[0].Region = theft.Region
			hours := map[string]map[int]bool{}
			for _, l := range play(t, p) {
				require.Equal(t, "the label", l.Theft)
				at := time.Unix(0, l.Time).UTC()
				require.True(t, c.suits(at), at)
				day := at.Format(time.DateOnly)
				if hours[day] == nil {
					hours[day] = map[int]bool{}
				}
				hours[day][at.Hour()] = true
			}
			if c.shape == traffic.Trickle {
				assert.Len(t, hours, 4)
				for day, h := range hours {
					assert.Len(t, h, 1, "one hour of %s", day)
				}
				assert.NotEqual(t, hours["2025-01-07"], hours["2025-01-09"])
			}
		})
	}
}

func TestStepsDouble(t *testing.T) {
	theft := upload("steps")
	theft.Shape, theft.Flows, theft.Duration = traffic.Steps, 1000, 20*time.Hour
	p := traffic.SmallOffice(1, monday, 2)
	p.Groups = p.Groups[:1]
	p.Groups[0].Habits, p.Groups[0].Jobs = nil, nil
	p.Thefts = []traffic.Theft{theft}
	var fifths [5]float64
	for _, l := range play(t, p) {
		fifths[int(time.Unix(0, l.Time).Sub(theft.Start)/(4*time.Hour))] += float64(l.Sent)
	}
	for i := range 4 {
		assert.InDelta(t, 2, fifths[i+1]/fifths[i], 0.25, fmt.Sprint(fifths))
	}
}
