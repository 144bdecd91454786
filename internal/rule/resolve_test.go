package rule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/flow"
)

// configured decodes YAML as the collector would decode the value of `rules`.
func configured(t *testing.T, text string) map[string]Override {
	t.Helper()
	var raw map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &raw))
	var config struct {
		Rules map[string]Override `mapstructure:"rules"`
	}
	require.NoError(t, confmap.NewFromStringMap(raw).Unmarshal(&config))
	return config.Rules
}

func find(t *testing.T, rules []Rule, id string) Rule {
	t.Helper()
	for _, r := range rules {
		if r.ID == id {
			return r
		}
	}
	require.Failf(t, "rule is missing", "%s", id)
	return Rule{}
}

func TestNothingNamedLeavesTheBuiltinRules(t *testing.T) {
	builtIn, err := Builtin()
	require.NoError(t, err)
	for _, layers := range [][]map[string]Override{nil, {nil}, {configured(t, "rules: {unusual_region: {}, unusual_country: }")}} {
		resolved, err := Resolve(layers...)
		require.NoError(t, err)
		assert.Equal(t, builtIn, resolved)
	}
}

func TestTheUserNamesOnlyWhatDiffers(t *testing.T) {
	resolved, err := Resolve(configured(t, `
rules:
  unusual_destination_port: {threshold: 80, severity: medium}
  unusual_country: {enabled: true}
`))
	require.NoError(t, err)
	builtIn := builtins(t)

	want := builtIn["unusual_destination_port"]
	want.Threshold, want.Severity = 80, Medium
	assert.Equal(t, want, find(t, resolved, "unusual_destination_port"))

	want = builtIn["unusual_country"]
	want.Enabled = true
	assert.Equal(t, want, find(t, resolved, "unusual_country"))
	assert.Equal(t, builtIn["unusual_region"], find(t, resolved, "unusual_region"))
}

func TestEveryKeyCanBeOverridden(t *testing.T) {
	resolved, err := Resolve(configured(t, `
rules:
  unusual_region:
    enabled: false
    by: [destination.geo.country_iso_code]
    details: [[host.name, destination.geo.country_iso_code], [user.name, destination.geo.country_iso_code]]
    threshold: 87.5
    alert_budget: 0.5
    min_bytes: 10 MiB
    max_entities: 500
    windows: [1h, 3h]
    suppress_for: 12h
    suppress_by: [source, user.name]
    dry_run: true
    severity: critical
    risk_score: 73
    name: Out of country
    version: "7"
    uuid: 01234567-89ab-4cde-8f01-23456789abcd
    description: What leaves the country.
    category: Policy
    reference: https://soc.example.com/runbooks/7
    license: LicenseRef-Example
    ruleset_name: house rules
    tags: [house]
    guide: {investigation: look, false_positives: none, response: act}
    related: [{id: r-1, name: Other, note: same idea}]
    threat:
      - framework: MITRE ATT&CK
        tactic: {id: TA0010, name: Exfiltration, reference: https://attack.mitre.org/tactics/TA0010/}
        technique: [{id: T1567, name: Exfiltration Over Web Service}]
`))
	require.NoError(t, err)
	assert.Equal(t, Rule{
		ID: "unusual_region", Enabled: false, DryRun: true,
		By: []flow.Field{flow.DestinationCountry},
		Details: [][]flow.Field{
			{flow.Host, flow.DestinationCountry}, {flow.User, flow.DestinationCountry},
		},
		Threshold: 87.5, Budget: 0.5, MinBytes: 10 << 20, MaxEntities: 500,
		Spans: []time.Duration{time.Hour, 3 * time.Hour}, SuppressFor: 12 * time.Hour, SuppressBy: []string{"source", "user.name"},
		Severity: Critical, RiskScore: 73,
		Name: "Out of country", Version: "7", UUID: "01234567-89ab-4cde-8f01-23456789abcd",
		Description: "What leaves the country.", Category: "Policy", Reference: "https://soc.example.com/runbooks/7",
		License: "LicenseRef-Example", RulesetName: "house rules", Tags: []string{"house"},
		Guide:   Guide{Investigation: "look", FalsePositives: "none", Response: "act"},
		Related: []Related{{ID: "r-1", Name: "Other", Note: "same idea"}},
		Threat: []Threat{{
			Framework: "MITRE ATT&CK",
			Tactic:    Behaviour{ID: "TA0010", Name: "Exfiltration", Reference: "https://attack.mitre.org/tactics/TA0010/"},
			Technique: []Behaviour{{ID: "T1567", Name: "Exfiltration Over Web Service"}},
		}},
	}, find(t, resolved, "unusual_region"))
}

