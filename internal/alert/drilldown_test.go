package alert

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

const drilldown = "https://siem.example/app/{{rule}}?from={{start}}&to={{end_ms}}&q={{field}}:{{ value }}&src={{source}}&host={{host}}#{{uid}}/{{start_ms}}-{{end}}"

func linked(t *testing.T, schema string, a Anomaly) string {
	t.Helper()
	rules, err := rule.Builtin()
	require.NoError(t, err)
	w, err := NewWriter(rules, Options{Schema: schema, Drilldown: drilldown})
	require.NoError(t, err)
	lr := record(t, w, a)
	if schema == SchemaOCSF {
		info, _ := lr.Body().Map().Get("finding_info")
		v, ok := info.Map().Get("src_url")
		require.True(t, ok)
		return v.Str()
	}
	v, ok := lr.Attributes().Get("exfil.drilldown")
	require.True(t, ok)
	return v.Str()
}

func TestAnAlertLeadsToWhereItIsLookedInto(t *testing.T) {
	a := anomaly(portFinding())
	for _, schema := range Schemas() {
		assert.Equal(t, "https://siem.example/app/unusual_destination_port?from=2026-03-03T12%3A00%3A00Z&to=1772550000000&q=destination.port:4444"+
			"&src=10.1.2.3&host=#"+a.UID+"/1772539200000-2026-03-03T15%3A00%3A00Z", linked(t, schema, a), schema)
	}
	text, err := os.ReadFile("../../docs/alerts.md")
	require.NoError(t, err)
	for _, name := range append(Placeholders(), "exfil.drilldown") {
		assert.Contains(t, string(text), "`"+name+"`")
	}
}

// Whatever the network calls itself, the address stays what it is, and the name is one value in it.
func TestANameCannotChangeWhereALinkLeads(t *testing.T) {
	for _, name := range []string{"x&to=0", "a b+c", "../../other", "#x", "{{uid}}", "%2e", "é\u202e\n", "\xff", "https://evil.example/"} {
		f := portFinding()
		f.Fields, f.Values = []flow.Field{flow.User}, []string{name}
		u, err := url.Parse(linked(t, SchemaOTel, anomaly(f)))
		require.NoError(t, err, "%q", name)
		assert.Equal(t, "siem.example", u.Host)
		assert.Equal(t, "/app/unusual_destination_port", u.Path)
		assert.Equal(t, "user.name:"+strings.ToValidUTF8(name, "\uFFFD"), u.Query().Get("q"))
		assert.Len(t, u.Query(), 5)
	}
}

func TestTemplatesThatMakeNoAddress(t *testing.T) {
	for _, template := range []string{
		"", "siem", "ftp://siem.example/{{uid}}", "https:///{{uid}}", "https://{{host}}/", "https://siem.example{{uid}}", "https://siem.example/{{uid",
		"https://siem.example/{{user}}", "javascript:alert({{uid}})", "https://siem.example/%zz",
	} {
		_, err := ParseDrilldown(template)
		assert.ErrorIs(t, err, ErrDrilldown, template)
	}
	for _, template := range []string{"http://siem.example", "https://siem.example:5601/{{uid}}", "https://siem.example?q={{uid}}"} {
		_, err := ParseDrilldown(template)
		assert.NoError(t, err, template)
	}
}
