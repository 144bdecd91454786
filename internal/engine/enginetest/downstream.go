package enginetest

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
)

// ErrRefused is for a Downstream to refuse with.
var ErrRefused = errors.New("the next consumer is full")

// Downstream is a next consumer of logs that keeps what it accepts, data and alerts apart. Change its
// fields by Set while something consumes.
type Downstream struct {
	RefuseData   error
	RefuseAlerts error
	Vandal       bool          // changes what it is given, as a consumer may that says so
	Hang         chan struct{} // if not nil, alerts hang until their context ends; it is told when one does

	mu      sync.Mutex
	data    []plog.Logs
	alerts  []plog.LogRecord
	refused []plog.Logs
}

// Set changes a downstream while it is in use.
func (d *Downstream) Set(change func(d *Downstream)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

// Capabilities says that the downstream may change what it is given.
func (d *Downstream) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

// ConsumeLogs keeps ld, or refuses it.
func (d *Downstream) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	isAlert := ld.ResourceLogs().Len() > 0 &&
		ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Name() == alert.ScopeName
	d.mu.Lock()
	defer d.mu.Unlock()
	if isAlert && d.Hang != nil {
		d.Hang <- struct{}{}
		d.mu.Unlock()
		<-ctx.Done()
		d.mu.Lock()
		return ctx.Err()
	}
	err := d.RefuseData
	if isAlert {
		err = d.RefuseAlerts
	}
	kept := plog.NewLogs()
	ld.CopyTo(kept)
	if d.Vandal {
		ld.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true })
	}
	if err != nil {
		d.refused = append(d.refused, kept)
		return err
	}
	d.keep(kept, isAlert)
	return nil
}

func (d *Downstream) keep(ld plog.Logs, isAlert bool) {
	if !isAlert {
		d.data = append(d.data, ld)
		return
	}
	records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	for i := range records.Len() {
		d.alerts = append(d.alerts, records.At(i))
	}
}

// Data returns the deliveries that hold no alerts.
func (d *Downstream) Data() []plog.Logs {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.data[:len(d.data):len(d.data)]
}

// Alerts returns the alerts and events, in order.
func (d *Downstream) Alerts() []plog.LogRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.alerts[:len(d.alerts):len(d.alerts)]
}

// Refused returns the deliveries that were refused.
func (d *Downstream) Refused() []plog.Logs {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refused[:len(d.refused):len(d.refused)]
}

// Anomalies returns the entities that were alerted on, in order.
func (d *Downstream) Anomalies() []string { return d.told(alert.EventAnomaly, "exfil.entity.value") }

// Statuses returns the health events, in order.
func (d *Downstream) Statuses() []string { return d.told(alert.EventHealth, "exfil.health.status") }

func (d *Downstream) told(event, attribute string) []string {
	var all []string
	for _, lr := range d.Alerts() {
		if lr.EventName() == event {
			value, _ := lr.Attributes().Get(attribute)
			all = append(all, value.AsString())
		}
	}
	return all
}
