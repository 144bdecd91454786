package exfilconnector

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"

	"github.com/otel-exfil/exfil/exfilconnector/internal/metadata"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine"
)

// Config is the connector's configuration, the processor's but for its default of pass_through.
type Config = config.Config

// ErrPassThrough is returned where a configuration asks a connector to pass records on.
var ErrPassThrough = errors.New("pass_through: true is for the processor, a connector emits alerts only; " +
	"remove the key, and name the exporters for the records beside the connector")

// NewFactory returns the factory of the connector "exfil".
//
// A collector makes one instance for all logs pipelines that end in a connector of one id and one for all
// metrics pipelines. They share what they learn, and each alert leaves once.
func NewFactory() connector.Factory { return newFactory(engine.WallClock{}) }

func newFactory(c engine.Clock) connector.Factory {
	f := &factory{engines: engine.NewRegistry(c)}
	return connector.NewFactory(
		metadata.Type,
		defaultConfig,
		connector.WithLogsToLogs(f.createLogsToLogs, metadata.LogsToLogsStability),
		connector.WithMetricsToLogs(f.createMetricsToLogs, metadata.MetricsToLogsStability),
	)
}

func defaultConfig() component.Config {
	cfg := config.Default()
	cfg.PassThrough = false
	return cfg
}

type factory struct{ engines *engine.Registry }

func (f *factory) createLogsToLogs(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Logs, error) {
	s, err := f.join(set, cfg, next)
	if err != nil {
		return nil, err
	}
	return &logsToLogs{s}, nil
}

func (f *factory) createMetricsToLogs(_ context.Context, set connector.Settings, cfg component.Config, next consumer.Logs) (connector.Metrics, error) {
	s, err := f.join(set, cfg, next)
	if err != nil {
		return nil, err
	}
	return &metricsToLogs{s}, nil
}

func (f *factory) join(set connector.Settings, cfg component.Config, next consumer.Logs) (share, error) {
	if cfg.(*Config).PassThrough {
		return share{}, ErrPassThrough
	}
	instance, err := f.engines.Join(engine.Settings{
		TelemetrySettings: set.TelemetrySettings,
		ID:                set.ID,
		Kind:              component.KindConnector,
		Version:           set.BuildInfo.Version,
	}, cfg.(*Config), next)
	return share{instance}, err
}
