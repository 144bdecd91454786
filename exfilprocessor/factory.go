package exfilprocessor

import (
	"context"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/processor"

	"github.com/otel-exfil/exfil/exfilprocessor/internal/metadata"
	"github.com/otel-exfil/exfil/internal/config"
)

// Config is the processor's configuration.
type Config = config.Config

// NewFactory returns the factory of the processor "exfil".
//
// Instances of one id that stand in several logs pipelines get the same configuration from the
// collector, and share what they learn: a detector that saw only half of the traffic would
// judge by half of it, and one alert would leave twice.
func NewFactory() processor.Factory { return newFactory(wallClock()) }

func newFactory(c clock) processor.Factory {
	f := &factory{clock: c, engines: map[*Config]*engine{}}
	return processor.NewFactory(
		metadata.Type,
		func() component.Config { return config.Default() },
		processor.WithLogs(f.createLogs, metadata.LogsStability),
	)
}

type factory struct {
	clock clock

	mu      sync.Mutex
	engines map[*Config]*engine // of the instances that have not been shut down
}

func (f *factory) createLogs(_ context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
	e, err := f.acquire(set, cfg.(*Config))
	if err != nil {
		return nil, err
	}
	return &logsProcessor{engine: e, next: next}, nil
}

// acquire returns the engine of a configuration, made for the first instance that asks.
func (f *factory) acquire(set processor.Settings, cfg *Config) (*engine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.engines[cfg]
	if !ok {
		var err error
		if e, err = newEngine(set, cfg, f.clock); err != nil {
			return nil, err
		}
		e.release = func() bool { return f.release(cfg) }
		f.engines[cfg] = e
	}
	e.instances++
	return e, nil
}

// release takes one instance away and reports whether it was the last. The next
// instance of this configuration then begins anew.
func (f *factory) release(cfg *Config) (last bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.engines[cfg]
	if e.instances--; e.instances > 0 {
		return false
	}
	delete(f.engines, cfg)
	return true
}
