package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pipeline"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
	"github.com/otel-exfil/exfil/internal/engine/internal/metadatatest"
)

// dashboard is a next consumer of metrics that can refuse.
type dashboard struct {
	consumertest.MetricsSink
	refuse  error
	refused int
}

func (d *dashboard) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if d.refuse != nil {
		d.refused++
		md.ResourceMetrics().RemoveIf(func(pmetric.ResourceMetrics) bool { return true })
		return d.refuse
	}
	return d.MetricsSink.ConsumeMetrics(ctx, md)
}

// windows are the ends of the windows that a gauge of the bytes to port 443 was received of, in order.
func (d *dashboard) windows() (ends []time.Time) {
	for _, md := range d.AllMetrics() {
		for _, p := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().All() {
			if entity, _ := p.Attributes().Get("exfil.entity.value"); entity.Str() == "443" {
				ends = append(ends, p.Timestamp().AsTime())
			}
		}
	}
	return ends
}

func (w *world) joinForGauges(reads pipeline.Signal, top int, outlet consumer.Metrics) *engine.Instance {
	w.t.Helper()
	set := w.settings()
	set.Reads = reads
	i, err := w.registry.JoinForGauges(set, w.config, top, outlet)
	require.NoError(w.t, err)
	return i
}

// hours are the ends of so many hours from Monday on.
func hours(n int) (ends []time.Time) {
	for hour := range n {
		ends = append(ends, enginetest.Monday.Add(time.Duration(hour+1)*time.Hour))
	}
	return ends
}

// Whoever learns, alerts leave to the one side and gauges to the other, each once.
func TestAlertsAndGaugesLeaveApart(t *testing.T) {
	w := emptyWorld(t, enginetest.Quick())
	board := &dashboard{}
	gauges := w.joinForGauges(pipeline.SignalMetrics, 10, board)
	w.instance = w.join(w.config, w.next)
	w.start(gauges)
	w.start(w.instance)
	assert.True(t, gauges.Counts())
	for i, hour := range enginetest.Ordinary(3) {
		deliver(t.Context(), []*engine.Instance{w.instance, gauges}[i%2], hour)
	}
	deliver(t.Context(), gauges, enginetest.ECS(enginetest.Theft(3)))
	assert.Contains(t, w.next.Anomalies(), "4444")
	assert.Equal(t, hours(72), board.windows(), "with the theft, 20 minutes into the hour, the last one has closed")
	w.clock.Advance(2 * time.Hour)
	deliveries := len(board.AllMetrics())
	w.leave(gauges)
	assert.Len(t, board.AllMetrics(), deliveries+1, "the hour of the theft is over, too")
	w.shutdown()
	assert.Zero(t, w.lost())
}

// Given that logs lead to alerts and to gauges, when a collector hands the same logs to both instances, then
// one counts; of metrics, that lead to gauges only, that one does.
func TestADeliveryToTwoInstancesCountsOnce(t *testing.T) {
	w := emptyWorld(t, enginetest.Quick())
	set := w.settings()
	set.Reads = pipeline.SignalLogs
	alerts, err := w.registry.Join(set, w.config, w.next)
	require.NoError(t, err)
	logs := w.joinForGauges(pipeline.SignalLogs, 10, &dashboard{})
	metrics := w.joinForGauges(pipeline.SignalMetrics, 10, &dashboard{})
	for _, i := range []*engine.Instance{logs, metrics, alerts} {
		w.start(i)
	}
	assert.True(t, alerts.Counts())
	assert.False(t, logs.Counts())
	assert.True(t, metrics.Counts())
	for _, i := range []*engine.Instance{alerts, metrics, logs} {
		w.leave(i)
	}
}

func TestGaugesAloneKeepNoAlerts(t *testing.T) {
	w := emptyWorld(t, enginetest.Quick())
	board := &dashboard{}
	only := w.joinForGauges(pipeline.SignalLogs, 10, board)
	w.start(only)
	for _, hour := range enginetest.Ordinary(3) {
		deliver(t.Context(), only, hour)
	}
	deliver(t.Context(), only, enginetest.ECS(enginetest.Theft(3)))
	assert.Positive(t, only.Stats().Alerts["unusual_destination_port"], "decided all the same")
	assert.Zero(t, only.Stats().Pending)
	assert.True(t, only.Counts())
	w.leave(only)
	assert.Equal(t, hours(72), board.windows())
	assert.Zero(t, w.lost())
}

