package exfilprocessor

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/otel-exfil/exfil/exfilprocessor/internal/metadata"
	"github.com/otel-exfil/exfil/internal/observer"
)

// tickInterval is how often the passing of time is looked at. Windows are minutes to hours
// long, retries begin at a second.
const tickInterval = time.Second

// engine is what the instances of one configuration share: the observer, its clock, the
// delivery of its alerts and its telemetry.
type engine struct {
	*emitter
	observer    *observer.Observer
	passThrough bool
	clock       clock
	telemetry   *metadata.TelemetryBuilder

	instances int         // guarded by the factory
	release   func() bool // takes one instance away; true for the last

	mu      sync.Mutex
	started []*logsProcessor   // alerts that no batch brings leave through the first
	cancel  context.CancelFunc // of the ticker
	stopped chan struct{}      // closed when the ticker has ended
}

func newEngine(set processor.Settings, cfg *Config, c clock) (*engine, error) {
	o, err := observer.New(cfg, observer.Settings{
		Logger:       set.Logger,
		Now:          c.now,
		BuildVersion: set.BuildInfo.Version,
	})
	if err != nil {
		return nil, err
	}
	e := &engine{
		emitter:     newEmitter(o, set.Logger, c.now),
		observer:    o,
		passThrough: cfg.PassThrough,
		clock:       c,
	}
	if e.telemetry, err = newTelemetry(set.TelemetrySettings, e, c.now); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return e, nil
}

// start counts an instance in; the first one starts the engine.
func (e *engine) start(ctx context.Context, p *logsProcessor) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel == nil {
		if err := e.observer.Start(ctx); err != nil {
			return err
		}
		e.startTicker()
	}
	e.started = append(e.started, p)
	return nil
}

func (e *engine) startTicker() {
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	e.cancel, e.stopped = cancel, stopped
	ticks, stop := e.clock.every(tickInterval)
	go func() {
		defer close(stopped)
		defer stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticks:
				e.tick(ctx)
			}
		}
	}()
}

func (e *engine) tick(ctx context.Context) {
	e.observer.Tick()
	e.emit(ctx, e)
}

// target returns the next consumer of the first instance, nil where all have left.
func (e *engine) target() consumer.Logs {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.started) == 0 {
		return nil
	}
	return e.started[0].next
}

// leave takes an instance out. When it returns, nothing is on its way to that instance's
// next consumer any more. The last one delivers what is decided and ends the engine.
func (e *engine) leave(ctx context.Context, p *logsProcessor) error {
	e.mu.Lock()
	e.started = slices.DeleteFunc(e.started, func(o *logsProcessor) bool { return o == p })
	e.mu.Unlock()
	if !e.release() {
		e.settle(ctx)
		return nil
	}
	defer e.telemetry.Shutdown()
	if !e.stopTicker(ctx) {
		return nil
	}
	e.observer.Tick()
	left := e.flush(ctx, p)
	if err := e.observer.Close(); err != nil {
		return err
	}
	if left > 0 {
		return fmt.Errorf("%d alerts are lost: the next consumer did not take them before the shutdown", left)
	}
	return nil
}

// stopTicker ends the ticker and waits for it. It reports whether there was one.
func (e *engine) stopTicker(ctx context.Context) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel == nil {
		return false
	}
	e.cancel()
	select {
	case <-e.stopped:
	case <-ctx.Done():
	}
	return true
}