func TestAnEmptyListEmptiesAndALaterLayerWins(t *testing.T) {
	files := configured(t, "rules: {unusual_region: {threshold: 60, details: [], tags: []}}")
	inline := configured(t, "rules: {unusual_region: {threshold: 90}}")
	resolved, err := Resolve(files, inline)
	require.NoError(t, err)
	r := find(t, resolved, "unusual_region")
	assert.Equal(t, 90.0, r.Threshold)
	assert.Empty(t, r.Details)
	assert.Empty(t, r.Tags)
}

func TestARuleOfOnesOwnNeedsOnlyAKey(t *testing.T) {
	define := func(id string) Rule {
		resolved, err := Resolve(configured(t, "rules: {"+id+": {by: [host.name, destination.port]}}"))
		require.NoError(t, err)
		require.Len(t, resolved, 5)
		return find(t, resolved, id)
	}
	r := define("host_on_port")
	assert.True(t, r.Enabled)
	assert.Equal(t, []flow.Field{flow.Host, flow.DestinationPort}, r.By)
	assert.Empty(t, r.Details)
	assert.Equal(t, 75.0, r.Threshold)
	assert.Equal(t, Low, r.Severity)
	assert.Equal(t, 21, r.RiskScore)
	assert.Equal(t, "custom", r.RulesetName)
	assert.Empty(t, r.License)
	assert.Equal(t, "Unusual volume sent by host.name, destination.port", r.Name)
	assert.Contains(t, r.Description, "host.name, destination.port")
	assert.Equal(t, "T1041", r.Threat[0].Technique[0].ID)
	assert.NotEmpty(t, r.Guide.Response)
	assert.Equal(t, "cb2b2e5e", r.UUID[:8], "derived from the id: the same wherever the rule is used")
	assert.Equal(t, r.UUID, define("host_on_port").UUID)
	assert.NotEqual(t, r.UUID, define("host_at_port").UUID)
}

