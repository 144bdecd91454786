package exfilprocessor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"

	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

func (w *world) metrics(cfg *Config, next consumer.Metrics) processor.Metrics {
	w.t.Helper()
	p, err := w.factory.CreateMetrics(context.Background(), w.settings(), cfg, next)
	require.NoError(w.t, err)
	return p
}

// Given the processor in a metrics and in a logs pipeline, whichever is made and started first,
// when metrics bring a theft, then the alert leaves through the logs pipeline, once, and the metrics pass.
func TestATheftInMetricsAlertsInTheLogsPipeline(t *testing.T) {
	for name, logsFirst := range map[string]bool{"logs first": true, "metrics first": false} {
		t.Run(name, func(t *testing.T) {
			w := emptyWorld(t)
			cfg := enginetest.Quick()
			passed := &consumertest.MetricsSink{}
			var pm processor.Metrics
			if logsFirst {
				w.processor = w.instance(cfg, w.next)
				pm = w.metrics(cfg, passed)
				w.start(w.processor)
				w.start(pm)
			} else {
				pm = w.metrics(cfg, passed)
				w.processor = w.instance(cfg, w.next)
				w.start(pm)
				w.start(w.processor)
			}
			var meter enginetest.Meter
			hours := enginetest.Connections(3)
			for _, hour := range hours {
				require.NoError(t, pm.ConsumeMetrics(t.Context(), meter.Export(hour...)))
			}
			require.Empty(t, w.next.Anomalies(), "ordinary traffic")
			require.NoError(t, pm.ConsumeMetrics(t.Context(), meter.Export(enginetest.Theft(3))))
			assert.Contains(t, w.next.Anomalies(), "4444")
			assert.Len(t, passed.AllMetrics(), len(hours)+1)
			assert.Empty(t, w.next.Data())

			count := len(w.next.Alerts())
			if logsFirst {
				w.stop(w.processor)
				w.stop(pm)
			} else {
				w.stop(pm)
				w.stop(w.processor)
			}
			assert.Len(t, w.next.Alerts(), count)
		})
	}
}

func TestMetricsPassUnchanged(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	cfg := enginetest.Quick()
	logs := w.instance(cfg, w.next)
	passed := &consumertest.MetricsSink{}
	pm := w.metrics(cfg, passed)
	w.start(logs)
	w.start(pm)
	assert.False(t, pm.Capabilities().MutatesData)

	given := (&enginetest.Meter{}).Export(enginetest.Connections(1)[0]...)
	gauge := given.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	gauge.SetName("system.memory.usage")
	gauge.SetEmptyGauge().DataPoints().AppendEmpty().SetDoubleValue(7)
	want := pmetric.NewMetrics()
	given.CopyTo(want)
	given.MarkReadOnly()
	require.NoError(t, pm.ConsumeMetrics(t.Context(), given))
	require.Len(t, passed.AllMetrics(), 1)
	got := pmetric.NewMetrics()
	passed.AllMetrics()[0].CopyTo(got)
	assert.Equal(t, want, got)
	w.stop(pm)
	w.stop(logs)
	w.shutdown()
}

func TestMetricsThatAreRefusedAreNotObserved(t *testing.T) {
	cfg := enginetest.Quick()
	w := newWorld(t, cfg)
	pm := w.metrics(cfg, consumertest.NewErr(enginetest.ErrRefused))
	w.start(pm)
	md := (&enginetest.Meter{}).Export(enginetest.Theft(0))
	for range 3 {
		require.Equal(t, enginetest.ErrRefused, pm.ConsumeMetrics(t.Context(), md))
	}
	assert.Zero(t, w.stats().Bytes)
	w.stop(pm)

	pm = w.metrics(cfg, consumertest.NewNop())
	w.start(pm)
	require.NoError(t, pm.ConsumeMetrics(t.Context(), md))
	assert.EqualValues(t, 800_000_000, w.stats().Bytes)
	w.stop(pm)
	w.shutdown()
}

func TestWithoutPassThroughMetricsEndHere(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.PassThrough = false
	w := newWorld(t, cfg)
	pm := w.metrics(cfg, consumertest.NewErr(enginetest.ErrRefused))
	w.start(pm)
	require.NoError(t, pm.ConsumeMetrics(t.Context(), (&enginetest.Meter{}).Export(enginetest.Theft(0))))
	assert.EqualValues(t, 800_000_000, w.stats().Bytes)
	w.stop(pm)
	w.shutdown()
}

func TestWithoutALogsPipelineOfItsIDAMetricsProcessorDoesNotStart(t *testing.T) {
	stranger := newWorld(t, enginetest.Quick())
	cfg := enginetest.Quick()
	pm := stranger.metrics(cfg, consumertest.NewNop())
	err := pm.Start(t.Context(), componenttest.NewNopHost())
	require.ErrorIs(t, err, engine.ErrNoOutlet)
	assert.EqualError(t, err, `processor "exfil/office" in a metrics pipeline: no logs pipeline takes the alerts; `+
		`add "exfil/office" to a logs pipeline, too, or use the connector "exfil" instead`)
	stranger.stop(pm)
	stranger.shutdown()
}

func TestAMetricsProcessorNamesWhatElseIsWrongAtItsStart(t *testing.T) {
	w := emptyWorld(t)
	cfg := enginetest.Quick()
	cfg.Geo.Database = t.TempDir() + "/none.mmdb"
	both := []component.Component{w.metrics(cfg, consumertest.NewNop()), w.instance(cfg, w.next)}
	err := both[0].Start(t.Context(), componenttest.NewNopHost())
	require.ErrorContains(t, err, "geo.database")
	require.NotErrorIs(t, err, engine.ErrNoOutlet)
	for _, p := range both {
		w.stop(p)
	}
}

func TestARuleFileThatIsGoneIsAnErrorAtCreationForMetricsToo(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.RuleFiles = []string{"testdata/nowhere.yaml"}
	w := emptyWorld(t)
	_, err := w.factory.CreateMetrics(t.Context(), w.settings(), cfg, consumertest.NewNop())
	require.ErrorContains(t, err, "rule_files[0]")
}

// The same cycle a collector goes through when its configuration is read anew, in one process.
func TestAReloadBeginsAnew(t *testing.T) {
	w := emptyWorld(t)
	var meter enginetest.Meter
	for range 3 {
		cfg := enginetest.Quick() // a new pointer, as a reload gives
		logs, metrics := w.instance(cfg, w.next), w.metrics(cfg, consumertest.NewNop())
		w.start(metrics)
		w.start(logs)
		w.processor = logs
		require.Zero(t, w.stats().Bytes)
		for _, hour := range enginetest.Connections(2) {
			require.NoError(t, metrics.ConsumeMetrics(t.Context(), meter.Export(hour...)))
		}
		require.Positive(t, w.stats().Bytes)
		w.tick()
		w.stop(logs)
		w.stop(metrics)
	}
	assert.Equal(t, []string{"warming_up", "ready", "warming_up", "ready", "warming_up", "ready"}, w.next.Statuses())
}
