package observer

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
	"github.com/otel-exfil/exfil/internal/rule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// bench is an observer whose clock the test owns.
type bench struct {
	*Observer
	t   *testing.T
	now time.Time
	log *observer.ObservedLogs
}

// quick is a configuration with windows of an hour and a warm-up of a day.
func quick(change func(cfg *config.Config)) *config.Config {
	cfg := config.Default()
	cfg.Windows = []time.Duration{time.Hour}
	cfg.WarmUp = 24 * time.Hour
	change(cfg)
	return cfg
}

func newBench(t *testing.T, change func(cfg *config.Config)) *bench {
	t.Helper()
	return newBenchOf(t, change, false)
}

// newBenchOf says whether windows close in the background.
func newBenchOf(t *testing.T, change func(cfg *config.Config), background bool) *bench {
	t.Helper()
	b := &bench{t: t, now: monday}
	core, log := observer.New(zap.InfoLevel)
	b.log = log
	cfg := quick(change)
	require.NoError(t, cfg.Validate())
	o, err := New(cfg, Settings{
		Logger: zap.New(core), Now: func() time.Time { return b.now }, BuildVersion: "1.2.3", Background: background,
	})
	require.NoError(t, err)
	require.NoError(t, o.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	b.Observer = o
	return b
}

// Commit counts a batch of nobody's in particular.
func (b *bench) Commit(batch *Batch) { b.Observer.Commit(context.Background(), batch) }

// Alerts are those that wait, where tenants are not told apart.
func (b *bench) Alerts() (plog.Logs, int) { return b.tenants.rest.pending.logs() }

// Delivered takes n of them off.
func (b *bench) Delivered(n int) { b.tenants.rest.pending.remove(n) }

// Gauges are those that wait, and DeliveredGauges takes them off.
func (b *bench) Gauges() (pmetric.Metrics, int64) { return b.tenants.rest.readings.metrics() }

// DeliveredGauges takes off those up to a mark.
func (b *bench) DeliveredGauges(mark int64) { b.tenants.rest.readings.remove(mark) }

// deliver sends records as a batch that the next consumer accepts.
func (b *bench) deliver(records ...flow.Record) {
	b.t.Helper()
	b.Commit(b.Decode(b.logs(records...)))
}

func (b *bench) logs(records ...flow.Record) plog.Logs {
	b.t.Helper()
	ld, err := encode.Logs("ecs", records)
	require.NoError(b.t, err)
	return ld
}

// days lets ordinary traffic flow, and stops some minutes into the hour after it: the windows
// before must be over before the one that is open can be judged.
func (b *bench) days(n int) {
	b.t.Helper()
	for range 24 * n {
		for i, port := range []uint16{443, 443, 443, 80, 22, 993, 8443, 123} {
			b.deliver(outbound(b.now.Add(time.Duration(i)*time.Second), port, 200_000+int64(b.now.Hour()*1000)))
		}
		b.now = b.now.Add(time.Hour)
	}
	b.now = b.now.Add(10 * time.Minute)
}

// told returns the events that wait, as "event subject".
func (b *bench) told() []string {
	ld, n := b.Alerts()
	if n == 0 {
		return nil
	}
	var told []string
	records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	for i := range records.Len() {
		lr := records.At(i)
		subject := ""
		for _, key := range []string{"exfil.entity.value", "exfil.health.status"} {
			if v, ok := lr.Attributes().Get(key); ok {
				subject = " " + v.AsString()
			}
		}
		told = append(told, lr.EventName()+subject)
	}
	return told
}

// outbound is a connection from inside to outside.
func outbound(at time.Time, port uint16, bytes int64) flow.Record {
	return flow.Record{
		Time:             at.UnixNano(),
		Source:           netip.MustParseAddr("10.1.2.3"),
		Destination:      netip.MustParseAddr("198.51.100.7"),
		SourcePort:       50_000,
		DestinationPort:  port,
		Sent:             bytes,
		Received:         4000,
		Direction:        flow.Outbound,
		Host:             "ws-1",
		DestinationPlace: flow.Place{Region: "California", Country: "US"},
	}
}

func TestTheEndOfTheWarmUpIsToldBeforeTheFirstAlert(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	b.days(3)
	require.Empty(t, b.told(), "no one has ticked")
	b.deliver(outbound(b.now, 4444, 800_000_000))
	told := b.told()
	assert.Equal(t, []string{"exfil.health warming_up", "exfil.health ready"}, told[:2])
	assert.Contains(t, told, "exfil.anomaly 4444")

	b.Tick()
	assert.Equal(t, told, b.told(), "each once")
	b.Delivered(len(told))
	assert.Empty(t, b.told())
	assert.Zero(t, b.Pending())
}

func TestTheWarmUpSaysWhenItEnds(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	b.deliver(outbound(b.now, 443, 1000))
	b.Tick()
	ld, n := b.Alerts()
	require.Equal(t, 1, n)
	until, _ := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Get("exfil.health.until")
	assert.Equal(t, "2026-03-03T00:00:00Z", until.AsString())
}

func TestTheWarmUpIsTheSameEventWheneverItIsNoticed(t *testing.T) {
	beginning := func(hours int) (uid string, at time.Time) {
		b := newBench(t, func(*config.Config) {})
		for range hours {
			b.deliver(outbound(b.now, 443, 1000))
			b.now = b.now.Add(time.Hour)
		}
		b.Tick()
		ld, _ := b.Alerts()
		lr := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		v, _ := lr.Attributes().Get("log.record.uid")
		return v.AsString(), lr.Timestamp().AsTime()
	}
	soon, at := beginning(3)
	late, _ := beginning(40)
	assert.Equal(t, soon, late)
	assert.Equal(t, monday, at, "the first window with traffic")
}

func TestNothingIsSaidBeforeAnythingHasCome(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	b.now = b.now.Add(1000 * time.Hour)
	b.Tick()
	assert.Empty(t, b.told())
}

func TestWhatIsAboveTheCapIsSummedUpWhenItsIntervalEnds(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) { cfg.Alerts.MaxPerInterval = 1 })
	b.days(3)
	b.deliver(outbound(b.now, 4444, 800_000_000), outbound(b.now, 5555, 800_000_000))
	told := b.told()
	require.Equal(t, "exfil.anomaly", told[len(told)-1][:len("exfil.anomaly")])
	count := len(told)

	b.now = b.now.Add(time.Minute)
	b.Tick()
	assert.Len(t, b.told(), count, "the interval is not over")
	b.now = b.now.Add(15 * time.Minute)
	b.Tick()
	told = b.told()
	require.Len(t, told, count+1)
	assert.Equal(t, "exfil.overflow", told[count], "without any further traffic")
	assert.Positive(t, b.Stats().Suppressed)
}

