package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
	"github.com/otel-exfil/exfil/internal/engine/internal/metadatatest"
	"github.com/otel-exfil/exfil/internal/rule"
)

// office is how the component is named in all that is told of it.
var office = []attribute.KeyValue{
	attribute.String("otelcol.component.id", "exfil/office"),
	attribute.String("otelcol.component.kind", "connector"),
}

// point is a data point of one attribute of its own.
func point(key, value string, n int64) metricdata.DataPoint[int64] {
	return metricdata.DataPoint[int64]{Attributes: attribute.NewSet(append(office[:2:2], attribute.String(key, value))...), Value: n}
}

func single(n int64) []metricdata.DataPoint[int64] {
	return []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(office...), Value: n}}
}

// nonZero returns the points of a sum that are not 0, by their outcome.
func nonZero(t *testing.T, w *world, name string) map[string]int64 {
	t.Helper()
	m, err := w.telemetry.GetMetric(name)
	require.NoError(t, err)
	points := map[string]int64{}
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		if p.Value != 0 {
			outcome, _ := p.Attributes.Value("outcome")
			points[outcome.AsString()] = p.Value
		}
	}
	return points
}

// statuses are how many exceptions stand how. What is told of one bears its name and owner.
func statuses(t *testing.T, w *world) map[string]int64 {
	t.Helper()
	m, err := w.telemetry.GetMetric("otelcol_exfil_exceptions")
	require.NoError(t, err)
	by := map[string]int64{}
	for _, p := range m.Data.(metricdata.Gauge[int64]).DataPoints {
		status, _ := p.Attributes.Value("status")
		by[status.AsString()] = p.Value
	}
	m, err = w.telemetry.GetMetric("otelcol_exfil_exception_flows")
	require.NoError(t, err)
	for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
		name, _ := p.Attributes.Value("exception")
		owner, _ := p.Attributes.Value("owner")
		assert.Equal(t, "backup by storage team", name.AsString()+" by "+owner.AsString())
	}
	return by
}

