package observer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// witness is all that leaves of a tenant, and what is known of it at the end.
type witness struct {
	alerts, gauges []string // as JSON, in their order
	fingerprint    [sha256.Size]byte
	alerted, keys  int64
}

// flood is what a hostile tenant sends.
type flood struct {
	to      plog.LogRecordSlice
	records plog.Logs
	sent    int // records, each of which has keysOfARecord keys that no other has
}

// keysOfARecord are a region, a host with a port, a port with a region and a host with a region.
const keysOfARecord = 4

func newFlood() *flood {
	f := &flood{records: plog.NewLogs()}
	rl := f.records.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr(tenantKey, "flooder")
	f.to = rl.ScopeLogs().AppendEmpty().LogRecords()
	return f
}

// send fills a batch with n records, of keys that nobody has seen. Each eighth is from another age.
func (f *flood) send(n int, now time.Time, bytes int64) plog.Logs {
	ages := [...]time.Time{time.Unix(0, 0), now.AddDate(900, 0, 0), now.AddDate(-3, 0, 0), now.Add(4 * time.Minute), time.Unix(-1<<33, 0)}
	f.to.RemoveIf(func(plog.LogRecord) bool { return true })
	f.to.EnsureCapacity(n)
	for i := range n {
		f.sent++
		at := now
		if i%8 == 0 {
			at = ages[f.sent/8%len(ages)]
		}
		lr := f.to.AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(max(0, at.UnixNano())))
		a := lr.Attributes()
		a.EnsureCapacity(7)
		a.PutStr("source.ip", fmt.Sprintf("10.%d.%d.%d", f.sent>>16&255, f.sent>>8&255, f.sent&255))
		a.PutStr("destination.ip", fmt.Sprintf("%d.%d.%d.9", 20+f.sent>>16&63, f.sent>>8&255, f.sent&255))
		a.PutInt("destination.port", int64(1+f.sent%65_535))
		a.PutInt("source.bytes", bytes)
		a.PutStr("network.direction", "egress")
		a.PutStr("host.name", fmt.Sprintf("host-%d", f.sent))
		a.PutStr("destination.geo.region_name", fmt.Sprintf("region-%d", f.sent))
	}
	return f.records
}

// watched lets a tenant live for four days, be robbed, and spend an exception's ceiling, while beside is called every hour and,
// after the warm-up, alerts are stormed for. It returns what leaves of the tenant.
func watched(t *testing.T, beside func(b *bench, hour int)) witness {
	t.Helper()
	ceiling := bytesize.Size(3_000_000)
	b := newBench(t, func(cfg *config.Config) {
		byResource(cfg)
		cfg.MaxEntities = 20_000
		cfg.Alerts.MaxPerInterval = 3
		cfg.Exceptions = []rule.ExceptionConfig{{Name: "copies", Match: rule.ExceptionMatchConfig{Ports: []any{8443}}, MaxBytes: &ceiling}}
	})
	b.KeepReadings(100)
	var w witness
	hour := 0
	collect := func() {
		b.Tick()
		w.collect(t, b)
	}
	b.live(4, func(string) []flow.Record {
		beside(b, hour)
		hour++
		collect()
		return nil
	}, "victim")
	for i := range 12 {
		b.hear("victim", outbound(b.now, uint16(4444+i%5), 800_000_000), outbound(b.now, 8443, 2_000_000))
		beside(b, hour)
		collect()
		b.now = b.now.Add(7 * time.Minute)
	}
	victim := b.tenant("victim")
	stats := Stats{}
	victim.addTo(&stats, true)
	w.fingerprint = victim.detector.Fingerprint()
	w.keys = int64(stats.Detector.Keys)
	w.alerted = stats.Alerts["unusual_destination_port"]
	return w
}

// collect takes what waits of the victim; what waits of others nobody takes.
func (w *witness) collect(t *testing.T, b *bench) {
	t.Helper()
	others := errors.New("nobody takes it")
	isVictims := func(r pcommon.Resource) bool {
		v, ok := r.Attributes().Get(tenantKey)
		return ok && v.Str() == "victim"
	}
	_, _ = b.DeliverAlerts(t.Context(), func(_ context.Context, ld plog.Logs) error {
		if !isVictims(ld.ResourceLogs().At(0).Resource()) {
			return others
		}
		text, err := new(plog.JSONMarshaler).MarshalLogs(ld)
		require.NoError(t, err)
		w.alerts = append(w.alerts, string(text))
		return nil
	})
	_, _ = b.DeliverGauges(t.Context(), func(_ context.Context, md pmetric.Metrics) error {
		if !isVictims(md.ResourceMetrics().At(0).Resource()) {
			return others
		}
		text, err := new(pmetric.JSONMarshaler).MarshalMetrics(md)
		require.NoError(t, err)
		w.gauges = append(w.gauges, string(text))
		return nil
	})
}

// Given a tenant who floods with a million keys, with times from every age and with a storm of what would alert, of whose alerts nobody
// takes any, then the other tenant's alerts, thresholds and baselines are to the bit what they are without him.
func TestAFloodOfOneTenantIsNothingToAnother(t *testing.T) {
	keys := 1_000_000
	if testing.Short() || raceDetector {
		keys = 100_000
	}
	alone := watched(t, func(*bench, int) {})
	require.Positive(t, alone.alerted)
	require.NotEmpty(t, alone.gauges)
	require.Greater(t, len(alone.alerts), 2)

	f := newFlood()
	flooded := watched(t, func(b *bench, hour int) {
		size := int64(1000)
		if hour > 30 {
			size = 900_000_000
		}
		ld := f.send(keys/keysOfARecord/(4*24+12)+1, b.now, size)
		b.Commit(b.Decode(ld))
		if hour > 40 { // and again in another's delivery, before and after his
			mixed := plog.NewLogs()
			b.of("victim").ResourceLogs().MoveAndAppendTo(mixed.ResourceLogs())
			f.send(10, b.now, size).ResourceLogs().At(0).CopyTo(mixed.ResourceLogs().AppendEmpty())
			b.Commit(b.Decode(mixed))
		}
		if hour == 4*24 {
			stats := b.tenant("flooder")
			assert.Positive(t, stats.pending.dropped.Load()+stats.pending.waiting.Load(), "there is a storm")
			assert.Positive(t, stats.detector.Stats().Evicted, "there are more keys than room")
			assert.Positive(t, stats.detector.Stats().Future+stats.detector.Stats().Late)
		}
	})
	require.GreaterOrEqual(t, f.sent*keysOfARecord, keys)
	assert.Equal(t, alone.fingerprint, flooded.fingerprint, "what was learned")
	assert.Equal(t, alone.alerts, flooded.alerts)
	assert.Equal(t, alone.gauges, flooded.gauges)
	assert.Equal(t, alone, flooded)
}