func TestExceptedFlowsAreKeptOutUpToTheirCeiling(t *testing.T) {
	ceiling := bytesize.Size(900_000_000)
	b := newBench(t, func(cfg *config.Config) {
		cfg.Exceptions = []rule.ExceptionConfig{{
			Name:     "backup",
			Match:    rule.ExceptionMatchConfig{Ports: []any{873}, Networks: []string{"198.51.100.0/24"}},
			MaxBytes: &ceiling,
		}}
	})
	b.days(3)
	b.deliver(outbound(b.now, 873, 800_000_000), outbound(b.now, 443, 1000))
	assert.Empty(t, b.told())
	assert.EqualValues(t, 1, b.Stats().Flows[Excepted])

	b.deliver(outbound(b.now, 873, 800_000_000))
	assert.Contains(t, b.told(), "exfil.anomaly 873", "above the ceiling")
	assert.EqualValues(t, 1, b.Stats().Flows[Excepted])
}

func TestARefusedBatchSpendsNoCeiling(t *testing.T) {
	ceiling := bytesize.Size(900_000_000)
	b := newBench(t, func(cfg *config.Config) {
		cfg.Exceptions = []rule.ExceptionConfig{{Name: "backup", Match: rule.ExceptionMatchConfig{Ports: []any{873}}, MaxBytes: &ceiling}}
	})
	ld := b.logs(outbound(b.now, 873, 800_000_000))
	for range 3 {
		b.Discard(b.Decode(ld))
	}
	b.Commit(b.Decode(ld))
	stats := b.Stats()
	assert.EqualValues(t, 1, stats.Flows[Excepted])
	assert.EqualValues(t, 3, stats.Refused)
	assert.Zero(t, stats.Bytes)
}

