package exfilconnector

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/engine"
)

// share is an instance's part in the engine of its configuration, whatever it reads.
type share struct{ instance *engine.Instance }

// Capabilities says that what comes is only read.
func (s share) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

// Start opens the databases and starts the clock, if no other instance has.
func (s share) Start(ctx context.Context, host component.Host) error {
	return s.instance.Start(ctx, host)
}

// Shutdown delivers what is decided. The first call counts; it may come without Start.
func (s share) Shutdown(ctx context.Context) error { return s.instance.Shutdown(ctx) }

// logsReader is an instance that ends logs pipelines, whatever it leads to.
type logsReader struct{ share }

// ConsumeLogs observes ld, which ends here, unless another instance of this connector does. It never
// fails: that alerts could not be delivered is no reason to send ld again, for it has been counted.
func (c *logsReader) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	if c.instance.Counts() {
		c.instance.Commit(ctx, c.instance.Decode(ld))
	}
	return nil
}

// metricsReader is an instance that ends metrics pipelines, whatever it leads to.
type metricsReader struct{ share }

// ConsumeMetrics observes md, which ends here. It never fails, as ConsumeLogs.
func (c *metricsReader) ConsumeMetrics(ctx context.Context, md pmetric.Metrics) error {
	if c.instance.Counts() {
		c.instance.Commit(ctx, c.instance.DecodeMetrics(md))
	}
	return nil
}
