package exfilconnector

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-exfil/exfil/internal/config"
)

// ErrPassThrough is returned where a configuration asks a connector to pass records on.
var ErrPassThrough = errors.New("pass_through: true is for the processor, a connector emits alerts only; " +
	"remove the key, and name the exporters for the records beside the connector")

// shared is the configuration that the processor has, too. Its name keeps it out of the paths of keys.
type shared = config.Config

// Config is the connector's configuration: the processor's but for its default of pass_through, and
// what only a connector can do.
type Config struct {
	shared `mapstructure:",squash"`

	// Metrics says what leaves in metrics pipelines that begin with the connector.
	Metrics Metrics `mapstructure:"metrics"`
}

// Metrics says of how many entities the baselines are told.
type Metrics struct {
	// Top is of how many entities of each rule and window, those with the most bytes; 0: of none.
	Top int `mapstructure:"top"`
}

// mostTop keeps what waits to be delivered bounded.
const mostTop = 10_000

func defaultConfig() component.Config {
	cfg := &Config{shared: *config.Default(), Metrics: Metrics{Top: 100}}
	cfg.PassThrough = false
	return cfg
}

// Validate reports everything that is wrong, as config.Config's Validate does.
func (c *Config) Validate() error {
	err := c.shared.Validate()
	if c.Metrics.Top < 0 || c.Metrics.Top > mostTop {
		err = errors.Join(err, &config.KeyError{Key: "metrics.top", Err: fmt.Errorf(
			"%d is out of range; 0 to %d entities of each rule and window, 100 is the usual", c.Metrics.Top, mostTop)})
	}
	return err
}

// Marshal writes all keys. Without it those of the embedded struct, whose name is not exported, are left out. It
// has no pointer receiver because confmap looks for it on the value.
func (c Config) Marshal(conf *confmap.Conf) error {
	type own struct {
		Metrics Metrics `mapstructure:"metrics"`
	}
	return errors.Join(conf.Marshal(&c.shared), conf.Marshal(own{c.Metrics}))
}