func TestConnectionsThatHaveGoneSilentAreForgotten(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	for connection := range 5 {
		r := outbound(b.now, 443, 1000)
		r.Total = uint64(connection + 1)
		b.deliver(r)
		b.now = b.now.Add(seriesIdle)
	}
	assert.EqualValues(t, 2, b.Stats().RunningTotals)
}

func TestAnExceptionThatHasExpiredIsWarnedOf(t *testing.T) {
	var expired rule.Date
	require.NoError(t, expired.UnmarshalText([]byte("2026-02-27")))
	b := newBench(t, func(cfg *config.Config) {
		cfg.Exceptions = []rule.ExceptionConfig{{Name: "move", Match: rule.ExceptionMatchConfig{Ports: []any{873}}, Expires: expired}}
	})
	entries := b.log.FilterField(zap.String("exception", "move")).All()
	require.Len(t, entries, 1)
	assert.Equal(t, zap.WarnLevel, entries[0].Level)
	b.deliver(outbound(b.now, 873, 1000))
	assert.Zero(t, b.Stats().Flows[Excepted])
}

func TestPlacesAndNetworksComeFromTheDatabase(t *testing.T) {
	path, asn := t.TempDir()+"/city.mmdb", t.TempDir()+"/asn.mmdb"
	entries := []geotest.Entry{{
		Network: "198.51.100.0/24", Country: "AU", CountryName: "Australia", Region: "Victoria", RegionISO: "VIC",
		ASN: 64500, Organization: "Example Hosting",
	}}
	require.NoError(t, geotest.WriteCity(path, entries))
	require.NoError(t, geotest.WriteASN(asn, entries))
	b := newBench(t, func(cfg *config.Config) {
		cfg.Geo.Database, cfg.Geo.ASNDatabase = path, asn
	})
	b.now = geotest.Built().Add(24 * time.Hour)
	unplaced := func(r flow.Record) flow.Record {
		r.DestinationPlace = flow.Place{}
		return r
	}
	b.days(3)
	b.deliver(unplaced(outbound(b.now, 4444, 800_000_000)))
	assert.Contains(t, b.told(), "exfil.anomaly Victoria")
	assert.Len(t, b.Databases(), 2)
	number, name, ok := b.asn(netip.MustParseAddr("198.51.100.1"))
	assert.True(t, ok)
	assert.EqualValues(t, 64500, number)
	assert.Equal(t, "Example Hosting", name)
}

func TestAnOldDatabaseIsToldOfOnce(t *testing.T) {
	path := t.TempDir() + "/city.mmdb"
	require.NoError(t, geotest.WriteCity(path, []geotest.Entry{{Network: "198.51.100.0/24", Country: "AU"}}))
	b := newBench(t, func(cfg *config.Config) { cfg.Geo.Database = path })
	b.now = geotest.Built().Add(staleAfter - time.Minute)
	b.Tick()
	assert.Empty(t, b.told())
	for range 50 {
		b.now = b.now.Add(time.Hour)
		b.Tick()
	}
	assert.Equal(t, []string{"exfil.health database_old"}, b.told())
}

func TestBeforeStartNothingIsPlacedAndNothingBreaks(t *testing.T) {
	o, err := New(config.Default(), Settings{})
	require.NoError(t, err)
	ld, err := encode.Logs("ecs", []flow.Record{outbound(monday, 443, 1000)})
	require.NoError(t, err)
	o.Commit(t.Context(), o.Decode(ld))
	_, _, ok := o.asn(netip.MustParseAddr("198.51.100.1"))
	assert.False(t, ok)
	assert.Empty(t, o.Databases())
	assert.EqualValues(t, 1000, o.Stats().Bytes)
	require.NoError(t, o.Close())
}

