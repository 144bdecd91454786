package exfilprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/observer"
)

// logsProcessor is one instance in one logs pipeline.
type logsProcessor struct {
	instance    *engine.Instance
	next        consumer.Logs
	passThrough bool
}

// Capabilities says that records pass unchanged.
func (p *logsProcessor) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

// Start opens the databases and starts the clock, if no other instance has.
func (p *logsProcessor) Start(ctx context.Context, host component.Host) error {
	return p.instance.Start(ctx, host)
}

// ConsumeLogs hands ld on and, once it was accepted, observes it. Alerts leave as a batch of
// their own. An error is the next consumer's own about ld.
func (p *logsProcessor) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	batch := p.instance.Decode(ld)
	if err := p.pass(ctx, ld, batch); err != nil {
		p.instance.Discard(batch)
		return err
	}
	p.instance.Commit(ctx, batch)
	return nil
}

// pass hands on what is to leave: all of ld or, without pass_through, the alerts in it that
// an instance before this one has written.
func (p *logsProcessor) pass(ctx context.Context, ld plog.Logs, batch *observer.Batch) error {
	switch {
	case p.passThrough:
		return p.next.ConsumeLogs(ctx, ld)
	case batch.HasAlerts():
		return p.next.ConsumeLogs(ctx, observer.AlertsOf(ld))
	}
	return nil
}

// Shutdown delivers the alerts that are decided. The first call counts; it may come without Start.
func (p *logsProcessor) Shutdown(ctx context.Context) error { return p.instance.Shutdown(ctx) }
