package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine/internal/metadata"
	"github.com/otel-exfil/exfil/internal/observer"
)

// tickInterval is how often the passing of time is looked at. Windows are minutes to hours
// long, retries begin at a second.
const tickInterval = time.Second

// engine is what the instances of one configuration share.
type engine struct {
	observer  *observer.Observer
	clock     Clock
	telemetry *metadata.TelemetryBuilder
	alerts    *exit[consumer.Logs]
	gauges    *exit[consumer.Metrics]

	settings Settings
	config   *config.Config
	keeper   *keeper // nil: nothing is kept; set by the first start
	kept     keeperStats
	reloader *reloader    // nil: no rule file is followed; set by the first start
	still    sync.Mutex   // held while the observer is loaded, saved, or told to follow other rules
	unread   atomic.Int64 // times that the rule files could not be followed

	members // guarded by the registry

	mu      sync.Mutex
	cancel  context.CancelFunc // of the ticker; nil until the first instance has started
	stopped chan struct{}      // closed when the ticker has ended
}

// members counts the instances of an engine that have not been shut down.
type members struct {
	all      int
	alerting map[pipeline.Signal]int // those that have an outlet for alerts, by what they read
	telling  int                     // those that have an outlet for gauges
	top      int                     // entities of a rule and window that gauges are wanted of
}

// alertOutlets is how many instances have an outlet for alerts.
func (m *members) alertOutlets() (n int) {
	for _, of := range m.alerting {
		n += of
	}
	return n
}

func newEngine(set Settings, cfg *config.Config, c Clock) (*engine, error) {
	o, err := observer.New(cfg, observer.Settings{
		Logger:       set.Logger,
		Now:          c.Now,
		BuildVersion: set.Version,
		Background:   true,
	})
	if err != nil {
		return nil, err
	}
	e := &engine{
		observer: o,
		clock:    c,
		settings: set,
		config:   cfg,
		alerts:   &exit[consumer.Logs]{emitter: newEmitter(alertLoad{o}, set.Logger, c.Now)},
		gauges:   &exit[consumer.Metrics]{emitter: newEmitter(gaugeLoad{o}, set.Logger, c.Now)},
		members:  members{alerting: map[pipeline.Signal]int{}},
	}
	if e.telemetry, err = newTelemetry(set, e, c.Now); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	return e, nil
}

// start counts an instance in; the first one starts the engine, with what host has in storage. Wanted is what
// the instances want of it.
func (e *engine) start(ctx context.Context, host component.Host, i *Instance, wanted wants) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel == nil {
		if !wanted.alerts {
			e.observer.DiscardAlerts()
		}
		if wanted.gauges {
			e.observer.KeepReadings(wanted.top)
		}
		if err := e.observer.Start(ctx); err != nil {
			return err
		}
		if err := e.startKeeper(ctx, host); err != nil {
			return errors.Join(err, e.observer.Close())
		}
		e.startReloader()
		e.startTicker()
	}
	e.alerts.add(i.alerts)
	e.gauges.add(i.gauges)
	return nil
}

// startKeeper takes over what is stored, if the configuration names a storage.
func (e *engine) startKeeper(ctx context.Context, host component.Host) error {
	if e.config.Storage == nil {
		return nil
	}
	k, err := newKeeper(e.settings, *e.config.Storage, e.config.CheckpointInterval, e.clock, e.observer, &e.still, &e.kept, host)
	if err != nil {
		return err
	}
	e.keeper = k
	k.start(ctx)
	return nil
}

// startReloader follows the rule files, if there are any and they are to be followed.
func (e *engine) startReloader() {
	interval := e.config.Geo.ReloadInterval
	if len(e.config.RuleFiles) == 0 || interval == 0 {
		return
	}
	e.reloader = &reloader{
		observer: e.observer, config: e.config, logger: e.settings.Logger, now: e.clock.Now,
		interval: interval, still: &e.still, failures: &e.unread,
	}
	e.reloader.start()
}

func (e *engine) startTicker() {
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	e.cancel, e.stopped = cancel, stopped
	interval := tickInterval
	if e.keeper != nil {
		interval = min(interval, e.config.CheckpointInterval)
	}
	ticks, stop := e.clock.Every(interval)
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
	e.alerts.emit(ctx, e.alerts)
	e.gauges.emit(ctx, e.gauges)
	if e.keeper != nil {
		e.keeper.look()
	}
	if e.reloader != nil {
		e.reloader.look()
	}
}

// leave takes an instance out. When it returns, nothing is on its way to that instance's
// outlets any more. The last instance ends the engine.
func (e *engine) leave(ctx context.Context, i *Instance, last bool) error {
	alertsOpen, lastAlerts := e.alerts.remove(i.alerts)
	gaugesOpen, lastGauges := e.gauges.remove(i.gauges)
	if !last {
		if lastAlerts || lastGauges {
			e.decideAll()
		}
		e.alerts.leave(ctx, i.alerts, alertsOpen, lastAlerts)
		e.gauges.leave(ctx, i.gauges, gaugesOpen, lastGauges)
		return nil
	}
	defer e.telemetry.Shutdown()
	if !e.stopTicker(ctx) {
		return nil
	}
	if e.reloader != nil {
		e.reloader.end(ctx)
	}
	e.decideAll()
	kept := e.keeper != nil && e.keeper.loaded.Load()
	e.alerts.end(ctx, i.alerts, alertsOpen, kept)
	e.gauges.end(ctx, i.gauges, gaugesOpen, false)
	if e.keeper == nil {
		return e.observer.Close()
	}
	return errors.Join(e.keeper.end(ctx), e.observer.Close())
}

// decideAll lets the observer decide all that can be decided now.
func (e *engine) decideAll() {
	e.observer.Settle() // where something is queued, a tick does nothing
	e.observer.Tick()
	e.observer.Settle()
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