func TestAConfigurationThatWasNotValidatedIsRefused(t *testing.T) {
	for name, change := range map[string]func(cfg *config.Config){
		"inputs":     func(cfg *config.Config) { cfg.Inputs = []config.Input{{Name: "syslog"}} },
		"rules":      func(cfg *config.Config) { cfg.Rules = map[string]rule.Override{"nonsense": {}} },
		"exceptions": func(cfg *config.Config) { cfg.Exceptions = []rule.ExceptionConfig{{Name: "all"}} },
		"windows":    func(cfg *config.Config) { cfg.Windows = []time.Duration{5 * time.Hour} },
		"schema":     func(cfg *config.Config) { cfg.Alerts.Schema = "cef" },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(quick(change), Settings{})
			assert.Error(t, err)
		})
	}
}

func TestALargeBatchIsNotKept(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	records := make([]flow.Record, maxKeptFlows+1)
	for i := range records {
		records[i] = outbound(b.now, 443, 1)
	}
	large := b.Decode(b.logs(records...))
	b.Commit(large)
	assert.Len(t, large.at.flows, len(records), "it was let go as it was, not cleared for another use")
	small := b.Decode(b.logs(records[0]))
	assert.LessOrEqual(t, cap(small.at.flows), maxKeptFlows)
	b.Commit(small)
	assert.EqualValues(t, len(records)+1, b.Stats().Flows["leaves"])
}

func TestABatchOfAnotherUseLeavesNoTrace(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	inside := outbound(b.now, 443, 5000)
	inside.Destination, inside.Direction = netip.MustParseAddr("10.9.9.9"), flow.Internal
	for range 20 {
		b.Discard(b.Decode(b.logs(outbound(b.now, 443, 1000), inside)))
	}
	b.deliver(outbound(b.now, 443, 1000))
	stats := b.Stats()
	assert.EqualValues(t, 1, stats.Records["accepted"])
	assert.EqualValues(t, 1, stats.Flows["leaves"])
	assert.Zero(t, stats.Flows["internal"])
	assert.EqualValues(t, 1000, stats.Bytes)
}

func TestDecodingAndCommittingAllocatesNothingInTheSteadyState(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) { cfg.MinBytes = 1 << 60 })
	var records []flow.Record
	for i := range 200 {
		r := outbound(b.now, uint16(1+i%40), 1000)
		r.Total = uint64(i % 3 * (i + 1)) // some are running totals
		r.Host = fmt.Sprintf("ws-%d", i%7)
		records = append(records, r)
	}
	ld := b.logs(records...)
	step := func() { b.Commit(b.Decode(ld)) }
	step()
	// A pool may let go of what it holds at any time, and under the race detector does so on purpose.
	perRecord := testing.AllocsPerRun(100, step) / float64(len(records))
	assert.Less(t, perRecord, 0.1)
}

func TestTheQueueKeepsTheFirst(t *testing.T) {
	writer, err := alert.NewWriter(nil, alert.Options{})
	require.NoError(t, err)
	p := pending{writer: writer}
	for i := range maxPending + 5 {
		p.push(alert.Health{Status: alert.StateLost, Time: monday.Add(time.Duration(i) * time.Second)}, monday)
	}
	ld, n := p.logs()
	require.Equal(t, maxPending, n)
	records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	require.Equal(t, maxPending, records.Len())
	assert.Equal(t, monday, records.At(0).Timestamp().AsTime())
	assert.EqualValues(t, 5, p.dropped.Load())

	p.remove(maxPending - 1)
	ld, n = p.logs()
	require.Equal(t, 1, n)
	last := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
	assert.Equal(t, monday.Add((maxPending-1)*time.Second), last.Timestamp().AsTime())
	p.remove(7)
	assert.Zero(t, p.waiting.Load())
}
