package observer

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
	"github.com/otel-exfil/exfil/internal/stream"
)

// heap is what is reachable, in bytes.
func heap() int64 {
	for range 3 { // pools let go of what they hold with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// taken measures what fill leaves behind.
func taken(fill func() any) int64 {
	before := heap()
	kept := fill()
	after := heap()
	runtime.KeepAlive(kept)
	return after - before
}

func assertWithin20Percent(t *testing.T, estimate, measured int64, of string) {
	t.Helper()
	t.Logf("%s: estimated %d kB, measured %d kB", of, estimate/1000, measured/1000)
	assert.InEpsilon(t, measured, estimate, 0.2, of)
}

// fillWindows makes n ports, regions and hosts, each with each, active in so many windows of an hour.
func fillWindows(d *detector.Detector, n, windows int) {
	for window := range windows {
		const batch = 1000
		at := monday.Add(time.Duration(window)*time.Hour + 10*time.Minute)
		for from := 0; from < n; from += batch {
			flows := make([]flow.Flow, min(batch, n-from))
			for i := range flows {
				k := from + i
				flows[i] = flow.Flow{
					Time: at.UnixNano(), Bytes: 200_000 + int64(k%7)*10_000,
					Source: netip.AddrFrom4([4]byte{10, 1, byte(k >> 8), byte(k)}), Destination: netip.AddrFrom4([4]byte{198, 51, 100, byte(k)}),
					Port: uint16(1 + k), Host: fmt.Sprintf("host-%07d", k), User: fmt.Sprintf("user-%05d", k), Process: fmt.Sprintf("proc-%05d", k),
					Place: flow.Place{Region: fmt.Sprintf("Region %05d", k), Country: "US"},
				}
			}
			d.Observe(flows, at.Add(time.Minute), nil)
		}
	}
}

func TestTheFootprintIsWhatIsTaken(t *testing.T) {
	if raceDetector {
		t.Skip("weeks in one goroutine")
	}
	for _, n := range []int{6_000, 20_000} {
		cfg := quick(func(cfg *config.Config) { cfg.MaxEntities = n })
		require.NoError(t, cfg.Validate())
		m, err := Footprint(cfg)
		require.NoError(t, err)
		measure := func(windows int) int64 {
			return taken(func() any {
				o, err := New(cfg, Settings{})
				require.NoError(t, err)
				fillWindows(o.tenants.rest.detector.Detector, n, windows)
				require.InEpsilon(t, 5*n, o.tenants.rest.detector.Stats().Keys, 0.01, "all keys are full")
				return o
			})
		}
		assertWithin20Percent(t, m.Entities+m.Windows, measure(3), fmt.Sprintf("%d entities in two windows", n))
		assertWithin20Percent(t, m.Entities+m.Windows+m.Seasons, measure(14), fmt.Sprintf("%d entities with rhythms", n))
	}
}

// After the warm-up, whoever is near the threshold of an entity is told apart: of 4096 entities, 32 kinds of flow each.
func TestTheFootprintOfContributors(t *testing.T) {
	if raceDetector {
		t.Skip("weeks in one goroutine")
	}
	const n = 1500 // in five keys
	cfg := quick(func(cfg *config.Config) { cfg.MaxEntities = n })
	m, err := Footprint(cfg)
	require.NoError(t, err)
	measured := taken(func() any {
		o, err := New(cfg, Settings{})
		require.NoError(t, err)
		fillWindows(o.tenants.rest.detector.Detector, n, 30)
		at := monday.Add(30*time.Hour + 10*time.Minute)
		for kind := range 40 {
			flows := make([]flow.Flow, n)
			for k := range flows {
				flows[k] = flow.Flow{
					Time: at.UnixNano(), Bytes: 100_000_000,
					Source: netip.AddrFrom4([4]byte{10, 1, byte(kind), byte(k)}), Destination: netip.AddrFrom4([4]byte{198, 51, 100, byte(k)}),
					Port: uint16(1 + k), Host: fmt.Sprintf("host-%07d", k), ID: flow.ID{Text: fmt.Sprintf("1:%026d=", kind)}, User: fmt.Sprintf("user-%05d", kind), Process: fmt.Sprintf("proc-%05d", kind),
					Place: flow.Place{Region: fmt.Sprintf("Region %05d", k), Country: "US"},
				}
			}
			o.tenants.rest.detector.Observe(flows, at, nil)
		}
		return o
	})
	assertWithin20Percent(t, m.Contributors, measured-m.Entities-m.Windows-m.Seasons, "contributors")
}

func TestTheFootprintOfCountersAndConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("fills two million counters")
	}
	m, err := Footprint(config.Default())
	require.NoError(t, err)
	assertWithin20Percent(t, m.Streams, taken(func() any {
		cfg := config.Default()
		s := stream.New(streamOptions(cfg, monday))
		for i := range uint64(stream.MaxStreams) {
			p := stream.Point{ID: i * 0x9E3779B97F4A7C15, Group: i % stream.MaxGroups, Start: monday.UnixNano() - 1, Time: monday.UnixNano(), Bytes: 1000, Cumulative: true}
			s.Advance(&p, monday)
			p.Cumulative = false
			s.Advance(&p, monday)
		}
		return s
	}), "counters")
	assertWithin20Percent(t, m.RunningTotals, taken(func() any {
		totals := newTotals(maxSeries)
		for i := range uint64(maxSeries) {
			totals.advance(&flow.Flow{Total: i*0x9E3779B97F4A7C15 | 1, Bytes: 1000, Time: int64(i)})
		}
		return totals
	}), "running totals")
}