// Without an outlet for gauges nothing is read of the windows, and nothing waits.
func TestAlertsAloneKeepNoGauges(t *testing.T) {
	w := settled(t)
	require.Positive(t, w.instance.Stats().Detector.WindowsClosed)
	metadatatest.AssertEqualExfilLostWindows(t, w.telemetry, single(0), metricdatatest.IgnoreTimestamp())
	w.shutdown()
	assert.Zero(t, w.lost())
}

func TestRefusedGaugesAreTriedAgain(t *testing.T) {
	w := emptyWorld(t, enginetest.Quick())
	board := &dashboard{refuse: enginetest.ErrRefused}
	w.instance = w.joinForGauges(pipeline.SignalLogs, 10, board)
	w.start(w.instance)
	day := enginetest.Ordinary(1)
	for _, hour := range day[:5] {
		w.consume(hour)
	}
	require.Equal(t, 1, board.refused, "the next one waits for a second to pass")
	w.clock.Advance(time.Second)
	w.tick()
	require.Equal(t, 2, board.refused)
	board.refuse = nil
	w.tick()
	assert.Empty(t, board.windows(), "too soon")
	w.clock.Advance(2 * time.Second)
	w.tick()
	closed := board.windows()
	require.NotEmpty(t, closed)
	assert.Equal(t, hours(len(closed)), closed, "whole, oldest first")
	metadatatest.AssertEqualExfilFailedEmissions(t, w.telemetry, single(2), metricdatatest.IgnoreTimestamp())

	// What waits too long is lost, the oldest first, and counted.
	board.refuse = enginetest.ErrRefused
	for _, hour := range day[5:] {
		w.consume(hour)
	}
	lost := w.instance.Stats().LostWindows
	require.Positive(t, lost)
	metadatatest.AssertEqualExfilLostWindows(t, w.telemetry, single(lost), metricdatatest.IgnoreTimestamp())
	w.shutdown()
	assert.Equal(t, 1, w.log.FilterMessage("Gauges are lost: nothing took them before the shutdown").Len())
	assert.Len(t, board.windows(), len(closed))
}

func TestTheTickerTellsWhatNoTrafficCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := emptyWorld(t, enginetest.Quick())
		board := &dashboard{}
		registry := engine.NewRegistry(engine.WallClock{})
		i, err := registry.JoinForGauges(w.settings(), w.config, 10, board)
		require.NoError(t, err)
		w.start(i)
		deliver(t.Context(), i, enginetest.ECS(enginetest.Sent{At: time.Now(), Host: "ws-1", Port: 443, Bytes: 1000}))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Len(t, board.windows(), 1)
		w.leave(i)
	})
}

// In every order of start and shutdown each window is told once.
func TestGaugesLeaveOnceInEveryOrder(t *testing.T) {
	for _, startsFirst := range []bool{true, false} {
		for _, stopsFirst := range []bool{true, false} {
			w := emptyWorld(t, enginetest.Quick())
			board := &dashboard{}
			sides := map[bool]*engine.Instance{
				true:  w.joinForGauges(pipeline.SignalLogs, 10, board),
				false: w.joinForGauges(pipeline.SignalMetrics, 10, board),
			}
			w.start(sides[startsFirst])
			w.start(sides[!startsFirst])
			for i, hour := range enginetest.Ordinary(1) {
				deliver(t.Context(), sides[i%2 == 0], hour)
			}
			w.clock.Advance(2 * time.Hour)
			w.leave(sides[stopsFirst])
			w.leave(sides[!stopsFirst])
			assert.Equal(t, hours(24), board.windows())
			assert.Zero(t, w.lost())
		}
	}
}

func TestGaugesOfABrokenConfigurationAreRefused(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.RuleFiles = []string{"testdata/nowhere.yaml"}
	w := emptyWorld(t, cfg)
	_, err := w.registry.JoinForGauges(w.settings(), cfg, 10, &dashboard{})
	require.ErrorContains(t, err, "rule_files[0]")
}
