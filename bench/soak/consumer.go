package main

import (
	"context"

	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
)

// counts is the next consumer. It counts alerts, and the thefts that they tell of.
type counts struct {
	anomalies int64
	told      int
	thieves   map[string]bool // hosts that have stolen and were not told of yet
}

// Capabilities says that alerts stay as they are.
func (*counts) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// expect makes it look for a host's theft.
func (c *counts) expect(host string) { c.thieves[host] = true }

// ConsumeLogs counts the alerts in ld.
func (c *counts) ConsumeLogs(_ context.Context, ld plog.Logs) error {
	for _, rl := range ld.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				c.count(lr)
			}
		}
	}
	return nil
}

func (c *counts) count(lr plog.LogRecord) {
	if lr.EventName() != alert.EventAnomaly {
		return
	}
	c.anomalies++
	if host, ok := lr.Attributes().Get("host.name"); ok && c.thieves[host.Str()] {
		delete(c.thieves, host.Str())
		c.told++
	}
}
