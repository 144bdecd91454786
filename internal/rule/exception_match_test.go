package rule

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/condition"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Each part of match by itself: what falls under it, and what does not.
func TestEachPartMatchesByAnyOfItsValues(t *testing.T) {
	for part, c := range map[string]struct{ in, out func(*flow.Flow) }{
		"asns: [64499, AS64496]":                           {in: nil, out: func(f *flow.Flow) { f.Destination = netip.MustParseAddr("203.0.113.1") }},
		"asns: [as64500]":                                  {in: func(f *flow.Flow) { f.Destination = netip.MustParseAddr("203.0.113.1") }, out: nil},
		"{asns: [64500], side: source}":                    {in: func(f *flow.Flow) { f.Source = netip.MustParseAddr("203.0.113.1") }, out: func(f *flow.Flow) { f.Destination = netip.MustParseAddr("203.0.113.1") }},
		"{networks: [10.2.0.0/16], side: source}":          {in: nil, out: func(f *flow.Flow) { f.Source = netip.MustParseAddr("10.3.3.4") }},
		"{networks: [198.51.100.0/24], side: destination}": {in: nil, out: func(f *flow.Flow) { f.Destination = netip.MustParseAddr("10.3.3.4") }},
		`ports: [22, "6000-6010", 6005-6020, 443]`:         {in: func(f *flow.Flow) { f.Port = 6020 }, out: func(f *flow.Flow) { f.Port = 6021 }},
		`ports: ["1-65535"]`:                               {in: nil, out: func(f *flow.Flow) { f.Port = 0 }},
		"ports: [6000-6010]":                               {in: func(f *flow.Flow) { f.Port = 6000 }, out: func(f *flow.Flow) { f.Port = 5999 }},
		"countries: [at, ie]":                              {in: nil, out: func(f *flow.Flow) { f.Place.Country = "US" }},
		"regions: [lein*, Munster]":                        {in: nil, out: func(f *flow.Flow) { f.Place.Region = "" }},
		`regions: ["Nordrhein-Westfalen", "Île-de-*"]`:     {in: func(f *flow.Flow) { f.Place.Region = "Île-de-France" }, out: nil},
		"hosts: [backup-*]":                                {in: nil, out: func(f *flow.Flow) { f.Host = "web-01" }},
		"users: [svc-*]":                                   {in: nil, out: func(f *flow.Flow) { f.User = "ana" }},
		`users: ["*"]`:                                     {in: nil, out: func(f *flow.Flow) { f.User = "" }},
		"processes: [rsync, restic.exe]":                   {in: func(f *flow.Flow) { f.Process = "Restic.EXE" }, out: func(f *flow.Flow) { f.Process = "rclone" }},
	} {
		if part[0] != '{' {
			part = "{" + part + "}"
		}
		exceptions := compiled(t, "exceptions: [{name: a, match: "+part+"}]")
		assert.Equal(t, 0, first(exceptions, described(c.in)), part)
		assert.Equal(t, -1, first(exceptions, described(c.out)), part)
	}
}

func described(change func(*flow.Flow)) *flow.Flow {
	return backupFlow(func(f *flow.Flow) {
		f.User, f.Process, f.Place = "svc-backup", "rsync", flow.Place{Region: "Leinster", Country: "IE"}
		if change != nil {
			change(f)
		}
	})
}

func TestAConditionAsksTheRecord(t *testing.T) {
	exceptions := compiled(t, `
exceptions:
  - name: a
    match: {ports: [443], conditions: ['log.attributes["app"] == "backup"', 'HasPrefix(resource.attributes["env"], "dev")']}
`)
	record := func(app, env string) *condition.Record {
		r := plog.NewResourceLogs()
		r.Resource().Attributes().PutStr("env", env)
		s := r.ScopeLogs().AppendEmpty()
		l := s.LogRecords().AppendEmpty()
		l.Attributes().PutStr("app", app)
		return &condition.Record{Resource: r, Scope: s, Log: l}
	}
	f := backupFlow(nil)
	assert.Len(t, exceptions.Match(f, record("backup", "prod"), nil), 1)
	assert.Len(t, exceptions.Match(f, record("web", "dev-3"), nil), 1)
	assert.Empty(t, exceptions.Match(f, record("web", "prod"), nil))
	assert.Empty(t, exceptions.Match(f, nil, nil), "a data point has no record")
	f.Port = 22
	assert.Empty(t, exceptions.Match(f, record("backup", "prod"), nil))
}

// What an exception says its traffic does not do is noted for the rules that it names, by their number among the
// enabled ones.
func TestAnExceptionSaysWhatItsFlowsAreKeptFrom(t *testing.T) {
	port, region := flow.RuleNumber(0), flow.RuleNumber(1)
	for text, want := range map[string][2]flow.RuleSet{
		"":                                    {flow.AllRules, flow.AllRules},
		"action: [skip_alert, skip_learning]": {flow.AllRules, flow.AllRules},
		"action: [skip_alert]":                {flow.AllRules, 0},
		"action: skip_learning":               {0, flow.AllRules},
		"rules: [by_port]":                    {port, port},
		"rules: [by_region, by_port]":         {port | region, port | region},
		"{rules: [by_region], action: skip_alert}": {region, 0},
		"rules: [by_country, by_region]":           {region, region},
	} {
		text = trimBraces(text)
		exceptions := compiled(t, "exceptions: [{name: a, match: {ports: [443]}, "+text+"}]")
		f := backupFlow(nil)
		for _, i := range exceptions.Match(f, nil, nil) {
			require.True(t, exceptions.Admit(int(i), f, noon))
		}
		assert.Equal(t, want, [2]flow.RuleSet{f.NoAlert, f.NoLearning}, text)
	}
	assert.Equal(t, -1, first(compiled(t, "exceptions: [{name: a, match: {ports: [443]}, rules: [by_country]}]"), backupFlow(nil)),
		"a rule that is disabled is as none")
}

func trimBraces(text string) string {
	if text != "" && text[0] == '{' {
		return text[1 : len(text)-1]
	}
	return text
}

// Each rule takes the first exception that holds for it.
func TestEachRuleTakesTheFirstThatMatches(t *testing.T) {
	exceptions := compiled(t, `
exceptions:
  - {name: port, match: {ports: [443]}, rules: [by_port], action: skip_alert}
  - {name: port again, match: {ports: [443]}, rules: [by_port]}
  - {name: all, match: {networks: [198.51.100.0/24]}, max_bytes: 10kB}
  - {name: never, match: {ports: [443]}}
`)
	f := backupFlow(func(f *flow.Flow) { f.Bytes = 9000 })
	matched := exceptions.Match(f, nil, nil)
	assert.Equal(t, []int32{0, 2}, matched)
	admit := func() *flow.Flow {
		f := *f
		for _, i := range matched {
			exceptions.Admit(int(i), &f, noon)
		}
		return &f
	}
	below := admit()
	assert.Equal(t, flow.AllRules, below.NoLearning)
	above := admit()
	assert.Equal(t, flow.RuleNumber(0), above.NoAlert, "the second is above its ceiling, the first has none")
	assert.Zero(t, above.NoLearning)
}
