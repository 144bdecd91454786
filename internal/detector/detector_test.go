package detector

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func twoRules() Settings {
	hostPort := []flow.Field{flow.Host, flow.DestinationPort}
	hostRegion := []flow.Field{flow.Host, flow.DestinationRegion}
	portRegion := []flow.Field{flow.DestinationPort, flow.DestinationRegion}
	spans := []time.Duration{3 * time.Hour}
	return Settings{
		Watches: []Watch{
			{Rule: "port", By: []flow.Field{flow.DestinationPort}, Details: [][]flow.Field{hostPort, portRegion},
				Spans: spans, Threshold: 75, Budget: 1, MinBytes: 1 << 20, MaxEntities: 1000},
			{Rule: "region", By: []flow.Field{flow.DestinationRegion}, Details: [][]flow.Field{hostRegion, portRegion},
				Spans: spans, Threshold: 75, Budget: 1, MinBytes: 1 << 20, MaxEntities: 1000},
		},
		Lateness: 5 * time.Minute, MaxClockSkew: 5 * time.Minute, WarmUp: 7 * 24 * time.Hour,
	}
}

// office makes the flows of a small office: hosts that use a few ports and regions in working
// hours, with log-normal bytes, in time order.
func office(seed uint64, from time.Time, days int) []flow.Flow {
	r := rand.New(rand.NewPCG(seed, 7))
	ports := []uint16{443, 443, 443, 80, 22, 993, 25, 8443}
	regions := []string{"California", "Virginia", "Hesse", "Ireland", "Tokyo"}
	var flows []flow.Flow
	for t := from; t.Before(from.AddDate(0, 0, days)); t = t.Add(3 * time.Minute) {
		weekend := t.Weekday() == time.Saturday || t.Weekday() == time.Sunday
		busy := 0.2
		if h := t.Hour(); h >= 8 && h < 18 && !weekend {
			busy = 1
		}
		for host := range 12 {
			if r.Float64() > busy*0.4 {
				continue
			}
			port := ports[(host+r.IntN(4))%len(ports)]
			flows = append(flows, flow.Flow{
				Time:        t.Add(time.Duration(r.IntN(180)) * time.Second).UnixNano(),
				Bytes:       int64(20e3 * (1 + 10*r.ExpFloat64()*r.ExpFloat64())),
				Source:      netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + host)}),
				Destination: netip.AddrFrom4([4]byte{198, 51, 100, byte(r.IntN(200))}),
				Port:        port,
				Host:        "ws-" + string(rune('a'+host)),
				Place:       flow.Place{Region: regions[(host*3+r.IntN(3))%len(regions)], Country: "US"},
			})
		}
	}
	sortByTime(flows)
	return flows
}

func sortByTime(flows []flow.Flow) {
	slices.SortStableFunc(flows, func(a, b flow.Flow) int { return cmp.Compare(a.Time, b.Time) })
}

// run feeds flows in batches of size, the clock being far ahead as in a replay.
func run(t testing.TB, d *Detector, flows []flow.Flow, size int) []Finding {
	t.Helper()
	var found []Finding
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for len(flows) > 0 {
		n := min(size, len(flows))
		found = d.Observe(flows[:n], now, found)
		flows = flows[n:]
	}
	return found
}

func newDetector(t testing.TB, s Settings) *Detector {
	t.Helper()
	d, err := New(s)
	require.NoError(t, err)
	return d
}

func TestOfficeIsQuiet(t *testing.T) {
	d := newDetector(t, twoRules())
	found := run(t, d, office(1, monday, 28), 500)
	for _, f := range found {
		t.Log(f.Time, f.Rule, f.Values, f.DetailValues, f.Score, f.Actual, f.Upper, f.Typical, f.Why)
	}
	assert.LessOrEqual(t, len(found), 6, "three weeks at a budget of one a week and rule")
}

func TestTheftToANewPortIsFoundByTheRecordThatCrosses(t *testing.T) {
	flows := office(2, monday, 24)
	theftAt := monday.AddDate(0, 0, 22).Add(13 * time.Hour)
	for i := range 60 { // 300 MB in an hour
		flows = append(flows, flow.Flow{
			Time: theftAt.Add(time.Duration(i) * time.Minute).UnixNano(), Bytes: 5e6,
			Source:      netip.MustParseAddr("10.0.0.12"),
			Destination: netip.MustParseAddr("203.0.113.9"),
			Port:        4444, Host: "ws-c", Place: flow.Place{Region: "California", Country: "US"},
		})
	}
	sortByTime(flows)
	d := newDetector(t, twoRules())
	var found []Finding
	for _, f := range run(t, d, flows, 333) {
		t.Log(f.Time, f.Rule, f.Values, f.DetailValues, f.Phase, f.Score, f.Actual, f.Upper, f.Typical, f.Why)
		if f.Values[0] == "4444" && len(f.DetailFields) == 0 && f.Phase == Crossing {
			found = append(found, f)
		}
	}
	require.Len(t, found, 1)
	f := found[0]
	assert.Less(t, f.Time.Sub(theftAt), 20*time.Minute)
	assert.True(t, f.FirstSeen)
	assert.GreaterOrEqual(t, f.Score, 75.0)
	for _, c := range f.Contributors {
		if c.Field == flow.Host {
			assert.Equal(t, []string{"ws-c"}, c.Values)
		}
	}
}

func TestShufflingWithinLatenessChangesNothing(t *testing.T) {
	for name, flows := range map[string][]flow.Flow{
		"an office": office(3, monday, 16), "one host's new port": ramp(200e3, 3, "ws-b"), "two hosts'": ramp(200e3, 3, "ws-a", "ws-b"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shufflingChangesNothing(t, flows)
		})
	}
}

func shufflingChangesNothing(t *testing.T, flows []flow.Flow) {
	straight := newDetector(t, twoRules())
	want := run(t, straight, flows, 100)

	r := rand.New(rand.NewPCG(5, 5))
	type late struct {
		flow.Flow
		at int64
	}
	// Each record arrives up to the allowed lateness after its time.
	shuffled := make([]late, len(flows))
	for i, f := range flows {
		shuffled[i] = late{f, f.Time + r.Int64N(int64(5*time.Minute))}
	}
	for i := 1; i < len(shuffled); i++ {
		for j := i; j > 0 && shuffled[j].at < shuffled[j-1].at; j-- {
			shuffled[j], shuffled[j-1] = shuffled[j-1], shuffled[j]
		}
	}
	for i := range shuffled {
		flows[i] = shuffled[i].Flow
	}
	d := newDetector(t, twoRules())
	got := run(t, d, flows, 37)
	assert.Equal(t, straight.Fingerprint(), d.Fingerprint())
	assert.Equal(t, verdicts(want), verdicts(got))
	assert.Zero(t, d.Stats().Late)
}

// verdicts names the windows that alerted.
func verdicts(found []Finding) map[string]bool {
	set := make(map[string]bool)
	for _, f := range found {
		if f.Phase == Crossing {
			key := f.Rule + f.WindowStart.String()
			for _, v := range append(f.Values, f.DetailValues...) {
				key += "/" + v
			}
			set[key] = true
		}
	}
	return set
}
