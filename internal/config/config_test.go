package config_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// load reads a configuration as the collector does: strictly, onto the defaults, then validated.
func load(t *testing.T, text string) (*config.Config, error) {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(text))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	cfg := config.Default()
	if err := conf.Unmarshal(cfg); err != nil {
		return nil, err
	}
	return cfg, confmap.Validate(cfg)
}

func TestTheEmptyConfigurationIsValid(t *testing.T) {
	cfg, err := load(t, "{}")
	require.NoError(t, err)
	assert.Equal(t, config.Default(), cfg)
	assert.NoError(t, componenttest.CheckConfigStruct(cfg))
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	text, err := os.ReadFile("testdata/refused.yaml")
	require.NoError(t, err)
	var cases []struct {
		Name   string
		Config string
		Error  string
	}
	require.NoError(t, yaml.Unmarshal(text, &cases))
	require.GreaterOrEqual(t, len(cases), 30)
	seen := map[string]bool{}
	for _, c := range cases {
		require.False(t, seen[c.Name], "case %q is there twice", c.Name)
		seen[c.Name] = true
		t.Run(c.Name, func(t *testing.T) {
			_, err := load(t, c.Config)
			require.Error(t, err)
			assert.Regexp(t, expression(c.Error), strings.TrimSpace(err.Error()))
		})
	}
}

