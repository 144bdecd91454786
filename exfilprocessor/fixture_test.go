package exfilprocessor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otel-exfil/exfil/internal/engine/enginetest"
	"github.com/otel-exfil/exfil/internal/observer"
)

// world is a processor between a test's traffic and a downstream.
type world struct {
	t         *testing.T
	clock     *enginetest.Clock
	factory   processor.Factory
	next      *enginetest.Downstream
	processor processor.Logs
}

func newWorld(t *testing.T, cfg *Config) *world {
	t.Helper()
	w := emptyWorld(t)
	w.processor = w.instance(cfg, w.next)
	w.start(w.processor)
	return w
}

// emptyWorld is a world without a processor as yet.
func emptyWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, clock: enginetest.NewClock(), next: &enginetest.Downstream{}}
	w.factory = newFactory(w.clock)
	return w
}

func (w *world) instance(cfg *Config, next consumer.Logs) processor.Logs {
	w.t.Helper()
	p, err := w.factory.CreateLogs(context.Background(), w.settings(), cfg, next)
	require.NoError(w.t, err)
	return p
}

func (w *world) settings() processor.Settings {
	set := processortest.NewNopSettings(w.factory.Type())
	set.ID = component.NewIDWithName(w.factory.Type(), "office")
	return set
}

func (w *world) start(c component.Component) {
	w.t.Helper()
	require.NoError(w.t, c.Start(context.Background(), componenttest.NewNopHost()))
}

func (w *world) stop(c component.Component) {
	w.t.Helper()
	require.NoError(w.t, c.Shutdown(context.Background()))
}

func (w *world) consume(ld plog.Logs) {
	w.t.Helper()
	require.NoError(w.t, w.processor.ConsumeLogs(context.Background(), ld))
}

func (w *world) shutdown() { w.stop(w.processor) }

// tick lets the engine look at the time.
func (w *world) tick() { w.processor.(*logsProcessor).instance.Tick(context.Background()) }

// stats returns what the engine did so far.
func (w *world) stats() observer.Stats { return w.processor.(*logsProcessor).instance.Stats() }
