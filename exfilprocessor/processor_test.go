package exfilprocessor

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

func TestATheftToAnUnusedPortAlertsWithTheRecordThatCrosses(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	require.Empty(t, w.next.Anomalies(), "ordinary traffic")

	w.consume(enginetest.ECS(enginetest.Theft(3)))
	assert.Contains(t, w.next.Anomalies(), "4444")
	w.shutdown()
}

func TestRecordsPassUnchanged(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	want := enginetest.Ordinary(1)
	for _, hour := range want {
		given := plog.NewLogs()
		hour.CopyTo(given)
		given.MarkReadOnly()
		w.consume(given)
	}
	require.Len(t, w.next.Data(), len(want))
	for i := range want {
		assert.Equal(t, want[i], w.next.Data()[i])
	}
	assert.False(t, w.processor.Capabilities().MutatesData)
	w.shutdown()
}

func TestTheNextConsumerMayChangeWhatItGets(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	w.next.Vandal = true
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	assert.Contains(t, w.next.Anomalies(), "4444")
	w.shutdown()
}

func TestWhatIsRefusedIsNotObserved(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	observed := w.stats()

	w.next.RefuseData = enginetest.ErrRefused
	for range 5 {
		err := w.processor.ConsumeLogs(context.Background(), enginetest.ECS(enginetest.Theft(3)))
		require.Equal(t, enginetest.ErrRefused, err, "the very error, so that the sender can tell what to do")
	}
	after := w.stats()
	assert.Empty(t, w.next.Anomalies())
	assert.Equal(t, observed.Records, after.Records)
	assert.Equal(t, observed.Flows, after.Flows)
	assert.EqualValues(t, 5, after.Refused)

	w.next.RefuseData = nil
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	assert.Contains(t, w.next.Anomalies(), "4444")
	flows, _ := w.next.Alerts()[len(w.next.Alerts())-1].Attributes().Get("exfil.flows")
	assert.EqualValues(t, 1, flows.Int(), "the theft counts once")
	w.shutdown()
}

func TestWithoutPassThroughOnlyAlertsLeave(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.PassThrough = false
	w := newWorld(t, cfg)
	w.next.RefuseData = enginetest.ErrRefused
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	assert.Zero(t, len(w.next.Data()))
	assert.Contains(t, w.next.Anomalies(), "4444")
	w.shutdown()
}

func TestWithoutPassThroughTheAlertsOfAnInstanceBeforeLeaveToo(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.PassThrough = false
	w := newWorld(t, cfg)
	mixed := enginetest.Ordinary(1)[0]
	scope := mixed.ResourceLogs().At(0).ScopeLogs().AppendEmpty()
	scope.Scope().SetName(alert.ScopeName)
	scope.LogRecords().AppendEmpty().SetEventName(alert.EventOverflow)
	mixed.MarkReadOnly()
	w.consume(mixed)
	require.Len(t, w.next.Alerts(), 1)
	assert.Equal(t, alert.EventOverflow, w.next.Alerts()[0].EventName())
	assert.EqualValues(t, 8, w.stats().Records["accepted"])

	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	require.Equal(t, enginetest.ErrRefused, w.processor.ConsumeLogs(context.Background(), mixed), "what came in must not get lost")
	assert.EqualValues(t, 8, w.stats().Records["accepted"])
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.shutdown()
}

func TestOwnAlertsAreNotReadAsFlows(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	require.NotEmpty(t, w.next.Alerts())

	// The alerts come round, as in a pipeline that receives what it sends.
	loop := plog.NewLogs()
	scope := loop.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	scope.Scope().SetName(alert.ScopeName)
	for _, lr := range w.next.Alerts() {
		lr.CopyTo(scope.LogRecords().AppendEmpty())
	}
	before := w.stats()
	count := len(w.next.Alerts())
	w.consume(loop)
	after := w.stats()
	assert.EqualValues(t, count, after.Records["own_alert"]-before.Records["own_alert"])
	assert.Equal(t, before.Flows, after.Flows)
	assert.Len(t, w.next.Alerts(), 2*count, "they pass on")
	w.shutdown()
}

func TestHostileRecordsPassOnUnharmed(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	hostile := enginetest.ECS(make([]enginetest.Sent, 12)...)
	records := hostile.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	spoil := []func(a pcommon.Map){
		func(a pcommon.Map) { a.PutDouble("source.bytes", math.NaN()) },
		func(a pcommon.Map) { a.PutDouble("source.bytes", math.Inf(1)) },
		func(a pcommon.Map) { a.PutInt("source.bytes", -1) },
		func(a pcommon.Map) { a.PutInt("source.bytes", math.MinInt64) },
		func(a pcommon.Map) { a.PutDouble("source.bytes", 1e300) },
		func(a pcommon.Map) { a.PutStr("source.bytes", "lots") },
		func(a pcommon.Map) { a.PutStr("source.ip", "10.0.0.999") },
		func(a pcommon.Map) { a.PutStr("destination.ip", strings.Repeat("f", 100_000)) },
		func(a pcommon.Map) { a.PutInt("destination.port", 70_000) },
		func(a pcommon.Map) { a.PutEmptyMap("source.ip").PutEmptyMap("source.ip") },
		func(a pcommon.Map) { a.PutEmptyBytes("host.name").FromRaw([]byte{0xff, 0x00}) },
		func(a pcommon.Map) { a.Clear() },
	}
	for i, change := range spoil {
		change(records.At(i).Attributes())
	}
	want := plog.NewLogs()
	hostile.CopyTo(want)
	w.consume(hostile)
	w.consume(plog.NewLogs())

	require.Equal(t, 2, len(w.next.Data()))
	stats := w.stats()
	var counted int64
	for _, n := range stats.Records {
		counted += n
	}
	assert.EqualValues(t, len(spoil), counted, "every record has an outcome: %v", stats.Records)
	assert.GreaterOrEqual(t, stats.Records["bad_bytes"], int64(5))
	w.shutdown()
}