// finding is one with as many contributors as there may be.
func finding(k int) detector.Finding {
	f := detector.Finding{
		Rule: "unusual_destination_port", Fields: []flow.Field{flow.DestinationPort}, Values: []string{fmt.Sprint(k)},
		Time: monday, WindowStart: monday, WindowEnd: monday.Add(time.Hour), Span: time.Hour, Score: 80, Actual: 1 << 30,
	}
	for _, field := range []flow.Field{
		flow.SourceAddress, flow.Host, flow.User, flow.Process, flow.DestinationAddress, flow.DestinationPort, flow.DestinationRegion,
	} {
		c := detector.Contribution{Field: field}
		for i := range detector.MaxContributors {
			c.Values = append(c.Values, strings.Clone(fmt.Sprintf("value %04d %02d", k, i)))
			c.Bytes = append(c.Bytes, 1<<30>>(2*i))
			c.FirstSeen = append(c.FirstSeen, monday)
		}
		f.Contributors = append(f.Contributors, c)
	}
	for i := range detector.MaxFlowIDs {
		f.FlowIDs = append(f.FlowIDs, strings.Clone(fmt.Sprintf("1:%026d%d=", k, i)))
	}
	return f
}

func TestTheFootprintOfAlerts(t *testing.T) {
	cfg := config.Default()
	cfg.Alerts.MaxPerInterval = gateEntities
	m, err := Footprint(cfg)
	require.NoError(t, err)
	rules, err := cfg.EnabledRules()
	require.NoError(t, err)
	assertWithin20Percent(t, m.Gate, taken(func() any {
		gate := NewGate(cfg, rules)
		for k := range gateEntities {
			require.Len(t, gate.Admit([]detector.Finding{finding(k)}, nil), 1)
		}
		return gate
	}), "gate")
	assertWithin20Percent(t, m.Pending, taken(func() any {
		p := new(pending)
		for k := range maxPending {
			f := finding(k)
			p.push(alert.Anomaly{Finding: f, UID: fmt.Sprintf("%032d", k)}, monday)
		}
		return p
	}), "pending")
}

func TestTheFootprintFollowsTheConfiguration(t *testing.T) {
	of := func(change func(cfg *config.Config)) Memory {
		cfg := config.Default()
		change(cfg)
		require.NoError(t, cfg.Validate())
		m, err := Footprint(cfg)
		require.NoError(t, err)
		return m
	}
	on := true
	usual := of(func(*config.Config) {})
	larger := of(func(cfg *config.Config) { cfg.MaxEntities *= 10 })
	assert.Greater(t, larger.Entities, 5*usual.Entities)
	assert.Less(t, larger.Entities, 15*usual.Entities)
	twice := of(func(cfg *config.Config) { cfg.Windows = []time.Duration{time.Hour, 3 * time.Hour} })
	assert.Equal(t, 2*usual.Entities, twice.Entities)
	assert.Equal(t, 2*usual.Windows, twice.Windows)
	assert.Equal(t, usual.Contributors, twice.Contributors, "tallies are shared")
	countries := of(func(cfg *config.Config) { cfg.Rules = map[string]rule.Override{"unusual_country": {Enabled: &on}} })
	addresses := of(func(cfg *config.Config) {
		cfg.Rules = map[string]rule.Override{"unusual_destination_ip": {Enabled: &on}}
	})
	assert.Less(t, countries.Seasons-usual.Seasons, int64(1_000_000), "there are few countries")
	assert.Greater(t, addresses.Seasons-usual.Seasons, int64(20_000_000))
	dry := of(func(cfg *config.Config) { cfg.Rules = map[string]rule.Override{"unusual_region": {DryRun: &on}} })
	assert.Greater(t, dry.Gate, usual.Gate, "rules in dry run are remembered apart")
	hashed := of(hashAll)
	assert.Greater(t, hashed.Contributors, usual.Contributors, "hashes are remembered")
	m := usual
	assert.Equal(t, m.Entities+m.Seasons+m.Windows+m.Contributors+m.Streams+m.RunningTotals+m.Gate+m.Pending, m.Total())

	_, err := Footprint(quick(func(cfg *config.Config) { cfg.Rules = map[string]rule.Override{"nonsense": {}} }))
	assert.Error(t, err)
}
