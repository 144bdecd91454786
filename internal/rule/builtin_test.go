package rule

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

func builtins(t *testing.T) map[string]Rule {
	t.Helper()
	list, err := Builtin()
	require.NoError(t, err)
	byID := make(map[string]Rule)
	for _, r := range list {
		byID[r.ID] = r
	}
	require.Len(t, byID, len(list))
	return byID
}

func TestThePackWatchesPortsAndRegionsAndCanWatchCountriesAndAddresses(t *testing.T) {
	rules := builtins(t)
	require.Len(t, rules, 4)

	port := rules["unusual_destination_port"]
	assert.True(t, port.Enabled)
	assert.Equal(t, []flow.Field{flow.DestinationPort}, port.By)
	assert.Equal(t, [][]flow.Field{
		{flow.Host, flow.DestinationPort}, {flow.DestinationPort, flow.DestinationRegion},
	}, port.Details)
	assert.Equal(t, "ef8cc01c-fc49-4954-a175-98569c646740", port.Related[0].ID)
	assert.Equal(t, "T1571", port.Threat[1].Technique[0].ID)

	region := rules["unusual_region"]
	assert.True(t, region.Enabled)
	assert.Equal(t, []flow.Field{flow.DestinationRegion}, region.By)
	assert.Equal(t, [][]flow.Field{
		{flow.Host, flow.DestinationRegion}, {flow.DestinationPort, flow.DestinationRegion},
	}, region.Details)
	assert.Equal(t, "bfba5158-1fd6-4937-a205-77d96213b341", region.Related[0].ID)

	country := rules["unusual_country"]
	assert.False(t, country.Enabled)
	assert.Equal(t, []flow.Field{flow.DestinationCountry}, country.By)
	assert.Equal(t, [][]flow.Field{{flow.Host, flow.DestinationCountry}}, country.Details)

	address := rules["unusual_destination_ip"]
	assert.False(t, address.Enabled)
	assert.Equal(t, []flow.Field{flow.DestinationAddress}, address.By)
	assert.Empty(t, address.Details)
}

func TestEveryBuiltinRuleIsComplete(t *testing.T) {
	seen := map[string]string{}
	for id, r := range builtins(t) {
		assert.Equal(t, 75.0, r.Threshold, id)
		assert.Equal(t, Low, r.Severity, id)
		assert.Equal(t, 21, r.RiskScore, id)
		assert.Equal(t, "Apache-2.0", r.License, id)
		assert.Equal(t, "exfil built-in", r.RulesetName, id)
		assert.Contains(t, r.Tags, "Use Case: Data Exfiltration Detection", id)
		assert.True(t, strings.HasSuffix(r.Reference, "docs/alerts.md#"+id), id)
		assert.Equal(t, "TA0010", r.Threat[0].Tactic.ID, id)
		assert.Equal(t, "T1041", r.Threat[0].Technique[0].ID, id)
		assert.EqualValues(t, Common, r.MinBytes, id)
		assert.EqualValues(t, Common, r.SuppressFor, id)
		_, err := uuid.Parse(r.UUID)
		assert.NoError(t, err, id)
		for _, text := range []string{r.UUID, r.Name, r.Description, r.Guide.Investigation, r.Guide.FalsePositives, r.Guide.Response} {
			assert.NotEmpty(t, text, id)
			assert.Empty(t, seen[text], "%s says the same as %s", id, seen[text])
			seen[text] = id
		}
		for _, word := range []string{"max_bytes", "threshold", "min_bytes", "networks.internal"} {
			if id == "unusual_destination_ip" || id == "unusual_country" {
				break
			}
			assert.Contains(t, r.Guide.FalsePositives, word, id)
		}
	}
}

// attribute finds the alert attributes that a guide speaks of.
var attribute = regexp.MustCompile("`(exfil\\.[a-z_.]+|[a-z]+\\.name|[a-z]+\\.address)`")

func TestGuidesSpeakOfAttributesThatAlertsHave(t *testing.T) {
	known := []string{
		"exfil.explanation", "exfil.detail.fields", "exfil.detail.values", "exfil.first_seen", "exfil.early",
		"exfil.update_of", "exfil.baseline.windows", "exfil.baseline.state", "exfil.window.start",
		"exfil.bytes.actual", "exfil.bytes.ratio", "exfil.bytes.typical", "host.name", "source.address",
		"exfil.contributors.host.name", "exfil.contributors.source.address", "exfil.contributors.user.name",
		"exfil.contributors.process.name", "exfil.contributors.destination.address",
		"exfil.contributors.destination.port", "exfil.contributors.destination.as", "exfil.contributors.region",
	}
	base, err := baseRule()
	require.NoError(t, err)
	rules := builtins(t)
	rules["base"] = base
	for id, r := range rules {
		found := attribute.FindAllStringSubmatch(r.Guide.Investigation+r.Guide.FalsePositives+r.Guide.Response, -1)
		assert.GreaterOrEqual(t, len(found), 5, id)
		for _, match := range found {
			assert.Contains(t, known, match[1], id)
		}
	}
}

func TestARuleInheritsOnlyWhatItDoesNotSet(t *testing.T) {
	common := Settings{Budget: 1, MinBytes: 1 << 20, MaxEntities: 100_000, Spans: []time.Duration{3 * time.Hour}, SuppressFor: day}

	bare := Rule{MinBytes: Common, SuppressFor: Common}.Inherit(common)
	assert.Equal(t, Rule{
		Budget: 1, MinBytes: 1 << 20, MaxEntities: 100_000, Spans: []time.Duration{3 * time.Hour}, SuppressFor: day,
	}, bare)

	own := Rule{Budget: 2, MinBytes: 0, MaxEntities: 5, Spans: []time.Duration{time.Hour}, SuppressFor: 0}
	assert.Equal(t, own, own.Inherit(common), "zero is a floor and a silence of its own")
}
