package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/exfilconnector"
	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/rule"
)

const folder = root + "/schemas/"

func TestTheSchemasAreUpToDate(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		require.NoError(t, write(dir))
		for _, name := range []string{configFile, rulesFile} {
			want, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			got, err := os.ReadFile(folder + name)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want, got), "%s is not what the configuration is; run make generate", name)
		}
	}
}

// compiled returns a schema of a file, or the part of it that a pointer leads to. That it compiles says that it is sound.
func compiled(t *testing.T, name, pointer string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(folder + name)
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(home+name, document))
	s, err := c.Compile(home + name + pointer)
	require.NoError(t, err)
	return s
}

const (
	processor = "#/$defs/processor"
	connector = "#/$defs/connector"
)

// refusal says what a schema finds wrong with YAML, as an editor does, nil for nothing.
func refusal(s *jsonschema.Schema, text string) error {
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return err
	}
	document, err := json.Marshal(dated(value))
	if err != nil {
		return err // such as NaN, which JSON cannot write
	}
	value, err = jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

// dated writes unquoted dates as the texts that they are to an editor.
func dated(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = dated(v[key])
		}
	case []any:
		for i := range v {
			v[i] = dated(v[i])
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}

// load reads a processor's configuration as the collector does.
func load(t *testing.T, text string) error {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	cfg := config.Default()
	if err := conf.Unmarshal(cfg); err != nil {
		return err
	}
	return confmap.Validate(cfg)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func files(t *testing.T, patterns ...string) (paths []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, err := filepath.Glob(root + "/" + pattern)
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
		paths = append(paths, found...)
	}
	return paths
}

func TestWhatIsValidIsValidByTheSchemaToo(t *testing.T) {
	settings := compiled(t, configFile, processor)
	for _, path := range files(t, "testdata/scenarios/*/config.yaml", "internal/config/testdata/everything.yaml") {
		assert.NoError(t, refusal(settings, read(t, path)), path)
	}
	for _, text := range []string{
		"", "{}", "rules: {unusual_region: }", "alerts:", "geo: {reload_interval: 0}", "max_clock_skew: 0s", "windows: [3h]",
		"min_bytes: 0", "min_bytes: 1.5 GiB", "max_entities: 5.0", "storage: file_storage/exfil", "networks: {internal: 203.0.113.0/24}",
		"exceptions: [{name: a, match: {hosts: [a]}, expires: 2027-06-30}]",
		"exceptions: [{name: a, match: {ports: [443, '6000 - 6010']}, action: skip_alert}]",
		"calendars: [{name: a, when: [{start: 2027-03-26T22:00:00, end: 2027-03-29T04:00}], action: [skip_alert]}]",
		"calendars: [{name: a, when: [{start: '2027-03-26', rrule: FREQ=MONTHLY;BYDAY=-1FR, duration: 6h}], match: }]",
		"rules: {mine: {by: 'host.name,user.name', details: []}}", "inputs: [zeek, {name: suricata}]",
	} {
		require.NoError(t, load(t, text), "this is to be valid: %s", text)
		assert.NoError(t, refusal(settings, text), text)
	}
	for _, text := range []string{ // the collector replaces these before anybody reads them
		"warm_up: ${env:WARM_UP}", "max_entities: ${env:MOST}", "rules: ${file:rules.yaml}", "alerts: {schema: '${env:SCHEMA}'}",
		"windows: ${env:WINDOWS}", "windows: ['${env:WINDOW}']", "pass_through: ${env:PASS:-true}", "exceptions: ${file:exceptions.yaml}",
	} {
		assert.NoError(t, refusal(settings, text), text)
	}

	collector := compiled(t, configFile, "")
	for _, path := range files(t, "examples/*.yaml") {
		assert.NoError(t, refusal(collector, read(t, path)), path)
	}
	assert.NoError(t, refusal(compiled(t, configFile, connector), "{metrics: {top: 5}, min_bytes: 5MB}"))

	rules := compiled(t, rulesFile, "")
	for _, path := range files(t, "internal/rule/pack/*.yaml", "testdata/scenarios/*/rules/*.yaml") {
		assert.NoError(t, refusal(rules, read(t, path)), path)
	}
	for _, document := range strings.Split(read(t, root+"/internal/rule/testdata/rules.yaml"), "\n---\n") {
		assert.NoError(t, refusal(rules, document))
	}
}

