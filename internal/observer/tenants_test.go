package observer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// tenantKey names the tenant of a resource.
const tenantKey = "tenant.id"

func byResource(cfg *config.Config) {
	cfg.PartitionBy = &config.PartitionBy{ResourceAttribute: tenantKey}
}

// of returns records whose resources name a tenant, or none where that is "".
func (b *bench) of(tenant string, records ...flow.Record) plog.Logs {
	b.t.Helper()
	ld := b.logs(records...)
	for _, rl := range ld.ResourceLogs().All() {
		if tenant != "" {
			rl.Resource().Attributes().PutStr(tenantKey, tenant)
		}
	}
	return ld
}

// hear delivers a tenant's records.
func (b *bench) hear(tenant string, records ...flow.Record) {
	b.t.Helper()
	b.Commit(b.Decode(b.of(tenant, records...)))
}

// live lets n days of ordinary traffic of tenants flow, as days does; every hour each of them sends what habit returns, too.
func (b *bench) live(n int, habit func(tenant string) []flow.Record, tenants ...string) {
	b.t.Helper()
	for range 24 * n {
		for _, tenant := range tenants {
			var records []flow.Record
			for i, port := range []uint16{443, 443, 443, 80, 22, 993, 8443, 123} {
				records = append(records, outbound(b.now.Add(time.Duration(i)*time.Second), port, 200_000+int64(b.now.Hour()*1000)))
			}
			if habit != nil {
				records = append(records, habit(tenant)...)
			}
			b.hear(tenant, records...)
		}
		b.now = b.now.Add(time.Hour)
	}
	b.now = b.now.Add(10 * time.Minute)
}

// collected are the deliveries of alerts, by the tenant that their records name.
func (b *bench) collected() map[string]plog.Logs {
	b.t.Helper()
	all := map[string]plog.Logs{}
	_, err := b.DeliverAlerts(context.Background(), func(_ context.Context, ld plog.Logs) error {
		require.Equal(b.t, 1, ld.ResourceLogs().Len(), "a tenant's alerts have a resource of their own")
		name := ""
		for i, lr := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
			v, ok := lr.Attributes().Get("exfil.tenant")
			require.True(b.t, ok, lr.EventName())
			require.True(b.t, i == 0 || v.Str() == name, "and are of nobody else")
			name = v.Str()
		}
		all[name] = ld
		return nil
	})
	require.NoError(b.t, err)
	return all
}

// entities are what the anomalies of a delivery are about.
func entitiesOf(ld plog.Logs) (found []string) {
	for _, rl := range ld.ResourceLogs().All() {
		for _, lr := range rl.ScopeLogs().At(0).LogRecords().All() {
			if v, ok := lr.Attributes().Get("exfil.entity.value"); ok {
				found = append(found, v.Str())
			}
		}
	}
	return found
}

// tenant is the one of a name, which there must be.
func (b *bench) tenant(name string) *tenant {
	b.t.Helper()
	for _, t := range b.tenants.list() {
		if t.name() == name {
			return t
		}
	}
	require.Fail(b.t, "no such tenant", name)
	return nil
}

// Given two tenants, of whom one sends much to port 4444 every hour, when both do, then it is a theft for the other only.
func TestWhatIsNormalForOneTenantIsATheftForAnother(t *testing.T) {
	b := newBench(t, byResource)
	copies := func(tenant string) []flow.Record {
		if tenant != "blue" {
			return nil
		}
		return []flow.Record{outbound(b.now.Add(time.Minute), 4444, 800_000_000)}
	}
	b.live(3, copies, "blue", "red")
	b.Tick()
	for name, ld := range b.collected() {
		require.Empty(t, entitiesOf(ld), name)
	}
	b.hear("blue", outbound(b.now, 4444, 800_000_000))
	b.hear("red", outbound(b.now, 4444, 800_000_000))
	told := b.collected()
	assert.NotContains(t, told, "blue")
	assert.Contains(t, entitiesOf(told["red"]), "4444")
	assert.EqualValues(t, 2, b.Stats().Tenants)
	assert.Zero(t, b.Pending())
}