func TestARunningTotalCountsOnceEvenWhenRefused(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	at := enginetest.AfterDays(0)
	total := func(second, bytes int64) plog.Logs {
		return enginetest.ECS(enginetest.Sent{At: at.Add(time.Duration(second) * time.Second), Host: "ws-1", Port: 443, Bytes: bytes, ID: "abc"})
	}
	w.consume(total(0, 1000))
	w.next.RefuseData = enginetest.ErrRefused
	require.Error(t, w.processor.ConsumeLogs(context.Background(), total(10, 3000)))
	w.next.RefuseData = nil
	w.consume(total(10, 3000))
	w.consume(total(10, 3000))
	w.consume(total(20, 3500))

	stats := w.stats()
	assert.EqualValues(t, 3500, stats.Bytes)
	assert.EqualValues(t, 3, stats.Flows["leaves"])
	assert.EqualValues(t, 1, stats.Flows["repeated"])
	assert.EqualValues(t, 1, stats.RunningTotals)
	w.shutdown()
}

func TestConsumeFromManyGoroutines(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	hours := enginetest.Ordinary(3)
	var senders sync.WaitGroup
	for sender := range 4 {
		senders.Go(func() {
			for i := sender; i < len(hours); i += 4 {
				assert.NoError(t, w.processor.ConsumeLogs(context.Background(), hours[i]))
			}
		})
	}
	senders.Go(func() {
		for range 50 {
			w.tick()
			w.stats()
		}
	})
	senders.Wait()
	stats := w.stats()
	assert.EqualValues(t, 8*len(hours), stats.Records["accepted"])
	assert.Equal(t, len(hours), len(w.next.Data()))
	w.shutdown()
}

func TestShutdownIsSafeAtAnyTime(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	w.shutdown()
	w.shutdown()

	unstarted := w.instance(enginetest.Quick(), w.next)
	require.NoError(t, unstarted.Shutdown(context.Background()))
	require.NoError(t, unstarted.Shutdown(context.Background()))
}

func TestAMissingDatabaseIsAnErrorAtStart(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.Geo.Database = t.TempDir() + "/none.mmdb"
	require.NoError(t, cfg.Validate(), "a configuration can be checked where the database is not")
	w := newWorld(t, enginetest.Quick())
	p := w.instance(cfg, w.next)
	err := p.Start(context.Background(), componenttest.NewNopHost())
	require.ErrorContains(t, err, "geo.database")
	require.NoError(t, p.Shutdown(context.Background()))
	w.shutdown()
}

func TestARuleFileThatIsGoneIsAnErrorAtCreation(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	cfg := enginetest.Quick()
	cfg.RuleFiles = []string{"testdata/nowhere.yaml"}
	_, err := w.factory.CreateLogs(context.Background(), w.settings(), cfg, w.next)
	require.ErrorContains(t, err, "rule_files[0]")
	w.shutdown()
}

func TestInstancesOfOneConfigurationShareWhatTheyLearn(t *testing.T) {
	cfg := enginetest.Quick()
	w := newWorld(t, cfg)
	other := &enginetest.Downstream{}
	second := w.instance(cfg, other)
	require.NoError(t, second.Start(context.Background(), componenttest.NewNopHost()))

	for i, hour := range enginetest.Ordinary(3) {
		if i%2 == 0 {
			w.consume(hour)
		} else {
			require.NoError(t, second.ConsumeLogs(context.Background(), hour))
		}
	}
	require.NoError(t, second.ConsumeLogs(context.Background(), enginetest.ECS(enginetest.Theft(3))))
	assert.Contains(t, other.Anomalies(), "4444", "by the pipeline that brought it")
	assert.Empty(t, w.next.Anomalies(), "and only there")

	w.shutdown()
	require.NoError(t, second.ConsumeLogs(context.Background(), enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3).Add(2 * time.Hour), Host: "ws-4", Port: 5555, Bytes: 900_000_000})))
	assert.Contains(t, other.Anomalies(), "5555", "the second goes on alone")
	require.NoError(t, second.Shutdown(context.Background()))
}

func TestTheDefaultConfigurationIsTheSharedOne(t *testing.T) {
	assert.Equal(t, config.Default(), NewFactory().CreateDefaultConfig())
	assert.Equal(t, "exfil", fmt.Sprint(NewFactory().Type()))
}

func TestTelemetryNamesTheComponent(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	f := NewFactory()
	set := processortest.NewNopSettings(f.Type())
	set.ID = component.NewIDWithName(f.Type(), "office")
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	c, err := f.CreateLogs(t.Context(), set, f.CreateDefaultConfig(), &enginetest.Downstream{})
	require.NoError(t, err)
	m, err := telemetry.GetMetric("otelcol_exfil_bytes")
	require.NoError(t, err)
	assert.Equal(t, attribute.NewSet(
		attribute.String("otelcol.component.id", "exfil/office"),
		attribute.String("otelcol.component.kind", "processor"),
	), m.Data.(metricdata.Sum[int64]).DataPoints[0].Attributes)
	require.NoError(t, c.Shutdown(t.Context()))
	require.NoError(t, telemetry.Shutdown(t.Context()))
}
