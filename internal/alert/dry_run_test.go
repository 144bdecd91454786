package alert

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
)

// trying puts the rule "trial" in dry run.
func trying(o *GateOptions) {
	all := o.Policy
	o.Policy = func(rule string) Policy {
		p := all(rule)
		p.DryRun = rule == "trial"
		return p
	}
}

func trial(f detector.Finding) detector.Finding {
	f.Rule = "trial"
	return f
}

func TestARuleInDryRunTakesNothingFromOthers(t *testing.T) {
	few := func(o *GateOptions) { trying(o); o.MaxPerInterval = 2 }
	g := newGate(few)
	for port := range 10 {
		for _, a := range admit(g, trial(at(0, strconv.Itoa(port), 80))) {
			assert.True(t, a.DryRun)
		}
	}
	live := admit(g, at(0, "1", 80), at(0, "2", 80), at(0, "3", 80))
	require.Len(t, live, 2, "the cap is theirs alone")
	assert.False(t, live[0].DryRun)
	assert.Equal(t, GateStats{Alerted: 2, Overflowed: 1}, g.Stats())
	assert.Equal(t, GateStats{Alerted: 2, Overflowed: 8}, g.DryRunStats(), "it has a cap of its own")

	out := g.Tick(windowStart.Add(15*time.Minute), nil)
	require.Len(t, out, 2)
	assert.Equal(t, 1, out[0].(Overflow).Alerts)
	assert.False(t, out[0].(Overflow).DryRun)
	assert.Equal(t, 8, out[1].(Overflow).Alerts)
	assert.True(t, out[1].(Overflow).DryRun)
	assert.NotEqual(t, Overflow{}.ID(), Overflow{DryRun: true}.ID())
}

func TestARuleInDryRunSuppressesAsItWould(t *testing.T) {
	g := newGate(trying)
	require.Len(t, admit(g, trial(at(0, "4444", 80))), 1)
	assert.Empty(t, admit(g, trial(at(1, "4444", 80))))
	summed := suppressions(g.Tick(windowStart.Add(48*time.Hour), nil))
	require.Len(t, summed, 1)
	assert.True(t, summed[0].DryRun)
}

// Once the rule is in earnest, what it said before does not keep it from telling.
func TestARuleThatGoesLiveIsHeard(t *testing.T) {
	g := newGate(trying)
	require.Len(t, admit(g, trial(at(0, "4444", 80))), 1)
	require.Empty(t, admit(g, trial(at(1, "4444", 80))))
	g = reopened(t, g, nil)
	live := admit(g, trial(at(2, "4444", 80)))
	require.Len(t, live, 1)
	assert.False(t, live[0].DryRun)
	assert.Zero(t, live[0].Suppressed)
	summed := suppressions(g.Tick(windowStart.Add(48*time.Hour), nil))
	require.Len(t, summed, 1, "what it held back before is told, as of a dry run")
	assert.True(t, summed[0].DryRun)
}

func TestRulesInDryRunGoOnAsIfThereHadBeenNoRestart(t *testing.T) {
	few := func(o *GateOptions) { trying(o); o.MaxPerInterval = 2 }
	straight, restarted := newGate(few), newGate(few)
	random := rand.New(rand.NewPCG(1, 1))
	for life := range 5 {
		next := findings(random, 3*life, 97)
		for i := range next {
			if i%2 == 0 {
				next[i] = trial(next[i])
			}
		}
		require.Equal(t, straight.Admit(next, nil), restarted.Admit(next, nil))
		restarted = reopened(t, restarted, few)
		require.Equal(t, straight.DryRunStats(), restarted.DryRunStats())
		require.Equal(t, saved(straight), saved(restarted))
	}
	assert.Positive(t, straight.DryRunStats().Overflowed)
}

func TestWhatARuleInDryRunRemembersIsBounded(t *testing.T) {
	g := newGate(func(o *GateOptions) { trying(o); o.MaxPerInterval = 1 << 20 })
	admit(g, at(0, "4444", 80))
	for i := range 2 * maxTried {
		admit(g, trial(at(0, strconv.Itoa(i), 80)))
	}
	assert.Equal(t, maxTried, g.dry.entities.len())
	assert.Equal(t, maxTried, g.dry.groups.len())
	assert.Empty(t, admit(g, at(1, "4444", 80)), "what others remember is not less for it")
}

// What wakes people goes by severity, kind or workflow: an alert of a rule in dry run has none that would. All else is as it will be.
func TestAnAlertInDryRunWakesNobody(t *testing.T) {
	rules := []rule.Rule{{ID: "unusual_destination_port", Severity: rule.Critical, RiskScore: 99, DryRun: true}}
	bands := []rule.SeverityBand{{From: 50, Severity: rule.Critical}}
	live := anomaly(portFinding())
	dry := live
	dry.DryRun = true
	for _, schema := range Schemas() {
		w, err := NewWriter(rules, Options{Schema: schema, SeverityByScore: bands})
		require.NoError(t, err)
		lr, other := record(t, w, dry), record(t, w, live)
		assert.Equal(t, plog.SeverityNumberInfo, lr.SeverityNumber(), schema)
		assert.Equal(t, "INFO", lr.SeverityText())
		assert.Equal(t, EventAnomaly, lr.EventName())
		if schema != SchemaOCSF {
			assert.Equal(t, other.Body().Str(), lr.Body().Str())
			assert.Equal(t, true, lr.Attributes().AsRaw()["exfil.rule.dry_run"])
			assert.Equal(t, false, other.Attributes().AsRaw()["exfil.rule.dry_run"], "there is always something to filter by")
			assert.Equal(t, "critical", lr.Attributes().AsRaw()["exfil.rule.severity"], "the rule's own severity stays visible")
		}
	}
	w := newWriterOf(t, SchemaECS)
	assert.Equal(t, "event", record(t, w, dry).Attributes().AsRaw()["event.kind"])
	assert.Equal(t, "alert", record(t, w, live).Attributes().AsRaw()["event.kind"])

	e := event(t, dry)
	for _, c := range []struct {
		want any
		path []any
	}{
		{false, []any{"is_alert"}},
		{"Informational", []any{"severity"}},
		{int64(ocsfOther), []any{"status_id"}},
		{"Dry Run", []any{"status"}},
		{true, []any{"unmapped", "exfil.rule.dry_run"}},
	} {
		assert.Equal(t, c.want, dig(e, c.path...), c.path)
	}
	assert.Equal(t, true, event(t, live)["is_alert"])

	for _, schema := range Schemas() {
		w := newWriterOf(t, schema)
		assert.Equal(t, plog.SeverityNumberInfo, record(t, w, Overflow{DryRun: true}).SeverityNumber())
		assert.Equal(t, plog.SeverityNumberWarn, record(t, w, Overflow{}).SeverityNumber())
		assert.Equal(t, plog.SeverityNumberInfo, record(t, w, Suppression{}).SeverityNumber())
	}
}
