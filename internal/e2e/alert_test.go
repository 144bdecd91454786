package e2e

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otel-exfil/exfil/exfilprocessor"
	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// told is an alert as its reader sees it.
type told struct {
	Time       pcommon.Timestamp
	Says       string
	Attributes map[string]any
}

// anomaliesIn returns the anomalies among records, in their order.
func anomaliesIn(ld plog.Logs) []told {
	var all []told
	for lr := range events(ld, alert.EventAnomaly) {
		all = append(all, told{lr.Timestamp(), lr.Body().Str(), lr.Attributes().AsRaw()})
	}
	return all
}

func sentences(alerts []told) []string {
	var all []string
	for _, a := range alerts {
		all = append(all, a.Says)
	}
	return all
}

// statusesIn returns the health events among records, in their order.
func statusesIn(ld plog.Logs) []string {
	var all []string
	for lr := range events(ld, alert.EventHealth) {
		status, _ := lr.Attributes().Get("exfil.health.status")
		all = append(all, status.Str())
	}
	return all
}

func events(ld plog.Logs, name string) func(yield func(plog.LogRecord) bool) {
	return func(yield func(plog.LogRecord) bool) {
		for lr := range records(ld) {
			if lr.EventName() == name && !yield(lr) {
				return
			}
		}
	}
}

func records(ld plog.Logs) func(yield func(plog.LogRecord) bool) {
	return func(yield func(plog.LogRecord) bool) {
		for _, resource := range ld.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, lr := range scope.LogRecords().All() {
					if !yield(lr) {
						return
					}
				}
			}
		}
	}
}

// logsIn reads the lines that a file exporter wrote of logs.
func (c *collector) logsIn(t *testing.T, file string) plog.Logs {
	t.Helper()
	all := plog.NewLogs()
	for line := range bytes.Lines(c.read(t, file)) {
		if !bytes.HasPrefix(line, []byte(`{"resourceLogs"`)) {
			continue
		}
		ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(line)
		require.NoError(t, err)
		ld.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
	}
	return all
}

// inOneProcess returns the anomalies that the processor finds in the same traffic as logs,
// with the configuration of testdata.
func inOneProcess(t *testing.T) []told {
	t.Helper()
	f := exfilprocessor.NewFactory()
	cfg := enginetest.Quick()
	cfg.MaxClockSkew = 87_600 * hour
	sink := &consumertest.LogsSink{}
	p, err := f.CreateLogs(context.Background(), processortest.NewNopSettings(f.Type()), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(context.Background(), componenttest.NewNopHost()))
	for _, connections := range traffic() {
		require.NoError(t, p.ConsumeLogs(context.Background(), logs(connections)))
	}
	require.NoError(t, p.Shutdown(context.Background()))
	all := plog.NewLogs()
	for _, ld := range sink.AllLogs() {
		ld.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
	}
	return anomaliesIn(all)
}