func TestWrongSettingsAreNamedByTheirPath(t *testing.T) {
	for text, want := range map[string]string{
		"unusual_region: {threshold: 120}":                                                "rules.unusual_region.threshold: 120 is out of 0..100",
		"unusual_region: {threshold: -1}":                                                 "rules.unusual_region.threshold: -1 is out of 0..100",
		"unusual_region: {threshold: .nan}":                                               "rules.unusual_region.threshold: NaN is out of 0..100",
		"unusual_region: {alert_budget: 0}":                                               "rules.unusual_region.alert_budget: 0 is not a number of false alarms a week; write one above 0, such as 1",
		"unusual_region: {alert_budget: .inf}":                                            "rules.unusual_region.alert_budget: +Inf is not a number of false alarms a week; write one above 0, such as 1",
		"unusual_region: {min_bytes: -5}":                                                 "rules.unusual_region.min_bytes: -5 is negative; write 0 or a size such as 1MiB",
		"unusual_region: {max_entities: 0}":                                               "rules.unusual_region.max_entities: 0 is out of 1..10000000",
		"unusual_region: {suppress_for: -1h}":                                             "rules.unusual_region.suppress_for: -1h0m0s is out of 0s..672h0m0s",
		"unusual_region: {suppress_by: [entity, machine]}":                                `rules.unusual_region.suppress_by[1]: unknown field "machine"; known are `,
		"unusual_region: {windows: []}":                                                   "rules.unusual_region.windows: no window is named; write for example [3h]",
		"unusual_region: {windows: [5h]}":                                                 "rules.unusual_region.windows: 5h0m0s does not divide a day evenly into windows of a minute or more; write one of 15m, 1h, 3h, 6h, 24h or alike",
		"unusual_region: {windows: [48h]}":                                                "rules.unusual_region.windows: 48h0m0s does not divide a day evenly into windows of a minute or more; write one of 15m, 1h, 3h, 6h, 24h or alike",
		"unusual_region: {windows: [3h, 3h]}":                                             "rules.unusual_region.windows: 3h0m0s is named twice",
		"unusual_region: {windows: [3h, 8h]}":                                             "rules.unusual_region.windows: 8h0m0s is not a multiple of 3h0m0s, so their windows do not nest; write for example [1h, 3h]",
		"unusual_region: {severity: urgent}":                                              `rules.unusual_region.severity: "urgent" is none of low, medium, high, critical`,
		"unusual_region: {severity: Low}":                                                 `rules.unusual_region.severity: "Low" is none of low, medium, high, critical`,
		"unusual_region: {risk_score: 101}":                                               "rules.unusual_region.risk_score: 101 is out of 0..100",
		"unusual_region: {uuid: seven}":                                                   `rules.unusual_region.uuid: "seven" is not a UUID; write it as 01234567-89ab-4cde-8f01-23456789abcd`,
		"unusual_region: {name: ' '}":                                                     "rules.unusual_region.name: it is empty; leave the key out to keep the rule's own name",
		"unusual_region: {version: ''}":                                                   "rules.unusual_region.version: it is empty; leave the key out to keep the rule's own version",
		"unusual_region: {reference: wiki}":                                               `rules.unusual_region.reference: "wiki" is not an address; write it with https://`,
		"unusual_region: {threat: [{framework: x}]}":                                      "rules.unusual_region.threat[0]: it needs a framework and a tactic.id, such as MITRE ATT&CK and TA0010",
		"unusual_region: {related: [{name: x}]}":                                          "rules.unusual_region.related[0].id: it is missing",
		"unusual_region: {by: [destination.prot]}":                                        `rules.unusual_region.by[0]: unknown field "destination.prot"; known are destination.port, destination.geo.region_name, destination.geo.country_iso_code, destination.address, host.name, source.address, user.name, process.name`,
		"unusual_region: {by: []}":                                                        "rules.unusual_region.by: 0 fields; name one to 4",
		"x: {by: [source.ip, source.address]}":                                            `rules.x.by[1]: "source.address" is named twice`,
		"unusual_region: {by: [destination.port]}":                                        "rules.unusual_region.details[0]: [host.name, destination.geo.region_name] lacks destination.port, which the rule is by; add it, or set details to []",
		"unusual_region: {details: [[host.name]]}":                                        "rules.unusual_region.details[0]: [host.name] lacks destination.geo.region_name, which the rule is by; add it, or set details to []",
		"x: {by: [user.name], details: [[user.name]]}":                                    "rules.x.details[0]: [user.name] is no finer than by: [user.name]; add a field or leave it out",
		"x: {by: [user.name], details: [[nobody]]}":                                       `rules.x.details[0][0]: unknown field "nobody"`,
		"x: {threshold: 50}":                                                              `rules.x: no such rule "x"; built in are unusual_country, unusual_destination_ip, unusual_destination_port, unusual_region; a rule of your own needs by, such as by: [host.name, destination.port]`,
		"Unusual-Region: {}":                                                              `rules.Unusual-Region: "Unusual-Region" is not a rule id; write lower_snake_case`,
		strings.Repeat("x", 65) + ": {by: [user.name]}":                                   "is not a rule id; write lower_snake_case of at most 64",
		"a__b: {by: [user.name]}":                                                         "is not a rule id",
		"x: {by: [user.name, host.name, process.name, source.address, destination.port]}": "rules.x.by: 5 fields; name one to 4",
		"x: {by: [user.name], details: [[user.name, host.name], [host.name, user.name]]}": "rules.x.details[1]: [host.name, user.name] is the same as details[0]; leave one out",
	} {
		_, err := Resolve(configured(t, "rules:\n  "+text))
		require.ErrorIs(t, err, ErrInvalid, text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestErrorsCanBeToldApartAndComeAllAtOnce(t *testing.T) {
	_, err := Resolve(configured(t, "rules: {nobody: {threshold: 3}}"))
	assert.ErrorIs(t, err, ErrUnknownRule)

	_, err = Resolve(configured(t, "rules: {x: {by: [nothing]}, unusual_region: {threshold: 101, risk_score: 200}}"))
	assert.ErrorIs(t, err, flow.ErrUnknownField)
	assert.NotErrorIs(t, err, ErrUnknownRule)
	assert.ErrorContains(t, err, "threshold")
	assert.ErrorContains(t, err, "risk_score")

	tooMany := Override{Details: make([][]string, 9)}
	_, err = Resolve(map[string]Override{"unusual_region": tooMany})
	assert.ErrorContains(t, err, "rules.unusual_region.details: 9 keys; at most 8")
}

func TestTheConfigurationIsWhatTheCollectorExpects(t *testing.T) {
	type config struct {
		Rules      map[string]Override `mapstructure:"rules"`
		Exceptions []ExceptionConfig   `mapstructure:"exceptions"`
	}
	require.NoError(t, componenttest.CheckConfigStruct(&config{}))

	exceptions, err := decodeExceptions(t, backup)
	require.NoError(t, err)
	before := config{Rules: configured(t, "rules: {unusual_region: {min_bytes: 3MiB, windows: [3h]}}"), Exceptions: exceptions}
	conf := confmap.New()
	require.NoError(t, conf.Marshal(before))
	var after config
	require.NoError(t, conf.Unmarshal(&after))
	assert.Equal(t, before.Exceptions, after.Exceptions)
	assert.Equal(t, before.Rules["unusual_region"].MinBytes, after.Rules["unusual_region"].MinBytes)
	resolved, err := Resolve(after.Rules)
	require.NoError(t, err)
	want, err := Resolve(before.Rules)
	require.NoError(t, err)
	assert.Equal(t, want, resolved)
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestRuleFilesSayWhatTheConfigurationMaySay(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one.yaml", "unusual_region: {threshold: 80, min_bytes: 2MiB, windows: [3h]}\n")
	one := dir + "/./one.yaml" // another word for the same file
	write(t, dir, "two.yaml", "by_user:\n  by: [user.name]\n  suppress_for: 1h\n")

	overrides, err := LoadFiles([]string{filepath.Join(dir, "*.yaml"), one})
	require.NoError(t, err)
	resolved, err := Resolve(overrides, map[string]Override{})
	require.NoError(t, err)
	assert.Equal(t, 80.0, find(t, resolved, "unusual_region").Threshold)
	assert.EqualValues(t, 2<<20, find(t, resolved, "unusual_region").MinBytes)
	assert.Equal(t, time.Hour, find(t, resolved, "by_user").SuppressFor)

	none, err := LoadFiles(nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestDamagedRuleFilesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "holds no rule",
		"[1, 2]":                                 "cannot unmarshal",
		"a: b: c":                                "mapping values",
		"unusual_region: {treshold: 80}":         "treshold",
		"unusual_region: {threshold: much}":      "threshold",
		"unusual_region: 5":                      "unusual_region",
		"unusual_region: {guide: {first: x}}":    "first",
		"unusual_region: {443: x}":               "443",
		"unusual_region: {}\nunusual_region: {}": "already defined",
		"unusual_region: {threshold: 101}":       "unusual_region.threshold: 101 is out of 0..100",
		"Bad: {by: [user.name]}":                 "not a rule id",
		strings.Repeat("#", maxFile+1):           "larger than",
		"a: &a [*a]":                             "contains itself",
		"unusual_region: {name: \"\x00\"}":       "control characters",
	} {
		dir := t.TempDir()
		path := write(t, dir, "rules.yaml", text)
		_, err := LoadFiles([]string{path})
		require.ErrorIs(t, err, ErrInvalid, "%.40q", text)
		assert.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, want)
	}
}

func TestFilesThatAreMissingOrCollide(t *testing.T) {
	dir := t.TempDir()
	_, err := LoadFiles([]string{filepath.Join(dir, "*.yaml")})
	require.ErrorIs(t, err, ErrNoFiles)
	assert.ErrorContains(t, err, "rule_files[0]")

	_, err = LoadFiles([]string{"[", filepath.Join(dir, "absent.yaml")})
	require.ErrorIs(t, err, filepath.ErrBadPattern)
	require.ErrorIs(t, err, ErrNoFiles)

	first := write(t, dir, "a.yaml", "unusual_region: {threshold: 80}")
	second := write(t, dir, "b.yaml", "unusual_region: {threshold: 90}")
	_, err = LoadFiles([]string{first, second})
	require.ErrorIs(t, err, ErrDuplicate)
	assert.ErrorContains(t, err, second+": unusual_region: defined twice, first in "+first)

	_, err = LoadFiles([]string{dir})
	assert.ErrorContains(t, err, "rule file: read "+dir)
}

func TestSpansAreWrittenAsInConfiguration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "1h", 3 * time.Hour: "3h", 90 * time.Minute: "1h30m", 15 * time.Minute: "15m", 24 * time.Hour: "24h", 90 * time.Second: "1m30s",
	} {
		assert.Equal(t, want, FormatSpan(d))
	}
}
