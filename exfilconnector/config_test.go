package exfilconnector

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-exfil/exfil/exfilprocessor"
	"github.com/otel-exfil/exfil/internal/config"
)

// read reads a configuration as a collector does.
func read(keys map[string]any) (*Config, error) {
	cfg := defaultConfig().(*Config)
	err := confmap.NewFromStringMap(keys).Unmarshal(cfg)
	return cfg, err
}

func TestTheKeysOfTheProcessorAndItsOwnAreRead(t *testing.T) {
	cfg, err := read(map[string]any{
		"inputs":   []any{"zeek"},
		"warm_up":  "24h",
		"networks": map[string]any{"internal": []any{"203.0.113.0/24"}},
		"metrics":  map[string]any{"top": 7},
	})
	require.NoError(t, err)
	require.NoError(t, confmap.Validate(cfg))
	assert.Equal(t, []config.Input{{Name: "zeek"}}, cfg.Inputs)
	assert.Equal(t, []string{"203.0.113.0/24"}, cfg.Networks.Internal)
	assert.Equal(t, 7, cfg.Metrics.Top)
	assert.Equal(t, config.Default().MinBytes, cfg.MinBytes, "the default stays")
}

func TestWhatIsWrongIsSaidByItsKey(t *testing.T) {
	for name, c := range map[string]struct {
		keys map[string]any
		want string
	}{
		"too many": {map[string]any{"metrics": map[string]any{"top": 20_000}},
			"metrics.top: 20000 is out of range; 0 to 10000 entities of each rule and window, 100 is the usual"},
		"negative": {map[string]any{"metrics": map[string]any{"top": -1}},
			"metrics.top: -1 is out of range; 0 to 10000 entities of each rule and window, 100 is the usual"},
		"with the processor's own keys": {map[string]any{"metrics": map[string]any{"top": -1}, "max_entities": 0},
			"max_entities: 0 is out of range; 1 to 10000000 entities a rule, 100000 is the usual\n" +
				"metrics.top: -1 is out of range; 0 to 10000 entities of each rule and window, 100 is the usual"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := read(c.keys)
			require.NoError(t, err)
			err = confmap.Validate(cfg)
			require.ErrorIs(t, err, config.ErrInvalid)
			assert.EqualError(t, err, c.want)
		})
	}
	for _, top := range []int{0, 10_000} {
		cfg, err := read(map[string]any{"metrics": map[string]any{"top": top}})
		require.NoError(t, err)
		assert.NoError(t, confmap.Validate(cfg))
	}
	_, err := read(map[string]any{"metrics": map[string]any{"tpo": 5}})
	assert.ErrorContains(t, err, "'metrics' has invalid keys: tpo")
	_, err = read(map[string]any{"mterics": map[string]any{}})
	assert.ErrorContains(t, err, "invalid keys: mterics")
}

// A processor has no such output, and so no such key.
func TestTheProcessorRefusesTheKeyOfMetrics(t *testing.T) {
	cfg := exfilprocessor.NewFactory().CreateDefaultConfig()
	err := confmap.NewFromStringMap(map[string]any{"metrics": map[string]any{"top": 5}}).Unmarshal(cfg)
	assert.ErrorContains(t, err, "has invalid keys: metrics")
}

// A collector that prints its configuration prints all of it.
func TestAConfigurationIsWrittenWhole(t *testing.T) {
	cfg, err := read(map[string]any{"warm_up": "24h", "min_bytes": "5MB", "metrics": map[string]any{"top": 7}})
	require.NoError(t, err)
	conf := confmap.New()
	require.NoError(t, conf.Marshal(struct {
		Connector *Config `mapstructure:"exfil"`
	}{cfg}))
	conf, err = conf.Sub("exfil")
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"top": 7}, conf.Get("metrics"))
	again := defaultConfig().(*Config)
	require.NoError(t, conf.Unmarshal(again))
	assert.Equal(t, cfg.WarmUp, again.WarmUp)
	assert.Equal(t, cfg.MinBytes, again.MinBytes)
	assert.Equal(t, cfg.Alerts, again.Alerts)
	assert.Equal(t, cfg.Metrics, again.Metrics)
}

func TestTheReadmeTellsTheOptionAndItsDefault(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	assert.Contains(t, string(text), "| `metrics.top` | `100` |")
}
