package config_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/config"
)

// FuzzConfig takes a text through all that a collector does with a configuration: it is read, held against
// the keys that there are, validated, and its rules resolved. Nobody's text may end the collector otherwise than by an error.
func FuzzConfig(f *testing.F) {
	everything, err := os.ReadFile("testdata/everything.yaml")
	require.NoError(f, err)
	f.Add(everything)
	refused, err := os.ReadFile("testdata/refused.yaml")
	require.NoError(f, err)
	var cases []struct{ Config string }
	require.NoError(f, yaml.Unmarshal(refused, &cases))
	for _, c := range cases {
		f.Add([]byte(c.Config))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		retrieved, err := confmap.NewRetrievedFromYAML(text)
		if err != nil {
			return
		}
		conf, err := retrieved.AsConf()
		if err != nil {
			return
		}
		cfg := config.Default()
		if conf.Unmarshal(cfg) != nil {
			return
		}
		cfg.RuleFiles = nil // a pattern that happens to be right would read whatever files there are
		if confmap.Validate(cfg) != nil {
			return
		}
		rules, err := cfg.EnabledRules()
		require.NoError(t, err)
		require.NotEmpty(t, rules)
	})
}
