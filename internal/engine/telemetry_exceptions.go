package engine

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otel-exfil/exfil/internal/rule"
)

// excepting is what is told of exceptions, or of calendars.
type excepting struct {
	key      string // of the attribute that names one
	reports  func() []rule.ExceptionReport
	statuses []rule.ExceptionStatus
	own      []attribute.KeyValue // of the component
}

func (e *excepting) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(e.own[:len(e.own):len(e.own)], more...)...)
}

// named returns the attributes that name one.
func (e *excepting) named(x *rule.ExceptionReport) (name, owner attribute.KeyValue) {
	return attribute.String(e.key, x.Name), attribute.String("owner", x.Owner)
}

// each tells of each what fell under it, within its ceiling and above.
func (e *excepting) each(read func(*rule.ExceptionReport) (within, above int64)) metric.Int64Callback {
	return func(_ context.Context, to metric.Int64Observer) error {
		for _, x := range e.reports() {
			name, owner := e.named(&x)
			within, above := read(&x)
			to.Observe(within, e.with(name, owner, attribute.String("outcome", "excepted")))
			to.Observe(above, e.with(name, owner, attribute.String("outcome", "above_ceiling")))
		}
		return nil
	}
}

// stand counts them by how they stand, if there are any.
func (e *excepting) stand(_ context.Context, to metric.Int64Observer) error {
	reports := e.reports()
	if len(reports) == 0 {
		return nil
	}
	by := make(map[rule.ExceptionStatus]int64)
	for i := range reports {
		by[reports[i].Status]++
	}
	for _, status := range e.statuses {
		to.Observe(by[status], e.with(attribute.String("status", string(status))))
	}
	return nil
}

// failures tells of those with conditions how often one could not be evaluated.
func (e *excepting) failures(to metric.Int64Observer) {
	for _, x := range e.reports() {
		if x.HasConditions {
			name, owner := e.named(&x)
			to.Observe(x.ConditionFailures, e.with(name, owner))
		}
	}
}
