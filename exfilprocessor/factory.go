package exfilprocessor

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/otel-exfil/exfil/exfilprocessor/internal/metadata"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine"
)

// Config is the processor's configuration.
type Config = config.Config

// NewFactory returns the factory of the processor "exfil".
//
// Instances of one id that stand in several pipelines share what they learn, and each alert
// leaves once.
func NewFactory() processor.Factory { return newFactory(engine.WallClock{}) }

func newFactory(c engine.Clock) processor.Factory {
	f := &factory{engines: engine.NewRegistry(c)}
	return processor.NewFactory(
		metadata.Type,
		func() component.Config { return config.Default() },
		processor.WithLogs(f.createLogs, metadata.LogsStability),
		processor.WithMetrics(f.createMetrics, metadata.MetricsStability),
	)
}

type factory struct{ engines *engine.Registry }

func (f *factory) createLogs(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	instance, err := f.join(set, cfg, next)
	if err != nil {
		return nil, err
	}
	return &logsProcessor{instance: instance, next: next, passThrough: cfg.(*Config).PassThrough}, nil
}

func (f *factory) createMetrics(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
	instance, err := f.join(set, cfg, nil)
	if err != nil {
		return nil, err
	}
	return &metricsProcessor{id: set.ID, instance: instance, next: next, passThrough: cfg.(*Config).PassThrough}, nil
}

func (f *factory) join(set processor.Settings, cfg component.Config, outlet consumer.Logs) (*engine.Instance, error) {
	return f.engines.Join(engine.Settings{
		TelemetrySettings: set.TelemetrySettings,
		ID:                set.ID,
		Kind:              component.KindProcessor,
		Version:           set.BuildInfo.Version,
	}, cfg.(*Config), outlet)
}