// Given two tenants who are robbed alike at the same moment, then each has an alert of its own, which says whose it is.
func TestAlertsSayWhoseTheyAre(t *testing.T) {
	for _, schema := range []string{"otel", "ecs"} {
		b := newBench(t, func(cfg *config.Config) {
			byResource(cfg)
			cfg.Alerts.Schema = schema
		})
		b.live(2, nil, "blue", "red", "")
		for _, tenant := range []string{"blue", "red", ""} {
			b.hear(tenant, outbound(b.now, 4444, 800_000_000))
		}
		told := b.collected()
		require.Len(t, told, 3)
		seen := map[string]string{}
		for name, ld := range told {
			v, ok := ld.ResourceLogs().At(0).Resource().Attributes().Get(tenantKey)
			assert.Equal(t, name != "", ok, "where records name nobody, neither do alerts")
			if ok {
				assert.Equal(t, name, v.Str())
			}
			assert.Contains(t, entitiesOf(ld), "4444")
			key := map[string]string{"otel": "log.record.uid", "ecs": "event.id"}[schema]
			for _, lr := range ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().All() {
				uid, ok := lr.Attributes().Get(key)
				require.True(t, ok)
				require.NotContains(t, seen, uid.Str(), "%s of %q is also of %q", lr.EventName(), name, seen[uid.Str()])
				seen[uid.Str()] = name
			}
		}
	}
}

// Given a delivery that mixes tenants, and one after the other, then both are the same.
func TestADeliveryMayBeOfSeveralTenants(t *testing.T) {
	mixed, apart := newBench(t, byResource), newBench(t, byResource)
	for i := range 40 {
		ld := plog.NewLogs()
		for j, tenant := range []string{"red", "blue", "red", "", "blue"} {
			r := outbound(mixed.now.Add(time.Duration(i)*time.Minute), uint16(443+j), int64(1000*(1+i+j)))
			mixed.of(tenant, r).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
			apart.hear(tenant, r)
		}
		mixed.Commit(mixed.Decode(ld))
	}
	for _, name := range []string{"", "red", "blue"} {
		assert.Equal(t, apart.tenant(name).detector.Fingerprint(), mixed.tenant(name).detector.Fingerprint(), name)
	}
	assert.NotEqual(t, mixed.tenant("red").detector.Fingerprint(), mixed.tenant("blue").detector.Fingerprint())
	assert.Equal(t, apart.Stats(), mixed.Stats())
}

// Beyond max_tenants, those who come share one, which is watched as any other; that is counted, and said once.
func TestTenantsWithoutRoomShareOne(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) {
		byResource(cfg)
		cfg.MaxTenants = 2
	})
	b.live(2, nil, "red", "blue", "green", "", "yellow")
	b.Tick()
	b.hear("yellow", outbound(b.now, 4444, 800_000_000))
	told := b.collected()
	assert.ElementsMatch(t, []string{"", "red", "blue", "_overflow"}, slices.Collect(maps.Keys(told)))
	assert.Contains(t, entitiesOf(told["_overflow"]), "4444")
	_, named := told["_overflow"].ResourceLogs().At(0).Resource().Attributes().Get(tenantKey)
	assert.False(t, named, "it is nobody's name")
	stats := b.Stats()
	assert.EqualValues(t, 2, stats.Tenants)
	assert.EqualValues(t, 48*8*2+1, stats.OverflowTenants)
	assert.Equal(t, 1, b.log.FilterMessageSnippet("more tenants than max_tenants").Len())
}

// Nobody can pass himself off as those without room, or name himself what no file and no terminal can show.
func TestNamesOfTenantsCanBeShown(t *testing.T) {
	b := newBench(t, byResource)
	long := strings.Repeat("x", 4000)
	for _, name := range []string{"_overflow", "a\nb", "\xff", long, long + "y"} {
		b.hear(name, outbound(b.now, 443, 1000))
	}
	assert.EqualValues(t, 5, b.Stats().Tenants)
	assert.Zero(t, b.Stats().OverflowTenants)
	for _, tenant := range b.tenants.list()[2:] {
		assert.LessOrEqual(t, len(tenant.name()), flow.MaxNameLength)
		assert.Equal(t, tenant.name(), flow.Name(tenant.name()))
	}
}

