package exfilconnector

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// quick is a connector's configuration that is soon warmed up.
func quick() *Config {
	cfg := defaultConfig().(*Config)
	cfg.shared = *enginetest.Quick()
	cfg.PassThrough = false
	return cfg
}

// world is a connector between logs pipelines, metrics pipelines, and an alert pipeline.
type world struct {
	t       *testing.T
	clock   *enginetest.Clock
	factory connector.Factory
	next    *enginetest.Downstream
	logs    connector.Logs
	metrics connector.Metrics
}

func newWorld(t *testing.T, cfg *Config) *world {
	t.Helper()
	w := &world{t: t, clock: enginetest.NewClock(), next: &enginetest.Downstream{}}
	w.factory = newFactory(w.clock)
	w.join(cfg)
	return w
}

// join makes and starts the instances that a collector makes of a configuration.
func (w *world) join(cfg *Config) {
	w.t.Helper()
	var err error
	w.logs, err = w.factory.CreateLogsToLogs(context.Background(), w.settings(), cfg, w.next)
	require.NoError(w.t, err)
	w.metrics, err = w.factory.CreateMetricsToLogs(context.Background(), w.settings(), cfg, w.next)
	require.NoError(w.t, err)
	require.NoError(w.t, w.metrics.Start(context.Background(), componenttest.NewNopHost()))
	require.NoError(w.t, w.logs.Start(context.Background(), componenttest.NewNopHost()))
}

func (w *world) settings() connector.Settings { return connectortest.NewNopSettings(w.factory.Type()) }

func (w *world) consume(ld plog.Logs) {
	w.t.Helper()
	require.NoError(w.t, w.logs.ConsumeLogs(context.Background(), ld))
}

func (w *world) instance() *engine.Instance { return w.logs.(*logsReader).instance }

func (w *world) stop(all ...component.Component) {
	w.t.Helper()
	for _, c := range all {
		require.NoError(w.t, c.Shutdown(context.Background()))
	}
}

func TestATheftInLogsLeavesNothingButAlerts(t *testing.T) {
	w := newWorld(t, quick())
	for _, hour := range enginetest.Ordinary(3) {
		hour.MarkReadOnly() // another exporter of the pipeline gets the same
		w.consume(hour)
	}
	require.Empty(t, w.next.Anomalies(), "ordinary traffic")
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	assert.Contains(t, w.next.Anomalies(), "4444")
	assert.Equal(t, []string{"warming_up", "ready"}, w.next.Statuses())
	assert.Empty(t, w.next.Data())
	assert.False(t, w.logs.Capabilities().MutatesData)
	w.stop(w.logs, w.metrics)
}

func TestATheftInMetricsAlerts(t *testing.T) {
	for name, meter := range map[string]*enginetest.Meter{"increases": {}, "running totals": {Cumulative: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, quick())
			for _, hour := range enginetest.Connections(3) {
				md := meter.Export(hour...)
				md.MarkReadOnly()
				require.NoError(t, w.metrics.ConsumeMetrics(t.Context(), md))
			}
			require.Empty(t, w.next.Anomalies(), "ordinary traffic")
			require.NoError(t, w.metrics.ConsumeMetrics(t.Context(), meter.Export(enginetest.Theft(3))))
			assert.Contains(t, w.next.Anomalies(), "4444")
			assert.False(t, w.metrics.Capabilities().MutatesData)
			w.stop(w.metrics, w.logs)
		})
	}
}

func TestLogsAndMetricsOfOneIDShareWhatTheyLearn(t *testing.T) {
	w := newWorld(t, quick())
	var meter enginetest.Meter
	for i, hour := range enginetest.Connections(3) {
		if i%2 == 0 {
			w.consume(enginetest.ECS(hour...))
		} else {
			require.NoError(t, w.metrics.ConsumeMetrics(t.Context(), meter.Export(hour...)))
		}
	}
	w.instance().Tick(t.Context())
	require.Equal(t, []string{"warming_up", "ready"}, w.next.Statuses(), "once each")
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	assert.Contains(t, w.next.Anomalies(), "4444")
	require.NoError(t, w.metrics.ConsumeMetrics(t.Context(), meter.Export(enginetest.Theft(3))))
	told := 0
	for _, entity := range w.next.Anomalies() {
		if entity == "4444" {
			told++
		}
	}
	assert.Equal(t, 1, told, "metrics tell nothing of the port that logs have not told")

	w.stop(w.logs)
	later := enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-4", Port: 5555, Bytes: 900_000_000}
	require.NoError(t, w.metrics.ConsumeMetrics(t.Context(), meter.Export(later)))
	assert.Contains(t, w.next.Anomalies(), "5555", "metrics go on alone")
	w.stop(w.metrics)
}