// expression takes an expected text literally but for "…", which stands for a list of names
// that grows with the formats, fields and rules there are.
func expression(text string) string {
	parts := strings.Split(strings.TrimSpace(text), "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return "^" + strings.Join(parts, `[a-z0-9_., ]+`) + "$"
}

func TestEveryErrorOfValidateIsInvalid(t *testing.T) {
	_, err := load(t, "{max_entities: 0, networks: {internal: [x]}, rules: {nonsense: {}}}")
	require.ErrorIs(t, err, config.ErrInvalid)
	joined, ok := unwrapAll(err)
	require.True(t, ok)
	assert.Len(t, joined, 3)
	for _, e := range joined {
		assert.ErrorIs(t, e, config.ErrInvalid)
	}
	var key *config.KeyError
	require.ErrorAs(t, err, &key)
	assert.Equal(t, "networks.internal[0]", key.Key)
}

// unwrapAll returns the parts of an innermost errors.Join.
func unwrapAll(err error) ([]error, bool) {
	for {
		switch e := err.(type) {
		case interface{ Unwrap() []error }:
			parts := e.Unwrap()
			if len(parts) != 1 {
				return parts, true
			}
			err = parts[0]
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		default:
			return nil, false
		}
	}
}

func TestEveryKeyIsTaken(t *testing.T) {
	text, err := os.ReadFile("testdata/everything.yaml")
	require.NoError(t, err)
	cfg, err := load(t, string(text))
	require.NoError(t, err)

	assert.Equal(t, []config.Input{
		{Name: "zeek"},
		{Name: "aws_vpc", Columns: []string{"srcaddr", "dstaddr", "dstport", "bytes", "end"}},
		{Name: "proxy", Fields: map[string][]string{
			"bytes":               {"cs_bytes"},
			"source_address":      {"c_ip", "client.ip"},
			"destination_address": {"r_ip"},
		}},
		{Name: "mesh", Metrics: []string{"mesh.egress.bytes"}, Fields: map[string][]string{
			"source_address":      {"from"},
			"destination_address": {"to"},
		}},
	}, cfg.Inputs)
	assert.Equal(t, []string{"203.0.113.0/24", "2001:db8::/32"}, cfg.Networks.Internal)
	assert.Equal(t, config.Geo{Database: "/var/lib/geoip/city.mmdb", ASNDatabase: "/var/lib/geoip/asn.mmdb", ReloadInterval: time.Hour}, cfg.Geo)
	assert.Equal(t, []time.Duration{time.Hour, 3 * time.Hour}, cfg.Windows)
	assert.Equal(t, 10*time.Minute, cfg.AllowedLateness)
	assert.Equal(t, time.Minute, cfg.MaxClockSkew)
	assert.Equal(t, 336*time.Hour, cfg.WarmUp)
	assert.EqualValues(t, 2<<20, cfg.MinBytes)
	assert.Equal(t, 0.5, cfg.AlertBudget)
	assert.Equal(t, 5000, cfg.MaxEntities)
	assert.Equal(t, &config.PartitionBy{ClientMetadata: "x-scope-orgid"}, cfg.PartitionBy)
	assert.Equal(t, 7, cfg.MaxTenants)
	assert.Equal(t, detector.Contributors{
		Fields: []flow.Field{flow.SourceAddress, flow.Host, flow.DestinationPort, flow.DestinationRegion, flow.DestinationCountry},
		Max:    5, FlowIDs: 2,
	}, cfg.Contributors.Detection())
	hashes := cfg.Contributors.Pseudonyms()
	assert.True(t, hashes.Hashes(flow.Host) && hashes.Hashes(flow.SourceAddress) && hashes.Hashes(flow.DestinationAddress))
	assert.False(t, hashes.Hashes(flow.User))
	assert.NotContains(t, fmt.Sprintf("%v %+v %#v", cfg, cfg.Contributors, cfg.Contributors), "not a secret", "a salt is never printed")
	assert.Equal(t, config.Alerts{
		Schema:          "ecs",
		Drilldown:       "https://siem.example/?uid={{uid}}",
		SeverityByScore: []rule.SeverityBand{{From: 90, Severity: rule.High}, {From: 75.5, Severity: rule.Medium}},
		Interval:        5 * time.Minute, MaxPerInterval: 10, SuppressFor: 12 * time.Hour, SuppressBy: []string{"source", "process.name"},
	}, cfg.Alerts)
	assert.False(t, cfg.PassThrough)

	require.Len(t, cfg.Exceptions, 2)
	assert.Equal(t, "2027-06-30", cfg.Exceptions[0].Expires.String(), "a date without quotes is a timestamp to YAML")
	assert.Equal(t, "2027-07-31", cfg.Exceptions[1].Expires.String())
	assert.EqualValues(t, 500<<30, *cfg.Exceptions[0].MaxBytes)

	require.Len(t, cfg.Calendars, 2)
	assert.Equal(t, "Europe/Berlin", cfg.Calendars[0].TimeZone)
	assert.EqualValues(t, 2<<40, *cfg.Calendars[0].MaxBytes)
	again, once := cfg.Calendars[0].When[0], cfg.Calendars[0].When[1]
	assert.Equal(t, "FREQ=MONTHLY;BYDAY=-1FR", again.RRule)
	assert.Equal(t, "2027-01-29T22:00:00", again.Start.String(), "a time without quotes is a timestamp to YAML")
	assert.Equal(t, 8*time.Hour, again.Duration)
	assert.Equal(t, "2027-03-26T22:00:00 2027-03-29T00:00:00 America/New_York", once.Start.String()+" "+once.End.String()+" "+once.TimeZone)
}

func TestContributorsAreWhatIsUsualOrWhatIsListed(t *testing.T) {
	usual, err := load(t, "{}")
	require.NoError(t, err)
	assert.Equal(t, detector.ContributorFields(), usual.Contributors.Detection().Fields)
	none, err := load(t, "{contributors: {fields: [], flow_ids: 0}}")
	require.NoError(t, err)
	assert.Equal(t, detector.Contributors{Fields: []flow.Field{}, Max: 10}, none.Contributors.Detection())
}

func TestRulesTakeFromAllWhatTheyDoNotSay(t *testing.T) {
	cfg, err := load(t, `
windows: [1h]
alert_budget: 0.25
max_entities: 700
min_bytes: 5MB
alerts: {suppress_for: 2h, suppress_by: [source]}
rules:
  unusual_destination_port: {threshold: 80, alert_budget: 2, min_bytes: 0}
  unusual_region: {enabled: false}
  by_host: {by: [host.name], windows: [6h], suppress_for: 0s, suppress_by: []}
`)
	require.NoError(t, err)
	rules, err := cfg.EnabledRules()
	require.NoError(t, err)
	require.Len(t, rules, 2)

	host, port := rules[0], rules[1]
	assert.Equal(t, "by_host", host.ID)
	assert.Equal(t, []time.Duration{6 * time.Hour}, host.Spans)
	assert.Equal(t, 0.25, host.Budget)
	assert.Equal(t, 700, host.MaxEntities)
	assert.EqualValues(t, 5_000_000, host.MinBytes)
	assert.Zero(t, host.SuppressFor)
	assert.Equal(t, []string{}, host.SuppressBy, "an empty list is a grouping of its own")

	assert.Equal(t, "unusual_destination_port", port.ID)
	assert.Equal(t, 80.0, port.Threshold)
	assert.Equal(t, []time.Duration{time.Hour}, port.Spans)
	assert.Equal(t, 2.0, port.Budget)
	assert.Zero(t, port.MinBytes, "zero is a floor of its own")
	assert.Equal(t, 2*time.Hour, port.SuppressFor)
	assert.Equal(t, []string{"source"}, port.SuppressBy)
}

func TestAlertsOfARuleMayBeOneGroup(t *testing.T) {
	cfg, err := load(t, "alerts: {suppress_by: []}")
	require.NoError(t, err)
	grouping, err := rule.ParseGrouping("", cfg.Alerts.SuppressBy)
	require.NoError(t, err)
	assert.Equal(t, rule.Grouping{}, grouping)
	named, err := rule.ParseGrouping("", []string{"rule"})
	require.NoError(t, err)
	assert.Equal(t, grouping, named, "every group is of one rule, said or not")
}

func TestTheConfigurationWinsOverRuleFiles(t *testing.T) {
	file := t.TempDir() + "/rules.yaml"
	require.NoError(t, os.WriteFile(file, []byte("unusual_region: {threshold: 60, severity: high}\n"), 0o600))
	cfg, err := load(t, "{rule_files: ["+file+"], rules: {unusual_region: {threshold: 90}, unusual_destination_port: {enabled: false}}}")
	require.NoError(t, err)
	rules, err := cfg.EnabledRules()
	require.NoError(t, err)
	require.Len(t, rules, 1)
	assert.Equal(t, 90.0, rules[0].Threshold)
	assert.EqualValues(t, "high", rules[0].Severity)
}

func TestNetworksMayBeAddressesAndMappedOnes(t *testing.T) {
	cfg, err := load(t, `networks: {internal: [203.0.113.7, "::ffff:198.51.100.0/120", "2001:db8::1"]}`)
	require.NoError(t, err)
	var got []string
	for _, prefix := range cfg.Networks.Prefixes() {
		got = append(got, prefix.String())
	}
	assert.Equal(t, []string{"203.0.113.7/32", "198.51.100.0/24", "2001:db8::1/128"}, got)
}