// A value of another type names a tenant as it is written.
func TestTenantsMayBeNumbered(t *testing.T) {
	b := newBench(t, byResource)
	ld := b.logs(outbound(b.now, 443, 1000))
	ld.ResourceLogs().At(0).Resource().Attributes().PutInt(tenantKey, 17)
	b.Commit(b.Decode(ld))
	b.hear("17", outbound(b.now, 443, 1000))
	assert.EqualValues(t, 1, b.Stats().Tenants)
	assert.Equal(t, "17", b.tenant("17").name())
}

// What is refused, or tells of no flows, makes room for nobody.
func TestOnlyDeliveredFlowsMakeATenant(t *testing.T) {
	b := newBench(t, byResource)
	for i := range 300 {
		b.Discard(b.Decode(b.of(fmt.Sprintf("tenant-%d", i), outbound(b.now, 443, 1000))))
	}
	ld := b.of("chatty", outbound(b.now, 443, 1000))
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Clear()
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr("started")
	b.Commit(b.Decode(ld))
	assert.Zero(t, b.Stats().Tenants)
	b.hear("red", outbound(b.now, 443, 1000))
	assert.EqualValues(t, 1, b.Stats().Tenants)
}

// Where clients name the tenant, a delivery is one tenant's as a whole, and what is told of it is delivered in its name, whoever's
// delivery brought it about.
func TestClientsMayNameTheTenant(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) { cfg.PartitionBy = &config.PartitionBy{ClientMetadata: "X-Scope-OrgID"} })
	from := func(tenants ...string) context.Context {
		return client.NewContext(t.Context(), client.Info{Metadata: client.NewMetadata(map[string][]string{"x-scope-orgid": tenants})})
	}
	hear := func(ctx context.Context, r flow.Record) { b.Observer.Commit(ctx, b.Decode(b.of("ignored", r))) }
	for range 48 {
		for _, ctx := range []context.Context{from("red"), from("blue", "red"), t.Context()} {
			hear(ctx, outbound(b.now, 443, 200_000))
		}
		b.now = b.now.Add(time.Hour)
	}
	b.now = b.now.Add(10 * time.Minute)
	hear(from("blue"), outbound(b.now, 4444, 800_000_000))
	b.Tick()
	told := map[string][]string{}
	_, err := b.DeliverAlerts(from("somebody", "else"), func(ctx context.Context, ld plog.Logs) error {
		values := client.FromContext(ctx).Metadata.Get("x-scope-orgid")
		told[strings.Join(values, ",")] = entitiesOf(ld)
		named := map[string]any{}
		if len(values) > 0 {
			named["X-Scope-OrgID"] = values[0]
		}
		assert.Equal(t, named, ld.ResourceLogs().At(0).Resource().Attributes().AsRaw())
		return nil
	})
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"", "red", "blue"}, slices.Collect(maps.Keys(told)))
	assert.Empty(t, told["red"])
	assert.Empty(t, told[""])
	assert.Contains(t, told["blue"], "4444")
}

// What a consumer refuses of one tenant waits, and the others' alerts leave all the same.
func TestARefusalOfOneTenantsAlertsIsNoneOfTheOthers(t *testing.T) {
	b := newBench(t, byResource)
	for _, name := range []string{"red", "blue", "green"} {
		b.hear(name, outbound(b.now, 443, 1000))
	}
	b.Tick()
	var got []string
	deliver := func(refuses string) (int, error) {
		got = nil
		return b.DeliverAlerts(t.Context(), func(_ context.Context, ld plog.Logs) error {
			v, _ := ld.ResourceLogs().At(0).Resource().Attributes().Get(tenantKey)
			if v.Str() == refuses {
				return fmt.Errorf("%s is locked", refuses)
			}
			got = append(got, v.Str())
			return nil
		})
	}
	n, err := deliver("red")
	require.EqualError(t, err, "red is locked")
	assert.Equal(t, 3, n, "each is told that it warms up")
	assert.Equal(t, []string{"blue", "green"}, got)
	assert.EqualValues(t, 1, b.Pending())
	n, err = deliver("")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, []string{"red"}, got)
}

