package observer

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Pending returns the number of alerts that wait to be delivered.
func (o *Observer) Pending() (n int64) {
	for _, t := range o.tenants.list() {
		n += t.pending.waiting.Load()
	}
	return n
}

// DeliverAlerts gives consume the alerts that wait, a tenant's after the other's, each oldest first. The records are the consumer's.
// What it accepts is taken off; what it refuses of one tenant's waits, and does not keep it from the others'. N is how many
// alerts there were, err what refused some of them. The context, in which a tenant's are delivered, names it where clients
// do. One delivery of alerts at a time.
func (o *Observer) DeliverAlerts(ctx context.Context, consume func(context.Context, plog.Logs) error) (n int, err error) {
	for _, t := range o.tenants.list() {
		if t.pending.waiting.Load() == 0 {
			continue
		}
		alerts, waiting := t.pending.logs()
		n += waiting
		if refused := consume(o.partition.deliver(ctx, t.identity), alerts); refused != nil {
			err = errors.Join(err, refused)
			continue
		}
		t.pending.remove(waiting)
	}
	return n, err
}

// PendingWindows returns the number of closed windows whose gauges wait to be delivered.
func (o *Observer) PendingWindows() (n int64) {
	for _, t := range o.tenants.list() {
		n += t.readings.waiting.Load()
	}
	return n
}

// DeliverGauges gives consume the gauges of the closed windows that wait, as DeliverAlerts does with alerts. N is how many windows
// there were.
func (o *Observer) DeliverGauges(ctx context.Context, consume func(context.Context, pmetric.Metrics) error) (n int, err error) {
	for _, t := range o.tenants.list() {
		windows := t.readings.waiting.Load()
		if windows == 0 {
			continue
		}
		n += int(windows)
		gauges, mark := t.readings.metrics()
		if refused := consume(o.partition.deliver(ctx, t.identity), gauges); refused != nil {
			err = errors.Join(err, refused)
			continue
		}
		t.readings.remove(mark)
	}
	return n, err
}