func TestWhatTheReadmesShowIsValid(t *testing.T) {
	collector := compiled(t, configFile, "")
	shown := 0
	for _, path := range files(t, "README.md", "*/README.md") {
		for i, block := range strings.Split(read(t, path), "```yaml\n")[1:] {
			text, _, _ := strings.Cut(block, "```")
			if !strings.Contains(text, "processors:\n") && !strings.Contains(text, "connectors:\n") {
				continue
			}
			assert.NoError(t, refusal(collector, text), "%s, example %d", path, i+1)
			shown++
		}
	}
	assert.GreaterOrEqual(t, shown, 3)
}

func TestUnknownKeysAreRefused(t *testing.T) {
	for name, built := range map[string]func() (*schema, error){configFile: configSchema, rulesFile: rulesSchema} {
		s, err := built()
		require.NoError(t, err)
		structures := 0
		each(s, func(path string, part *schema) {
			if len(part.Properties) == 0 || part == s || part.PropertyNames != nil {
				return
			}
			structures++
			assert.Equal(t, false, part.Additional, "%s%s takes any key", name, path)
		})
		assert.GreaterOrEqual(t, structures, 4)
	}

	collector := compiled(t, configFile, "")
	for _, text := range []string{
		"processors: {exfil: {window: [3h]}}",
		"processors: {exfil/dmz: {alerts: {max_per_hour: 5}}}",
		"processors: {exfil: {metrics: {top: 5}}}", // of a connector only
		"connectors: {exfil: {metrics: {most: 5}}}",
		"connectors: {exfil/b: {rules: {mine: {bye: [host.name]}}}}",
	} {
		assert.Error(t, refusal(collector, text), text)
	}
	assert.NoError(t, refusal(collector, "processors: {batch: {window: [3h]}}"), "others are none of our business")
}

// each calls f for every part of a schema.
func each(s *schema, f func(path string, part *schema)) {
	var walk func(path string, s *schema)
	walk = func(path string, s *schema) {
		if s == nil {
			return
		}
		f(path, s)
		for _, of := range []map[string]*schema{s.Properties, s.PatternProperties, s.Defs} {
			for key, part := range of {
				walk(path+"/"+key, part)
			}
		}
		for _, part := range s.AnyOf {
			walk(path, part)
		}
		walk(path+"[]", s.Items)
		if part, ok := s.Additional.(*schema); ok {
			walk(path+"/*", part)
		}
	}
	walk("", s)
}

func TestEveryKeyIsDescribed(t *testing.T) {
	for _, built := range []func() (*schema, error){configSchema, rulesSchema} {
		s, err := built()
		require.NoError(t, err)
		keys := 0
		each(s, func(path string, part *schema) {
			for key, property := range part.Properties {
				if part == s || strings.HasPrefix(property.Ref, "#/$defs/processor/") {
					continue
				}
				keys++
				assert.NotEmpty(t, property.Description, "%s/%s: say in a comment on its field what it is", path, key)
			}
		})
		assert.Greater(t, keys, 20)
	}
}

// Each default stands with its key.
func TestEveryDefaultIsTold(t *testing.T) {
	s, err := configSchema()
	require.NoError(t, err)
	told := 0
	var walk func(path string, part *schema, v reflect.Value)
	walk = func(path string, part *schema, v reflect.Value) {
		for i := range v.NumField() {
			key, squashed := keyOf(v.Type().Field(i))
			if squashed {
				walk(path, part, v.Field(i))
				continue
			}
			property := part.Properties[key]
			require.NotNil(t, property, "%s%s", path, key)
			if name, ok := strings.CutPrefix(property.Ref, "#/$defs/processor/properties/"); ok {
				property = s.Defs["processor"].Properties[name]
			}
			if v.Field(i).Kind() == reflect.Struct {
				walk(path+key+".", property.AnyOf[0], v.Field(i))
				continue
			}
			if want := defaultOf(v.Field(i)); want != nil {
				assert.Equal(t, want, property.Default, "%s%s", path, key)
				told++
			}
		}
	}
	walk("", s.Defs["processor"], reflect.ValueOf(*config.Default()))
	walk("", s.Defs["connector"], reflect.ValueOf(exfilconnector.NewFactory().CreateDefaultConfig()).Elem())
	assert.Greater(t, told, 30)

	p := s.Defs["processor"].Properties
	assert.Equal(t, "168h", p["warm_up"].Default)
	assert.Equal(t, "1MB", p["min_bytes"].Default)
	assert.Equal(t, []any{"3h"}, p["windows"].Default)
	assert.Equal(t, []any{"auto"}, p["inputs"].Default)
	assert.Equal(t, true, p["pass_through"].Default)
	assert.Equal(t, false, s.Defs["connector"].Properties["pass_through"].Default)
}

