package exfilprocessor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

const batchRecords = 1000

// benchBatch is a second of a busy office: a thousand ECS records of fifteen attributes.
func benchBatch(seed uint64) plog.Logs {
	random := rand.New(rand.NewPCG(seed, 1))
	ports := rand.NewZipf(random, 1.3, 1, 300)
	regions := rand.NewZipf(random, 1.2, 1, 80)
	ld := plog.NewLogs()
	records := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for range batchRecords {
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(enginetest.Monday.Add(time.Duration(random.Int64N(int64(time.Second))))))
		host := random.IntN(200)
		region := regions.Uint64()
		a := lr.Attributes()
		a.PutStr("event.kind", "event")
		a.PutStr("event.action", "network_flow")
		a.PutStr("host.name", fmt.Sprintf("ws-%d", host))
		a.PutStr("user.name", fmt.Sprintf("user-%d", host))
		a.PutStr("process.name", "firefox")
		a.PutStr("network.transport", "tcp")
		a.PutStr("network.direction", "egress")
		a.PutStr("source.ip", fmt.Sprintf("10.0.0.%d", host))
		a.PutInt("source.port", 40_000+random.Int64N(20_000))
		a.PutInt("source.bytes", random.Int64N(100_000))
		a.PutStr("destination.ip", fmt.Sprintf("198.51.%d.%d", region, random.IntN(250)))
		a.PutInt("destination.port", int64(1+ports.Uint64()))
		a.PutInt("destination.bytes", random.Int64N(1_000_000))
		a.PutStr("destination.geo.region_name", fmt.Sprintf("Region %d", region))
		a.PutStr("destination.geo.country_iso_code", "US")
	}
	return ld
}

// benchBatches are different enough that a branch predictor cannot learn them by heart.
func benchBatches() []plog.Logs {
	batches := make([]plog.Logs, 16)
	for i := range batches {
		batches[i] = benchBatch(uint64(i))
	}
	return batches
}

// perRecord reports what b took for each record.
func perRecord(b *testing.B, before *runtime.MemStats) {
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	records := float64(b.N) * batchRecords
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/records, "ns/record")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/records, "allocs/record")
}

// BenchmarkConsumeLogs is a batch's whole way through the processor, in the steady state: every
// entity is known, no window closes. Compare with the two that follow.
func BenchmarkConsumeLogs(b *testing.B) {
	cfg := enginetest.Quick()
	cfg.MinBytes = 1 << 60 // the same second again and again must not add up to an alert
	batches := benchBatches()
	var empty, full runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&empty)
	f := newFactory(enginetest.NewClock())
	p, err := f.CreateLogs(context.Background(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
	for _, batch := range batches {
		require.NoError(b, p.ConsumeLogs(context.Background(), batch))
	}
	stats := p.(*logsProcessor).instance.Stats()
	require.EqualValues(b, len(batches)*batchRecords, stats.Flows["leaves"])
	runtime.GC()
	runtime.ReadMemStats(&full)

	b.ReportAllocs()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	i := 0
	for b.Loop() {
		if err := p.ConsumeLogs(context.Background(), batches[i%len(batches)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	perRecord(b, &before)
	// Everything that the processor holds, its entities all being active in the open window.
	b.ReportMetric(float64(full.HeapAlloc-empty.HeapAlloc)/float64(stats.Detector.Keys), "B/entity")
	b.ReportMetric(float64(stats.Detector.Keys), "entities")
	require.NoError(b, p.Shutdown(context.Background()))
}

// BenchmarkConsumeMetrics is the same way for a batch of a thousand data points of known streams.
func BenchmarkConsumeMetrics(b *testing.B) {
	cfg := enginetest.Quick()
	cfg.MinBytes = 1 << 60 // the same second again and again must not add up to an alert
	var connections []enginetest.Sent
	for i := range batchRecords {
		connections = append(connections, enginetest.Sent{
			At: enginetest.Monday, Host: fmt.Sprintf("ws-%d", i%200), Port: int64(1 + i%300), Bytes: int64(1000 + i),
		})
	}
	md := (&enginetest.Meter{}).Export(connections...)

	f := newFactory(enginetest.NewClock())
	logs, err := f.CreateLogs(context.Background(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	p, err := f.CreateMetrics(context.Background(), processortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, logs.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
	points := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()

	b.ReportAllocs()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		for i := range points.Len() { // a point that came before would be left out
			p := points.At(i)
			p.SetTimestamp(p.Timestamp() + 1)
		}
		if err := p.ConsumeMetrics(context.Background(), md); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b, &before)
	require.Greater(b, logs.(*logsProcessor).instance.Stats().Flows["leaves"], int64(batchRecords))
	require.NoError(b, p.Shutdown(context.Background()))
	require.NoError(b, logs.Shutdown(context.Background()))
}

// BenchmarkUnmarshal is what an OTLP receiver spends on the same batch.
func BenchmarkUnmarshal(b *testing.B) {
	encoded, err := (&plog.ProtoMarshaler{}).MarshalLogs(benchBatch(1))
	require.NoError(b, err)
	b.ReportAllocs()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		if _, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(encoded); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b, &before)
}

// BenchmarkBarePass reads every attribute of the same batches once and does nothing with them.
func BenchmarkBarePass(b *testing.B) {
	batches := benchBatches()
	var length int64
	b.ReportAllocs()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	i := 0
	for b.Loop() {
		records := batches[i%len(batches)].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for j := range records.Len() {
			records.At(j).Attributes().Range(func(key string, value pcommon.Value) bool {
				length += int64(len(key))
				if value.Type() == pcommon.ValueTypeStr {
					length += int64(len(value.Str()))
				} else {
					length += value.Int()
				}
				return true
			})
		}
		i++
	}
	perRecord(b, &before)
	require.NotZero(b, length)
}