// A ceiling is each tenant's own; what fell under an exception is summed up.
func TestOneTenantDoesNotSpendAnothersCeiling(t *testing.T) {
	ceiling := bytesize.Size(1_000_000)
	b := newBench(t, func(cfg *config.Config) {
		byResource(cfg)
		cfg.Exceptions = []rule.ExceptionConfig{{Name: "backup", Match: rule.ExceptionMatchConfig{Ports: []any{22}}, MaxBytes: &ceiling}}
	})
	for range 5 {
		b.hear("red", outbound(b.now, 22, 900_000))
	}
	b.hear("blue", outbound(b.now, 22, 900_000))
	reports := b.Exceptions()
	require.Len(t, reports, 1)
	assert.EqualValues(t, 2, reports[0].Flows, "the first of each")
	assert.EqualValues(t, 4, reports[0].AboveFlows)
	assert.EqualValues(t, 1_800_000, reports[0].Bytes)
}

// Given an exception that one tenant uses every day, then it is idle for nobody, however long the others have had no need of it; and that one
// expires is said once.
func TestAnExceptionIsIdleWhereNobodyUsesIt(t *testing.T) {
	var expires rule.Date
	require.NoError(t, expires.UnmarshalText([]byte("2026-04-20")))
	b := newBench(t, func(cfg *config.Config) {
		byResource(cfg)
		cfg.Exceptions = []rule.ExceptionConfig{
			{Name: "used", Match: rule.ExceptionMatchConfig{Ports: []any{22}}},
			{Name: "forgotten", Match: rule.ExceptionMatchConfig{Ports: []any{5555}}},
			{Name: "short", Match: rule.ExceptionMatchConfig{Ports: []any{443}}, Expires: expires},
		}
	})
	for range 60 {
		b.hear("red", outbound(b.now, 22, 1000))
		b.hear("blue", outbound(b.now, 443, 1000))
		b.now = b.now.AddDate(0, 0, 1)
		b.Tick()
	}
	statuses := map[string]rule.ExceptionStatus{}
	for _, r := range b.Exceptions() {
		statuses[r.Name] = r.Status
	}
	assert.Equal(t, map[string]rule.ExceptionStatus{
		"used": rule.ExceptionActive, "forgotten": rule.ExceptionIdle, "short": rule.ExceptionExpired,
	}, statuses)
	assert.Equal(t, 1, b.log.FilterMessageSnippet("expires soon").Len())
	assert.Equal(t, 1, b.log.FilterMessageSnippet("has expired").Len())
	assert.Zero(t, b.log.FilterMessageSnippet("has matched nothing").Len())
}

// Connections and counters that look alike are others elsewhere.
func TestTenantsCountersAndConnectionsAreApart(t *testing.T) {
	b := newBench(t, byResource)
	total := outbound(b.now, 443, 50_000)
	total.Total = 7
	sender := newSender(cumulative(), monday.Add(time.Minute))
	md := sender.export(bare(b.now.Add(2*time.Minute), 443, 70_000))
	for _, name := range []string{"red", "blue"} {
		b.hear(name, total)
		md.ResourceMetrics().At(0).Resource().Attributes().PutStr(tenantKey, name)
		b.count(md)
		b.count(md)
	}
	stats := b.Stats()
	assert.EqualValues(t, 2, stats.RunningTotals)
	assert.EqualValues(t, 2, stats.Streams.Streams)
	assert.EqualValues(t, 2*50_000, stats.Bytes-2*70_000)
	assert.Equal(t, b.tenant("red").detector.Fingerprint(), b.tenant("blue").detector.Fingerprint())
}