func TestAlertsThatAreRefusedDoNotFailTheRecords(t *testing.T) {
	w := newWorld(t, quick())
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	var meter enginetest.Meter
	require.NoError(t, w.metrics.ConsumeMetrics(t.Context(), meter.Export(enginetest.Theft(3))))
	require.Empty(t, w.next.Anomalies())

	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.stop(w.metrics, w.logs)
	assert.Contains(t, w.next.Anomalies(), "4444")
}

// Whatever brings the alerts back: they are no flows, and do not leave again.
func TestAlertsThatComeBackEndHere(t *testing.T) {
	w := newWorld(t, quick())
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	loop := plog.NewLogs()
	scope := loop.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	scope.Scope().SetName(alert.ScopeName)
	for _, lr := range w.next.Alerts() {
		lr.CopyTo(scope.LogRecords().AppendEmpty())
	}
	count, before := scope.LogRecords().Len(), w.instance().Stats()
	w.consume(loop)
	after := w.instance().Stats()
	assert.EqualValues(t, count, after.Records["own_alert"]-before.Records["own_alert"])
	assert.Equal(t, before.Flows, after.Flows)
	assert.Len(t, w.next.Alerts(), count)
	w.stop(w.logs, w.metrics)
}

// As when a collector is told to read its configuration again.
func TestAReloadBeginsAnew(t *testing.T) {
	w := newWorld(t, quick())
	for range 3 {
		require.Zero(t, w.instance().Stats().Bytes)
		for _, hour := range enginetest.Ordinary(2) {
			w.consume(hour)
		}
		w.instance().Tick(t.Context())
		w.stop(w.logs, w.metrics)
		w.join(quick())
	}
	w.stop(w.metrics, w.logs)
	assert.Equal(t, []string{"warming_up", "ready", "warming_up", "ready", "warming_up", "ready"}, w.next.Statuses())
}

func TestAConnectorDoesNotPassOn(t *testing.T) {
	f := NewFactory()
	cfg := f.CreateDefaultConfig().(*Config)
	assert.False(t, cfg.PassThrough)
	cfg.PassThrough = true
	_, err := f.CreateLogsToLogs(t.Context(), connectortest.NewNopSettings(f.Type()), cfg, &enginetest.Downstream{})
	require.ErrorIs(t, err, ErrPassThrough)
	_, err = f.CreateMetricsToLogs(t.Context(), connectortest.NewNopSettings(f.Type()), cfg, &enginetest.Downstream{})
	require.ErrorIs(t, err, ErrPassThrough)
}

func TestTheDefaultsAreTheProcessors(t *testing.T) {
	want := *config.Default()
	want.PassThrough = false
	assert.Equal(t, &Config{shared: want, Metrics: Metrics{Top: 100}}, NewFactory().CreateDefaultConfig())
	assert.Equal(t, "exfil", NewFactory().Type().String())
}

func TestAMissingDatabaseIsAnErrorAtStart(t *testing.T) {
	cfg := quick()
	cfg.Geo.Database = t.TempDir() + "/none.mmdb"
	f := newFactory(enginetest.NewClock())
	c, err := f.CreateLogsToLogs(t.Context(), connectortest.NewNopSettings(f.Type()), cfg, &enginetest.Downstream{})
	require.NoError(t, err)
	require.ErrorContains(t, c.Start(t.Context(), componenttest.NewNopHost()), "geo.database")
	require.NoError(t, c.Shutdown(t.Context()))
}

func TestTelemetryNamesTheComponent(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	f := NewFactory()
	set := connectortest.NewNopSettings(f.Type())
	set.ID = component.NewIDWithName(f.Type(), "office")
	set.TelemetrySettings = telemetry.NewTelemetrySettings()
	c, err := f.CreateLogsToLogs(t.Context(), set, f.CreateDefaultConfig(), &enginetest.Downstream{})
	require.NoError(t, err)
	m, err := telemetry.GetMetric("otelcol_exfil_bytes")
	require.NoError(t, err)
	assert.Equal(t, attribute.NewSet(
		attribute.String("otelcol.component.id", "exfil/office"),
		attribute.String("otelcol.component.kind", "connector"),
	), m.Data.(metricdata.Sum[int64]).DataPoints[0].Attributes)
	require.NoError(t, c.Shutdown(t.Context()))
	require.NoError(t, telemetry.Shutdown(t.Context()))
}
