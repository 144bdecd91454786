package engine

import (
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-exfil/exfil/internal/config"
)

// Settings are what an engine needs beside its configuration.
type Settings struct {
	component.TelemetrySettings
	ID      component.ID
	Kind    component.Kind
	Version string // of the collector, named in alerts
	// Reads is what the instance is given. Needed only where instances of one configuration may
	// be given the same deliveries, see JoinForGauges.
	Reads pipeline.Signal
}

// Registry keeps the engines of a component's factory, one for each configuration that is in
// use. It is safe for concurrent use.
type Registry struct {
	clock Clock

	mu      sync.Mutex
	engines map[*config.Config]*engine // of the instances that have not been shut down
}

// NewRegistry returns a registry whose engines go by a clock.
func NewRegistry(clock Clock) *Registry {
	return &Registry{clock: clock, engines: map[*config.Config]*engine{}}
}

// Join makes an instance of the engine of cfg. The configuration is told by its pointer: an equal
// one is not the same. The first instance makes the engine, from its own settings; when the
// last one is shut down, all that was learned goes with it.
//
// Outlet is where the instance's alerts leave. An instance in a pipeline that does not carry logs
// has none (nil), and its alerts leave through another instance's.
func (r *Registry) Join(set Settings, cfg *config.Config, outlet consumer.Logs) (*Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.engineOf(set, cfg)
	if err != nil {
		return nil, err
	}
	i := &Instance{engine: e, registry: r, config: cfg, reads: set.Reads, alerts: outletTo(outlet)}
	e.all++
	if outlet != nil {
		e.alerting[set.Reads]++
	}
	return i, nil
}

// JoinForGauges makes an instance as Join does, through which the gauges of closed windows leave
// instead of alerts: of each rule and window those of the top entities by bytes.
//
// A collector gives all that a connector reads of a signal to each of its instances that read it: to the one
// that leads to logs pipelines and to the one that leads to metrics pipelines. An instance for
// gauges counts only what no instance for alerts is given, too.
func (r *Registry) JoinForGauges(set Settings, cfg *config.Config, top int, outlet consumer.Metrics) (*Instance, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, err := r.engineOf(set, cfg)
	if err != nil {
		return nil, err
	}
	e.all++
	if outlet != nil {
		e.telling++
		e.top = top
	}
	return &Instance{engine: e, registry: r, config: cfg, reads: set.Reads, gauges: outletTo(outlet)}, nil
}

// engineOf returns the engine of a configuration, made if there is none; r.mu is held.
func (r *Registry) engineOf(set Settings, cfg *config.Config) (*engine, error) {
	if e, ok := r.engines[cfg]; ok {
		return e, nil
	}
	e, err := newEngine(set, cfg, r.clock)
	if err != nil {
		return nil, err
	}
	r.engines[cfg] = e
	return e, nil
}

// leave takes an instance away and reports whether it was the last of its engine. The next
// instance of that configuration then begins anew.
func (r *Registry) leave(i *Instance) (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := i.engine
	if i.alerts != nil {
		e.alerting[i.reads]--
	}
	if i.gauges != nil {
		e.telling--
	}
	if e.all--; e.all > 0 {
		return false
	}
	delete(r.engines, i.config)
	return true
}

// wants are what the instances of an engine want of it.
type wants struct {
	alerts, gauges bool
	top            int
	doubled        bool // the instance asking is given what an instance for alerts is given, too
}

// wantsOf says what the instances of i's engine want. Since a collector makes all instances before it
// starts any, the answer is final once one starts.
func (r *Registry) wantsOf(i *Instance) wants {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := i.engine
	return wants{
		alerts:  e.alertOutlets() > 0,
		gauges:  e.telling > 0,
		top:     e.top,
		doubled: i.gauges != nil && e.alerting[i.reads] > 0,
	}
}