// Gauges say whose they are, as alerts do.
func TestGaugesSayWhoseTheyAre(t *testing.T) {
	b := newBench(t, byResource)
	b.KeepReadings(10)
	b.live(1, nil, "red", "blue")
	b.Tick()
	seen := map[string]int{}
	_, err := b.DeliverGauges(t.Context(), func(_ context.Context, md pmetric.Metrics) error {
		v, _ := md.ResourceMetrics().At(0).Resource().Attributes().Get(tenantKey)
		for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			for _, p := range m.Gauge().DataPoints().All() {
				named, _ := p.Attributes().Get("exfil.tenant")
				require.Equal(t, v.Str(), named.Str())
				seen[v.Str()]++
			}
		}
		return nil
	})
	require.NoError(t, err)
	assert.Positive(t, seen["red"])
	assert.Equal(t, seen["red"], seen["blue"])
	assert.Len(t, seen, 2)
	assert.Zero(t, b.PendingWindows())
}

// The memory that all may take is said, and that of each.
func TestTheMemoryOfTenantsIsSaid(t *testing.T) {
	logged := func(change func(*config.Config)) map[string]any {
		entries := newBench(t, change).log.FilterMessageSnippet("Memory that what is learned may take").All()
		require.Len(t, entries, 1)
		return entries[0].ContextMap()
	}
	alone := logged(same)
	assert.NotContains(t, alone, "tenants")
	apart := logged(func(cfg *config.Config) {
		byResource(cfg)
		cfg.MaxTenants = 8
	})
	assert.EqualValues(t, 10, apart["tenants"], "with those of no name and of no room")
	assert.Equal(t, alone["total"], apart["each"])
	assert.Equal(t, 10*alone["bytes"].(int64), apart["bytes"])
}

func TestTellingTenantsApartAllocatesNothingInTheSteadyState(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector pools forget at random")
	}
	b := newBench(t, func(cfg *config.Config) {
		byResource(cfg)
		cfg.MinBytes = 1 << 60
		cfg.MaxTenants = 20
	})
	ld := plog.NewLogs()
	for i := range 200 {
		r := outbound(b.now, uint16(1+i%40), 1000)
		r.Total = uint64(i % 3 * (i + 1))
		b.of(fmt.Sprintf("tenant-%d", i%30), r).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
	}
	step := func() { b.Commit(b.Decode(ld)) }
	step()
	assert.Less(t, testing.AllocsPerRun(100, step)/200, 0.1)
	assert.EqualValues(t, 20, b.Stats().Tenants)
}

// Given many tenants whose batches arrive at once, while time passes, alerts leave and snapshots are taken, then each tenant knows
// what it knows when they arrive one after the other.
func TestTenantsArriveAtOnce(t *testing.T) {
	const workers, rounds, names = 8, 30, 25
	b := newBench(t, func(cfg *config.Config) {
		byResource(cfg)
		cfg.MaxTenants = names
	})
	batch := func(worker, round int) plog.Logs {
		ld := plog.NewLogs()
		for i := range names {
			r := outbound(b.now, uint16(400+worker), int64(1000+round))
			b.of(fmt.Sprintf("tenant-%d", (i+worker)%names), r).ResourceLogs().MoveAndAppendTo(ld.ResourceLogs())
		}
		return ld
	}
	var arriving sync.WaitGroup
	stop := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			b.Tick()
			b.Stats()
			b.Exceptions()
			_, err := b.DeliverAlerts(context.Background(), func(context.Context, plog.Logs) error { return nil })
			assert.NoError(t, err)
			snapshot, w := b.Snapshot(), codec.Writer{}
			for _, _, ok := snapshot.Next(&w); ok; _, _, ok = snapshot.Next(&w) {
				w.Data = w.Data[:0]
			}
			snapshot.Release(false)
		}
	})
	for worker := range workers {
		arriving.Go(func() {
			for round := range rounds {
				b.Commit(b.Decode(batch(worker, round)))
			}
		})
	}
	arriving.Wait()
	close(stop)
	beside.Wait()

	one := newBench(t, byResource)
	for worker := range workers {
		for round := range rounds {
			one.Commit(one.Decode(batch(worker, round)))
		}
	}
	assert.EqualValues(t, names, b.Stats().Tenants)
	assert.Equal(t, one.Stats().Bytes, b.Stats().Bytes)
	for i := range names {
		name := fmt.Sprintf("tenant-%d", i)
		assert.Equal(t, one.tenant(name).detector.Stats().Keys, b.tenant(name).detector.Stats().Keys, name)
	}
}
