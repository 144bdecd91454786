package exfilprocessor

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/observer"
)

// logsProcessor is one instance in one pipeline. What it learns and decides is its engine's.
type logsProcessor struct {
	engine   *engine
	next     consumer.Logs
	shutdown sync.Once
}

// Capabilities says that records pass unchanged.
func (p *logsProcessor) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

// Start opens the databases and starts the clock, if no other instance has.
func (p *logsProcessor) Start(ctx context.Context, _ component.Host) error {
	return p.engine.start(ctx, p)
}

// ConsumeLogs hands ld on and, once it was accepted, observes it. Alerts leave as a batch of
// their own. An error is the next consumer's own about ld; that alerts could not be
// delivered is no reason to send ld again, so they are kept and tried again.
func (p *logsProcessor) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	batch := p.engine.observer.Decode(ld)
	if err := p.pass(ctx, ld, batch); err != nil {
		p.engine.observer.Discard(batch)
		return err
	}
	p.engine.observer.Commit(batch)
	p.engine.emit(ctx, p)
	return nil
}

// pass hands on what is to leave: all of ld or, without pass_through, the alerts in it that
// an instance before this one has written.
func (p *logsProcessor) pass(ctx context.Context, ld plog.Logs, batch *observer.Batch) error {
	switch {
	case p.engine.passThrough:
		return p.next.ConsumeLogs(ctx, ld)
	case batch.HasAlerts():
		return p.next.ConsumeLogs(ctx, observer.AlertsOf(ld))
	}
	return nil
}

// target returns where the alerts leave that a batch of this instance brings.
func (p *logsProcessor) target() consumer.Logs { return p.next }

// Shutdown delivers the alerts that are decided. The first call counts; it may come without Start.
func (p *logsProcessor) Shutdown(ctx context.Context) error {
	var err error
	p.shutdown.Do(func() { err = p.engine.leave(ctx, p) })
	return err
}
