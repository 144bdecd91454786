package alert

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/rule"
)

// otel writes the schema of docs/alerts.md: OpenTelemetry's semantic conventions and, where they
// have no word, ECS's or one under exfil.
type otel struct {
	rules metadata
	asn   networks
}

func newOTel(rules []rule.Rule, asn networks) *otel {
	return &otel{rules: newMetadata("exfil.rule.id", rules, putRule), asn: asn}
}

func putRule(m pcommon.Map, r *rule.Rule) {
	putText(m, "security_rule.uuid", r.UUID)
	putText(m, "security_rule.name", r.Name)
	putText(m, "security_rule.version", r.Version)
	putText(m, "security_rule.description", r.Description)
	putText(m, "security_rule.category", r.Category)
	putText(m, "security_rule.reference", r.Reference)
	putText(m, "security_rule.license", r.License)
	putText(m, "security_rule.ruleset.name", r.RulesetName)
	putRuleSettings(m, r)
	putThreat(m, r.Threat)
}

// putThreat tells the first tactic only, each by a text of its own, and the techniques of all of them.
func putThreat(m pcommon.Map, threats []rule.Threat) {
	if len(threats) == 0 {
		return
	}
	first := threats[0]
	putText(m, "threat.framework", first.Framework)
	putText(m, "threat.tactic.id", first.Tactic.ID)
	putText(m, "threat.tactic.name", first.Tactic.Name)
	putText(m, "threat.tactic.reference", first.Tactic.Reference)
	putTechniques(m, threats)
}

// scope leaves the scope as it is: name and version say all.
func (*otel) scope(pcommon.InstrumentationScope) {}

func (*otel) own(lr plog.LogRecord) pcommon.Map { return lr.Attributes() }

func (o *otel) anomaly(lr plog.LogRecord, a *Anomaly) {
	m := lr.Attributes()
	m.PutStr("log.record.uid", a.ID())
	lr.Body().SetStr(sentence(&a.Finding))
	o.rules.put(m, a.Finding.Rule)
	putAnomaly(m, m, a, o.asn)
	m.PutStr("exfil.explanation", explanation(&a.Finding))
}

func (*otel) overflow(lr plog.LogRecord, o *Overflow) {
	lr.Attributes().PutStr("log.record.uid", o.ID())
	lr.Body().SetStr(overflowSentence(o))
	putOverflow(lr.Attributes(), o)
}

func (*otel) suppression(lr plog.LogRecord, s *Suppression) {
	m := lr.Attributes()
	m.PutStr("log.record.uid", s.ID())
	lr.Body().SetStr(suppressionSentence(s))
	m.PutStr("exfil.rule.id", s.Rule)
	putSuppression(m, m, s)
}

func (*otel) health(lr plog.LogRecord, h *Health) {
	lr.Attributes().PutStr("log.record.uid", h.ID())
	lr.Body().SetStr(healthText(h))
	putHealth(lr.Attributes(), h)
}

func (*otel) link(lr plog.LogRecord, address string) {
	lr.Attributes().PutStr("exfil.drilldown", address)
}
