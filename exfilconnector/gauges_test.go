package exfilconnector

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// board is a connector whose baselines are drawn: the instances that a collector makes of it between logs and
// metrics pipelines, metrics pipelines and, where it has one, an alert pipeline.
type board struct {
	t       *testing.T
	factory connector.Factory
	sink    consumertest.MetricsSink
	alerts  *enginetest.Downstream // nil: no alert pipeline

	logs    []connector.Logs // given the same deliveries, as by a collector
	metrics []connector.Metrics
}

func newBoard(t *testing.T, cfg *Config, alerts *enginetest.Downstream) *board {
	t.Helper()
	b := &board{t: t, factory: newFactory(enginetest.NewClock()), alerts: alerts}
	set := connectortest.NewNopSettings(b.factory.Type())
	logs, err := b.factory.CreateLogsToMetrics(t.Context(), set, cfg, &b.sink)
	require.NoError(t, err)
	metrics, err := b.factory.CreateMetricsToMetrics(t.Context(), set, cfg, &b.sink)
	require.NoError(t, err)
	b.logs, b.metrics = append(b.logs, logs), append(b.metrics, metrics)
	if alerts != nil {
		logs, err := b.factory.CreateLogsToLogs(t.Context(), set, cfg, alerts)
		require.NoError(t, err)
		metrics, err := b.factory.CreateMetricsToLogs(t.Context(), set, cfg, alerts)
		require.NoError(t, err)
		b.logs, b.metrics = append(b.logs, logs), append(b.metrics, metrics)
	}
	for _, c := range b.all() {
		require.NoError(t, c.Start(t.Context(), componenttest.NewNopHost()))
	}
	return b
}

func (b *board) all() (all []component.Component) {
	for _, c := range b.logs {
		all = append(all, c)
	}
	for _, c := range b.metrics {
		all = append(all, c)
	}
	return all
}

func (b *board) consumeLogs(ld plog.Logs) {
	b.t.Helper()
	ld.MarkReadOnly()
	for _, c := range b.logs {
		require.NoError(b.t, c.ConsumeLogs(b.t.Context(), ld))
		require.False(b.t, c.Capabilities().MutatesData)
	}
}

func (b *board) consumeMetrics(md pmetric.Metrics) {
	b.t.Helper()
	md.MarkReadOnly()
	for _, c := range b.metrics {
		require.NoError(b.t, c.ConsumeMetrics(b.t.Context(), md))
	}
}

func (b *board) stats() *engine.Instance { return b.logs[0].(*logsReader).instance }

func (b *board) stop() {
	b.t.Helper()
	for _, c := range b.all() {
		require.NoError(b.t, c.Shutdown(b.t.Context()))
	}
}

// drawn is one gauge of one entity over time.
type drawn struct {
	at    []time.Time
	value []float64
}

func (b *board) draw(gauge string, port int64) (d drawn) {
	for _, md := range b.sink.AllMetrics() {
		for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if m.Name() != gauge {
				continue
			}
			for _, p := range m.Gauge().DataPoints().All() {
				if of, ok := p.Attributes().Get("destination.port"); ok && of.Int() == port {
					d.at = append(d.at, p.Timestamp().AsTime())
					v := p.DoubleValue()
					if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
						v = float64(p.IntValue())
					}
					d.value = append(d.value, v)
				}
			}
		}
	}
	return d
}

// play lets three days of an office and a theft of 800 MB pass, as logs or as counters, and an hour more.
func (b *board) play(asMetrics bool) {
	hours := append(enginetest.Connections(3), []enginetest.Sent{enginetest.Theft(3)})
	later := enginetest.AfterDays(3).Add(time.Hour)
	hours = append(hours, []enginetest.Sent{{At: later, Host: "ws-1", Port: 443, Bytes: 200_000}})
	var meter enginetest.Meter
	for _, hour := range hours {
		if asMetrics {
			b.consumeMetrics(meter.Export(hour...))
		} else {
			b.consumeLogs(enginetest.ECS(hour...))
		}
	}
}

// Given a connector that leads to dashboards, with or without an alert pipeline, when an office's traffic
// comes as logs or as metrics, then the band of what is usual is drawn for every hour, and the theft stands out.
func TestTheBandAndTheTheftAreDrawn(t *testing.T) {
	for name, asMetrics := range map[string]bool{"logs": false, "metrics": true} {
		for kind, alerts := range map[string]*enginetest.Downstream{"with alerts": {}, "without": nil} {
			t.Run(name+" "+kind, func(t *testing.T) {
				b := newBoard(t, quick(), alerts)
				b.play(asMetrics)
				b.stop()

				https := b.draw("exfil.window.bytes", 443)
				require.Len(t, https.at, 72, "an hour each")
				for i, at := range https.at {
					assert.Equal(t, enginetest.Monday.Add(time.Duration(i+1)*time.Hour), at.UTC())
					want := 0.0
					for _, c := range enginetest.Connections(3)[i] {
						if c.Port == 443 {
							want += float64(c.Bytes)
						}
					}
					assert.Equal(t, want, https.value[i], "each delivery counts once")
				}
				assert.Len(t, b.draw("exfil.baseline.typical", 443).at, 72)
				upper := b.draw("exfil.baseline.upper", 443)
				require.Len(t, upper.at, 48, "after a day of warm-up")
				assert.Equal(t, https.at[24:], upper.at)
				for i, most := range upper.value {
					assert.Greater(t, most, https.value[24+i])
				}
				theft := b.draw("exfil.window.bytes", 4444)
				assert.Equal(t, []float64{800_000_000}, theft.value)
				assert.Less(t, b.draw("exfil.baseline.upper", 4444).value[0], 800_000_000.0)
				assert.GreaterOrEqual(t, b.draw("exfil.score", 4444).value[0], 75.0)
				if alerts != nil {
					assert.Contains(t, alerts.Anomalies(), "4444")
				}
			})
		}
	}
}

func TestOnlyTheTopAreDrawn(t *testing.T) {
	cfg := quick()
	cfg.Metrics.Top = 1
	b := newBoard(t, cfg, nil)
	b.play(false)
	b.stop()
	assert.Len(t, b.draw("exfil.window.bytes", 443).at, 72, "it sends most")
	assert.Empty(t, b.draw("exfil.window.bytes", 22).at)
	assert.Len(t, b.draw("exfil.window.bytes", 4444).at, 1)

	cfg = quick()
	cfg.Metrics.Top = 0
	none := newBoard(t, cfg, nil)
	none.play(false)
	none.stop()
	assert.Zero(t, none.sink.DataPointCount())
}

func TestWhatIsReadTwiceCountsOnce(t *testing.T) {
	b := newBoard(t, quick(), &enginetest.Downstream{})
	b.consumeLogs(enginetest.ECS(enginetest.Theft(0)))
	var meter enginetest.Meter
	b.consumeMetrics(meter.Export(enginetest.Theft(0)))
	assert.EqualValues(t, 2*800_000_000, b.stats().Stats().Bytes, "once as a log and once as a metric")
	b.stop()
}

func TestADashboardDoesNotPassOnEither(t *testing.T) {
	f := NewFactory()
	cfg := f.CreateDefaultConfig().(*Config)
	cfg.PassThrough = true
	_, err := f.CreateLogsToMetrics(t.Context(), connectortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.ErrorIs(t, err, ErrPassThrough)
	_, err = f.CreateMetricsToMetrics(t.Context(), connectortest.NewNopSettings(f.Type()), cfg, consumertest.NewNop())
	require.ErrorIs(t, err, ErrPassThrough)
}
