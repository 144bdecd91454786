package exfilprocessor

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/engine"
)

// metricsProcessor is one instance in one metrics pipeline. Its alerts leave through the logs
// pipelines that have the processor of the same id.
type metricsProcessor struct {
	id          component.ID
	instance    *engine.Instance
	next        consumer.Metrics
	passThrough bool
}

// Capabilities says that metrics pass unchanged.
func (p *metricsProcessor) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

// Start opens the databases and starts the clock, if no other instance has. It fails with
// engine.ErrNoOutlet where no logs pipeline has the processor.
func (p *metricsProcessor) Start(ctx context.Context, host component.Host) error {
	err := p.instance.Start(ctx, host)
	if errors.Is(err, engine.ErrNoOutlet) {
		return fmt.Errorf("processor %q in a metrics pipeline: %w; add %[1]q to a logs pipeline, too, or use the connector \"exfil\" instead", p.id, err)
	}
	return err
}

// ConsumeMetrics hands md on and, once it was accepted, observes it. An error is the next
// consumer's own about md.
func (p *metricsProcessor) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	batch := p.instance.DecodeMetrics(md)
	if p.passThrough {
		if err := p.next.ConsumeMetrics(ctx, md); err != nil {
			p.instance.Discard(batch)
			return err
		}
	}
	p.instance.Commit(ctx, batch)
	return nil
}

// Shutdown delivers the alerts that are decided, as long as a logs pipeline is left that takes
// them. The first call counts; it may come without Start.
func (p *metricsProcessor) Shutdown(ctx context.Context) error { return p.instance.Shutdown(ctx) }
