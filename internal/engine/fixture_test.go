package engine_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// world is an engine between a test's traffic and a downstream.
type world struct {
	t         *testing.T
	clock     *enginetest.Clock
	telemetry *componenttest.Telemetry
	log       *observer.ObservedLogs
	logger    *zap.Logger
	config    *config.Config
	registry  *engine.Registry
	next      *enginetest.Downstream
	host      component.Host
	instance  *engine.Instance // started, next is its outlet
}

func newWorld(t *testing.T, cfg *config.Config) *world {
	t.Helper()
	w := emptyWorld(t, cfg)
	w.instance = w.join(cfg, w.next)
	w.start(w.instance)
	return w
}

// emptyWorld is a world in which nothing has joined the engine yet.
func emptyWorld(t *testing.T, cfg *config.Config) *world {
	t.Helper()
	w := &world{t: t, config: cfg, clock: enginetest.NewClock(), host: componenttest.NewNopHost(), telemetry: componenttest.NewTelemetry(), next: &enginetest.Downstream{}}
	t.Cleanup(func() { require.NoError(t, w.telemetry.Shutdown(context.Background())) })
	core, log := observer.New(zap.WarnLevel)
	w.log, w.logger = log, zap.New(core)
	w.registry = engine.NewRegistry(w.clock)
	return w
}

// learn consumes three days of ordinary traffic.
func (w *world) learn() {
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
}

// settled is a world that has learned for three days and told of its warm-up.
func settled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, enginetest.Quick())
	w.learn()
	w.tick()
	require.Equal(t, []string{"warming_up", "ready"}, w.next.Statuses())
	return w
}

func (w *world) settings() engine.Settings {
	set := engine.Settings{
		TelemetrySettings: w.telemetry.NewTelemetrySettings(),
		ID:                component.MustNewIDWithName("exfil", "office"),
		Kind:              component.KindConnector,
		Version:           "1.2.3",
	}
	set.Logger = w.logger
	return set
}

func (w *world) join(cfg *config.Config, outlet consumer.Logs) *engine.Instance {
	w.t.Helper()
	i, err := w.registry.Join(w.settings(), cfg, outlet)
	require.NoError(w.t, err)
	return i
}

func (w *world) start(i *engine.Instance) {
	w.t.Helper()
	require.NoError(w.t, i.Start(context.Background(), w.host))
}

func (w *world) consume(ld plog.Logs) { deliver(context.Background(), w.instance, ld) }

// deliver gives an instance a delivery that the next consumer takes.
func deliver(ctx context.Context, i *engine.Instance, ld plog.Logs) { i.Commit(ctx, i.Decode(ld)) }

func (w *world) tick() { w.instance.Tick(context.Background()) }

func (w *world) shutdown() { w.leave(w.instance) }

func (w *world) leave(i *engine.Instance) {
	w.t.Helper()
	require.NoError(w.t, i.Shutdown(context.Background()))
}

// lost returns how many alerts and windows were said to be lost.
func (w *world) lost() int64 {
	var lost int64
	for _, entry := range w.log.FilterMessageSnippet("lost").All() {
		for _, things := range []string{"alerts", "windows"} {
			if n, ok := entry.ContextMap()[things]; ok {
				lost += n.(int64)
			}
		}
	}
	return lost
}
