package exfilconnector

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pipeline"

	"github.com/otel-exfil/exfil/exfilconnector/internal/metadata"
	"github.com/otel-exfil/exfil/internal/engine"
)

// NewFactory returns the factory of the connector "exfil".
//
// Of a connector of one id a collector makes an instance for each signal of the pipelines that end in
// it and each signal of those that begin with it. They share what they learn; each delivery counts once,
// and each alert leaves once.
func NewFactory() connector.Factory { return newFactory(engine.WallClock{}) }

func newFactory(c engine.Clock) connector.Factory {
	f := &factory{engines: engine.NewRegistry(c)}
	return connector.NewFactory(
		metadata.Type,
		defaultConfig,
		connector.WithLogsToLogs(f.createLogsToLogs, metadata.LogsToLogsStability),
		connector.WithMetricsToLogs(f.createMetricsToLogs, metadata.MetricsToLogsStability),
		connector.WithLogsToMetrics(f.createLogsToMetrics, metadata.LogsToMetricsStability),
		connector.WithMetricsToMetrics(f.createMetricsToMetrics, metadata.MetricsToMetricsStability),
	)
}

type factory struct{ engines *engine.Registry }

func (f *factory) createLogsToLogs(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Logs, error) {
	s, err := f.joinForAlerts(set, pipeline.SignalLogs, cfg, next)
	if err != nil {
		return nil, err
	}
	return &logsReader{s}, nil
}

func (f *factory) createMetricsToLogs(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Metrics, error) {
	s, err := f.joinForAlerts(set, pipeline.SignalMetrics, cfg, next)
	if err != nil {
		return nil, err
	}
	return &metricsReader{s}, nil
}

func (f *factory) createLogsToMetrics(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Logs, error) {
	s, err := f.joinForGauges(set, pipeline.SignalLogs, cfg, next)
	if err != nil {
		return nil, err
	}
	return &logsReader{s}, nil
}

func (f *factory) createMetricsToMetrics(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Metrics) (connector.Metrics, error) {
	s, err := f.joinForGauges(set, pipeline.SignalMetrics, cfg, next)
	if err != nil {
		return nil, err
	}
	return &metricsReader{s}, nil
}

func (f *factory) joinForAlerts(set connector.Settings, reads pipeline.Signal, c component.Config, next consumer.Logs) (share, error) {
	cfg := c.(*Config)
	if cfg.PassThrough {
		return share{}, ErrPassThrough
	}
	instance, err := f.engines.Join(settings(set, reads), &cfg.shared, next)
	return share{instance}, err
}

func (f *factory) joinForGauges(set connector.Settings, reads pipeline.Signal, c component.Config, next consumer.Metrics) (share, error) {
	cfg := c.(*Config)
	if cfg.PassThrough {
		return share{}, ErrPassThrough
	}
	instance, err := f.engines.JoinForGauges(settings(set, reads), &cfg.shared, cfg.Metrics.Top, next)
	return share{instance}, err
}

func settings(set connector.Settings, reads pipeline.Signal) engine.Settings {
	return engine.Settings{
		TelemetrySettings: set.TelemetrySettings,
		ID:                set.ID,
		Kind:              component.KindConnector,
		Version:           set.BuildInfo.Version,
		Reads:             reads,
	}
}
