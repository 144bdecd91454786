package engine

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/observer"
)

// ErrNoOutlet is returned by the start of an instance of which nothing could ever leave: neither
// its alerts nor its gauges have an outlet.
var ErrNoOutlet = errors.New("no logs pipeline takes the alerts")

// Instance is the share in an engine of one component instance in one pipeline. Its methods are
// safe for concurrent use between Start and Shutdown.
//
// A delivery is read with Decode before it is handed on and, once the next
// consumer has taken it, counted with Commit; one that was refused is forgotten with Discard.
type Instance struct {
	engine   *engine
	registry *Registry
	config   *config.Config
	reads    pipeline.Signal
	doubled  bool                      // another instance counts what this one is given; set by Start
	alerts   *outlet[consumer.Logs]    // nil: alerts leave through another instance's
	gauges   *outlet[consumer.Metrics] // nil: gauges leave through another instance's, if any wants them
	shutdown sync.Once
}

// Start counts the instance in; the first one opens the databases, takes over what the configuration's
// storage has, which host must run, and starts the clock. Where no instance has an outlet, it fails with ErrNoOutlet. Where only gauges have one, alerts are decided and
// counted but not kept.
func (i *Instance) Start(ctx context.Context, host component.Host) error {
	wanted := i.registry.wantsOf(i)
	if !wanted.alerts && !wanted.gauges {
		return ErrNoOutlet
	}
	i.doubled = wanted.doubled
	return i.engine.start(ctx, host, i, wanted)
}

// Counts says whether the instance's deliveries are to be read. They are not where another instance of the
// same configuration is given the same, see JoinForGauges.
func (i *Instance) Counts() bool { return !i.doubled }

// Decode reads the flows of a delivery of logs without counting anything yet. It keeps nothing
// of ld but strings.
func (i *Instance) Decode(ld plog.Logs) *observer.Batch { return i.engine.observer.Decode(ld) }

// DecodeMetrics does for a delivery of metrics what Decode does for logs.
func (i *Instance) DecodeMetrics(md pmetric.Metrics) *observer.Batch {
	return i.engine.observer.DecodeMetrics(md)
}

// Commit counts a delivery that the next consumer has taken, and delivers the alerts and gauges that it brings,
// through the instance's own outlets where it has any. That they could not be delivered is no
// reason to send the delivery again, and so no error: they are kept and tried again.
func (i *Instance) Commit(ctx context.Context, b *observer.Batch) {
	i.engine.observer.Commit(ctx, b)
	i.engine.alerts.emitThrough(ctx, i.alerts)
	i.engine.gauges.emitThrough(ctx, i.gauges)
}

// Discard forgets a delivery that the next consumer has refused: it will come again.
func (i *Instance) Discard(b *observer.Batch) { i.engine.observer.Discard(b) }

// Tick lets the engine look at the time. Its own ticker does so every second.
func (i *Instance) Tick(ctx context.Context) { i.engine.tick(ctx) }

// Settle waits until all that was committed has been observed, where windows that close hold it up, and looks at the time. It is for
// whoever plays hours in moments, and wants to know how things are.
func (i *Instance) Settle(ctx context.Context) {
	i.engine.observer.Settle()
	i.engine.tick(ctx)
}

// Stats reports what the engine did so far.
func (i *Instance) Stats() observer.Stats { return i.engine.observer.Stats() }

// Shutdown takes the instance out: when it returns, nothing is on its way to its outlet any
// more. The last instance, and the last that has an outlet, deliver what is decided. The first
// call counts; it may come without Start.
func (i *Instance) Shutdown(ctx context.Context) error {
	var err error
	i.shutdown.Do(func() { err = i.engine.leave(ctx, i, i.registry.leave(i)) })
	return err
}
