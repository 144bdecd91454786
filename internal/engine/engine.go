package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine/internal/metadata"
	"github.com/otel-exfil/exfil/internal/observer"
)

// tickInterval is how often the passing of time is looked at. Windows are minutes to hours
// long, retries begin at a second.
const tickInterval = time.Second

// engine is what the instances of one configuration share.
type engine struct {
	*emitter
	observer  *observer.Observer
	clock     Clock
	telemetry *metadata.TelemetryBuilder

	instances int // not shut down; guarded by the registry, as the next
	outlets   int // of those, the instances that have one

	mu      sync.Mutex
	open    []*Instance        // started, with an outlet; alerts that no batch brings leave through the first
	cancel  context.CancelFunc // of the ticker; nil until the first instance has started
	stopped chan struct{}      // closed when the ticker has ended
}

func newEngine(set Settings, cfg *config.Config, c Clock) (*engine, error) {
	o, err := observer.New(cfg, observer.Settings{
		Logger:       set.Logger,
		Now:          c.Now,
		BuildVersion: set.Version,
	})
	if err != nil {
		return nil, err
	}
	e := &engine{
		emitter:  newEmitter(o, set.Logger, c.Now),
		observer: o,
		clock:    c,
	}
	if e.telemetry, err = newTelemetry(set, e, c.Now); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return e, nil
}

// start counts an instance in; the first one starts the engine.
func (e *engine) start(ctx context.Context, i *Instance) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel == nil {
		if err := e.observer.Start(ctx); err != nil {
			return err
		}
		e.startTicker()
	}
	if i.outlet != nil {
		e.open = append(e.open, i)
	}
	return nil
}

func (e *engine) startTicker() {
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	e.cancel, e.stopped = cancel, stopped
	ticks, stop := e.clock.Every(tickInterval)
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

// target returns the first outlet that is open, nil where there is none yet or any more.
func (e *engine) target() consumer.Logs {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.open) == 0 {
		return nil
	}
	return e.open[0].outlet
}

// leave takes an instance out. When it returns, nothing is on its way to that instance's
// outlet any more. The last instance ends the engine.
func (e *engine) leave(ctx context.Context, i *Instance, last bool) error {
	closed, lastOutlet := e.close(i)
	switch {
	case last:
		return e.end(ctx, closed)
	case lastOutlet:
		// What the instances that stay decide from now on has no way out; what is decided has.
		e.observer.Tick()
		e.flush(ctx, closed)
	case closed != outlet{}:
		e.settle(ctx)
	}
	return nil
}

// close takes an instance's outlet out of those that are open. It returns where to flush to: the
// outlet if it was open, else nowhere; and whether it was the last one.
func (e *engine) close(i *Instance) (closed outlet, last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := slices.Index(e.open, i)
	if at < 0 {
		return outlet{}, false
	}
	e.open = slices.Delete(e.open, at, at+1)
	return outlet{i.outlet}, len(e.open) == 0
}

// end delivers what is decided and ends the engine.
func (e *engine) end(ctx context.Context, last outlet) error {
	defer e.telemetry.Shutdown()
	if !e.stopTicker(ctx) {
		return nil
	}
	e.observer.Tick()
	if left := e.flush(ctx, last); left > 0 {
		// No error: it would end a collector that only reloads its configuration.
		e.logger.Error("Alerts are lost: nothing took them before the shutdown", zap.Int64("alerts", left))
	}
	return e.observer.Close()
}

// stopTicker ends the ticker and waits for it. It reports whether there was one.
func (e *engine) stopTicker(ctx context.Context) bool {
	e.mu.Lock()
	cancel, stopped := e.cancel, e.stopped
	e.mu.Unlock()
	if cancel == nil {
		return false
	}
	cancel()
	select {
	case <-stopped:
	case <-ctx.Done():
	}
	return true
}