func TestTelemetryTellsWhatHappened(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.Exceptions = []rule.ExceptionConfig{{Name: "backup", Owner: "storage team", Match: rule.ExceptionMatchConfig{Ports: []any{873}}}}
	w := newWorld(t, cfg)
	hours := enginetest.Ordinary(3)
	for _, hour := range hours {
		w.consume(hour)
	}
	w.tick()
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	w.instance.Discard(w.instance.Decode(enginetest.ECS(enginetest.Theft(3))))

	broken := enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3), Port: 443, Bytes: -1}, enginetest.Sent{At: enginetest.AfterDays(3), Port: 873, Bytes: 5_000_000})
	w.consume(broken)
	inside := enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3), Port: 443, Bytes: 1000})
	a := inside.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes()
	a.PutStr("destination.ip", "10.9.9.9")
	a.PutStr("network.direction", "internal")
	w.consume(inside)

	ordinaryRecords := int64(8 * len(hours))
	assert.Equal(t, map[string]int64{"accepted": ordinaryRecords + 3, "bad_bytes": 1}, nonZero(t, w, "otelcol_exfil_records"))
	assert.Equal(t, map[string]int64{"leaves": ordinaryRecords + 1, "internal": 1, "excepted": 1}, nonZero(t, w, "otelcol_exfil_flows"))
	assert.Equal(t, map[string]int64{"excepted": 1}, nonZero(t, w, "otelcol_exfil_exception_flows"))
	assert.Equal(t, map[string]int64{"excepted": 5_000_000}, nonZero(t, w, "otelcol_exfil_exception_bytes"))
	assert.Equal(t, map[string]int64{"active": 1, "expiring": 0, "expired": 0, "idle": 0}, statuses(t, w))
	metadatatest.AssertEqualExfilNetworkFileFailures(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilRefusedRecords(t, w.telemetry, single(1), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilFailedEmissions(t, w.telemetry, single(1), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilLateFlows(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilFutureFlows(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilEvictedEntities(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilWindowsClosed(t, w.telemetry, single(int64(len(hours))), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilRunningTotals(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilDroppedAlerts(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())

	stats := w.instance.Stats()
	assert.Positive(t, stats.Alerts["unusual_destination_port"])
	metadatatest.AssertEqualExfilAlerts(t, w.telemetry, []metricdata.DataPoint[int64]{
		point("rule", "unusual_destination_port", stats.Alerts["unusual_destination_port"]),
		point("rule", "unusual_region", stats.Alerts["unusual_region"]),
	}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilPendingAlerts(t, w.telemetry,
		single(stats.Alerts["unusual_destination_port"]+stats.Alerts["unusual_region"]), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilSuppressedAlerts(t, w.telemetry, single(stats.Suppressed), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilBytes(t, w.telemetry, single(stats.Bytes), metricdatatest.IgnoreTimestamp())
	assert.Greater(t, stats.Bytes, int64(800_000_000))
	metadatatest.AssertEqualExfilEntities(t, w.telemetry, []metricdata.DataPoint[int64]{
		point("rule", "unusual_destination_port", stats.Entities["unusual_destination_port"]),
		point("rule", "unusual_region", stats.Entities["unusual_region"]),
	}, metricdatatest.IgnoreTimestamp())
	assert.Greater(t, stats.Entities["unusual_destination_port"], int64(6))

	lag := w.clock.Now().Sub(enginetest.AfterDays(3))
	metadatatest.AssertEqualExfilWatermarkLag(t, w.telemetry,
		[]metricdata.DataPoint[float64]{{Attributes: attribute.NewSet(office...), Value: lag.Seconds()}}, metricdatatest.IgnoreTimestamp())

	metadatatest.AssertEqualExfilDryRunSuppressedAlerts(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	_, err := w.telemetry.GetMetric("otelcol_exfil_dry_run_alerts")
	assert.Error(t, err, "no rule is in dry run")

	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.shutdown()
	_, err = w.telemetry.GetMetric("otelcol_exfil_records")
	assert.Error(t, err, "after the shutdown nothing is told any more")
}

func TestAlertsOfRulesInDryRunAreCountedApart(t *testing.T) {
	cfg := enginetest.Quick()
	on := true
	cfg.Rules = map[string]rule.Override{"unusual_destination_port": {DryRun: &on}}
	w := newWorld(t, cfg)
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	stats := w.instance.Stats()
	require.Positive(t, stats.DryRun.Alerts["unusual_destination_port"])
	metadatatest.AssertEqualExfilDryRunAlerts(t, w.telemetry, []metricdata.DataPoint[int64]{
		point("rule", "unusual_destination_port", stats.DryRun.Alerts["unusual_destination_port"]),
	}, metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilAlerts(t, w.telemetry, []metricdata.DataPoint[int64]{
		point("rule", "unusual_destination_port", 0),
		point("rule", "unusual_region", stats.Alerts["unusual_region"]),
	}, metricdatatest.IgnoreTimestamp())
	w.shutdown()
}

func TestTheAgeOfTheDatabaseIsTold(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	m, err := w.telemetry.GetMetric("otelcol_exfil_geo_database_age")
	require.NoError(t, err)
	points := m.Data.(metricdata.Gauge[float64]).DataPoints
	require.Len(t, points, 1, "the embedded table")
	name, _ := points[0].Attributes.Value("database")
	assert.Equal(t, "geo.database", name.AsString())
	built := w.clock.Now().Add(-time.Duration(points[0].Value * float64(time.Second)))
	assert.Greater(t, built.Year(), 2020)
	w.shutdown()
}

func TestStreamsOfMetricsAreTold(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	meter := enginetest.Meter{Cumulative: true}
	w.instance.Commit(t.Context(), w.instance.DecodeMetrics(meter.Export(enginetest.Connections(1)[0]...)))
	metadatatest.AssertEqualExfilStreams(t, w.telemetry, single(8), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilStreamResets(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilEvictedStreams(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	w.shutdown()
}

// Two components in one collector share its meter.
func TestComponentsTellApart(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	set := w.settings()
	set.Kind = component.KindProcessor
	other, err := engine.NewRegistry(w.clock).Join(set, enginetest.Quick(), w.next)
	require.NoError(t, err)
	w.start(other)
	w.consume(enginetest.ECS(enginetest.Theft(0)))
	metadatatest.AssertEqualExfilBytes(t, w.telemetry, []metricdata.DataPoint[int64]{
		single(800_000_000)[0],
		{Attributes: attribute.NewSet(office[0], attribute.String("otelcol.component.kind", "processor"))},
	}, metricdatatest.IgnoreTimestamp())
	w.leave(other)
	w.shutdown()
}
