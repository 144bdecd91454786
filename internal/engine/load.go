package engine

import (
	"context"

	"go.opentelemetry.io/collector/consumer"

	"github.com/otel-exfil/exfil/internal/observer"
)

// alertLoad are the alerts that an observer has decided on.
type alertLoad struct{ *observer.Observer }

func (l alertLoad) waiting() int64                { return l.Pending() }
func (alertLoad) words() (subject, things string) { return "Alerts", "alerts" }

func (l alertLoad) deliver(ctx context.Context, next consumer.Logs) (int, error) {
	return l.DeliverAlerts(ctx, next.ConsumeLogs)
}

// gaugeLoad are the gauges of the windows that an observer has closed.
type gaugeLoad struct{ *observer.Observer }

func (l gaugeLoad) waiting() int64                { return l.PendingWindows() }
func (gaugeLoad) words() (subject, things string) { return "Gauges", "windows" }

func (l gaugeLoad) deliver(ctx context.Context, next consumer.Metrics) (int, error) {
	return l.DeliverGauges(ctx, next.ConsumeMetrics)
}
