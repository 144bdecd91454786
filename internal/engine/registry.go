package engine

import (
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"

	"github.com/otel-exfil/exfil/internal/config"
)

// Settings are what an engine needs beside its configuration.
type Settings struct {
	component.TelemetrySettings
	ID      component.ID
	Kind    component.Kind
	Version string // of the collector, named in alerts
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
	e, ok := r.engines[cfg]
	if !ok {
		var err error
		if e, err = newEngine(set, cfg, r.clock); err != nil {
			return nil, err
		}
		r.engines[cfg] = e
	}
	e.instances++
	if outlet != nil {
		e.outlets++
	}
	return &Instance{engine: e, registry: r, config: cfg, outlet: outlet}, nil
}

// leave takes an instance away and reports whether it was the last of its engine. The next
// instance of that configuration then begins anew.
func (r *Registry) leave(i *Instance) (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := i.engine
	if i.outlet != nil {
		e.outlets--
	}
	if e.instances--; e.instances > 0 {
		return false
	}
	delete(r.engines, i.config)
	return true
}

// hasOutlet says whether any instance of an engine has an outlet. Since a collector makes
// all instances before it starts any, the answer is final once one starts.
func (r *Registry) hasOutlet(e *engine) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return e.outlets > 0
}