// A schema knows no two keys together, compares no durations, and looks nothing up: which of the wrong configurations it tells
// and which it cannot is kept in lists. What is in neither is new; put it where it belongs.
func TestWhatIsRefusedIsRefusedByTheSchemaToo(t *testing.T) {
	var cases []struct{ Name, Config, Error string }
	require.NoError(t, yaml.Unmarshal([]byte(read(t, root+"/internal/config/testdata/refused.yaml")), &cases))
	var lists struct{ Told, Beyond []string }
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "testdata/refused.yaml")), &lists))
	settings := compiled(t, configFile, processor)
	seen := make(map[string]bool)
	for _, c := range cases {
		seen[c.Name] = true
		err := refusal(settings, c.Config)
		slip := strings.Contains(c.Error, "has invalid keys") || strings.Contains(c.Error, "got unconvertible type")
		switch {
		case slices.Contains(lists.Beyond, c.Name):
			assert.NoError(t, err, "%s: the schema tells it; move it to the other list", c.Name)
		case slip || slices.Contains(lists.Told, c.Name):
			assert.Error(t, err, "%s: the schema takes\n%s", c.Name, c.Config)
		default:
			t.Logf("%s: is in neither list; the schema says %v", c.Name, err)
		}
	}
	for _, name := range slices.Concat(lists.Told, lists.Beyond) {
		assert.True(t, seen[name], "there is no case %q any more", name)
	}
}

func TestDurationsAndSizesAreThoseThatAreRead(t *testing.T) {
	settings := compiled(t, configFile, processor)
	for _, text := range []string{
		"3h", "1h30m", "1.5h", ".5s", "1.s", "0", "+5m", "5", "3 h", "1d", "h", "", "1h-5m", "100ms", "7 days", "1H", "5µs", "1e3s", " 3h",
	} {
		d, err := time.ParseDuration(text)
		quoted, _ := json.Marshal(text)
		assert.Equal(t, err == nil && d >= 0, refusal(settings, "max_clock_skew: "+string(quoted)) == nil, "%q", text)
	}
	for _, text := range []string{
		"5", "5B", "5 b", "1.5GiB", "1.GiB", ".5 kb", " 5 MiB ", "-5", "", "five", "5 M", "1 furlong", "5kiB", "1e3", "5.5.5", "1,5kB", "5iB",
	} {
		_, err := bytesize.Parse(text)
		quoted, _ := json.Marshal(text)
		assert.Equal(t, err == nil, refusal(settings, "min_bytes: "+string(quoted)) == nil, "%q", text)
	}
}

func TestARuleFileIsCheckedLikeTheConfiguration(t *testing.T) {
	rules := compiled(t, rulesFile, "")
	for text, valid := range map[string]bool{
		"unusual_region: {threshold: 80}": true,
		"unusual_region:":                 true,
		"mine: {by: [user.name], details: [[user.name, host.name]]}":                         true,
		"unusual_region: {threshold: 101}":                                                   false,
		"unusual_region: {treshold: 80}":                                                     false,
		"unusual_region: {severity: grave}":                                                  false,
		"unusual_region: {uuid: seven}":                                                      false,
		"unusual_region: {related: [{name: x}]}":                                             false,
		"unusual_region: {threat: [{framework: x}]}":                                         false,
		"unusual_region: {threshold: '${env:THRESHOLD}'}":                                    false, // nothing is expanded in rule files
		"mine: {by: [destination.planet]}":                                                   false,
		"mine: {by: []}":                                                                     false,
		"mine: {by: [user.name, host.name, process.name, source.address, destination.port]}": false,
		"Mine: {by: [user.name]}":                                                            false,
		"- unusual_region":                                                                   false,
	} {
		assert.Equal(t, valid, refusal(rules, text) == nil, text)
		if _, err := rule.LoadFiles([]string{file(t, text)}); valid {
			assert.NoError(t, err, text)
		} else {
			assert.Error(t, err, text)
		}
	}
}

func file(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "rules.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
