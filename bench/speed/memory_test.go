package speed

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otel-exfil/exfil/bench/load"
	"github.com/otel-exfil/exfil/exfilprocessor"
)

// BenchmarkMemory is the bytes of heap that an entity takes where a million are known: what the heap has grown by since a processor knew a
// handful, so that what is there once is not counted, and all that there is of each entity is. None has a season table.
func BenchmarkMemory(b *testing.B) {
	b.Run("active=by_turns", func(b *testing.B) { memory(b, 16, true) })
	b.Run("active=all_at_once", func(b *testing.B) { memory(b, 1, false) })
}

// memory has so many windows bring a part of a million entities each. Then the last of them closes, or is still open.
func memory(b *testing.B, turns int, closed bool) {
	b.Helper()
	for b.Loop() {
		telemetry := componenttest.NewTelemetry()
		f := exfilprocessor.NewFactory()
		cfg := f.CreateDefaultConfig().(*exfilprocessor.Config)
		cfg.MaxEntities = 1_000_000
		set := processortest.NewNopSettings(f.Type())
		set.TelemetrySettings = telemetry.NewTelemetrySettings()
		p, err := f.CreateLogs(context.Background(), set, cfg, consumertest.NewNop())
		require.NoError(b, err)
		require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
		handful := func(at time.Time) {
			for flows := range load.New(1, load.Zipf).EveryPair(at) {
				require.NoError(b, p.ConsumeLogs(context.Background(), encoded(b, load.ECS, flows)))
			}
		}
		handful(monday)
		before := heap()

		t := load.New(1_000_000, load.Zipf)
		batch, batches := 0, (t.Pairs+load.BatchRecords-1)/load.BatchRecords
		for flows := range t.EveryPair(monday) {
			later := time.Duration(batch*turns/batches) * cfg.Windows[0]
			for i := range flows {
				flows[i].Time += int64(later)
			}
			require.NoError(b, p.ConsumeLogs(context.Background(), encoded(b, load.ECS, flows)))
			batch++
		}
		if closed {
			handful(monday.AddDate(0, 0, 7))
		}
		entities := t.Entities()
		t = nil
		require.Greater(b, known(b, telemetry), int64(entities), "port × region, which both rules have, is told of each")
		b.ReportMetric(float64(heap()-before)/float64(entities), "B/entity")
		b.ReportMetric(0, "ns/op")
		require.NoError(b, p.Shutdown(context.Background()))
		require.NoError(b, telemetry.Shutdown(context.Background()))
	}
}

// heap is what is allocated and reachable, in bytes.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // pools let go of what they hold at the second
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// known is how many entities there are, of all rules and keys.
func known(b *testing.B, telemetry *componenttest.Telemetry) (sum int64) {
	b.Helper()
	m, err := telemetry.GetMetric("otelcol_exfil_entities")
	require.NoError(b, err)
	for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
		sum += p.Value
	}
	return sum
}
