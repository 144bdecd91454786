package alert

import (
	"net/netip"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// ecsVersion is the version of the Elastic Common Schema that documents are written to.
// Its fields: https://www.elastic.co/guide/en/ecs/8.17/ecs-field-reference.html
const ecsVersion = "8.17.0"

const (
	// mappingModeAttribute of a scope tells the Elasticsearch exporter which documents to make of the records.
	mappingModeAttribute = "elastic.mapping.mode"
	// ecsDataset is event.dataset of all that is told.
	ecsDataset = "exfil.alerts"
	ecsModule  = "exfil"
	// ecsTime is RFC 3339 with milliseconds, which is what Elasticsearch's date type keeps.
	ecsTime = "2006-01-02T15:04:05.000Z07:00"
)

// ecs writes documents of the Elastic Common Schema: a record's attributes are the document's fields. What ECS
// has no field for is under exfil, as in the schema otel.
//
// An alert has no source.bytes: it is a sum over flows that dashboards count already, and a record with it would
// be taken for one more flow. The bytes are in exfil.bytes.
type ecs struct {
	rules metadata
	asn   networks
}

func newECS(rules []rule.Rule, asn networks) *ecs {
	return &ecs{rules: newMetadata("rule.id", rules, putECSRule), asn: asn}
}

func putECSRule(m pcommon.Map, r *rule.Rule) {
	putText(m, "rule.uuid", r.UUID)
	putText(m, "rule.name", r.Name)
	putText(m, "rule.version", r.Version)
	putText(m, "rule.description", r.Description)
	putText(m, "rule.category", r.Category)
	putText(m, "rule.reference", r.Reference)
	putText(m, "rule.license", r.License)
	putText(m, "rule.ruleset", r.RulesetName)
	m.PutDouble("event.risk_score", float64(r.RiskScore))
	putRuleSettings(m, r)
	putECSThreat(m, r.Threat)
}

// putECSThreat tells all tactics: in ECS they are lists as techniques are.
func putECSThreat(m pcommon.Map, threats []rule.Threat) {
	if len(threats) == 0 {
		return
	}
	putText(m, "threat.framework", threats[0].Framework)
	var ids, names, references []string
	for _, threat := range threats {
		tactic := threat.Tactic
		ids, names, references = once(ids, tactic.ID), once(names, tactic.Name), once(references, tactic.Reference)
	}
	putTexts(m, "threat.tactic.id", ids)
	putTexts(m, "threat.tactic.name", names)
	putTexts(m, "threat.tactic.reference", references)
	putTechniques(m, threats)
}

// once appends a text to a list that does not have it; an empty one is nothing to tell.
func once(list []string, text string) []string {
	if text == "" || slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

func (*ecs) scope(s pcommon.InstrumentationScope) {
	s.Attributes().PutStr(mappingModeAttribute, SchemaECS)
}

func (*ecs) own(lr plog.LogRecord) pcommon.Map { return lr.Attributes() }

func (e *ecs) anomaly(lr plog.LogRecord, a *Anomaly) {
	f := &a.Finding
	m := lr.Attributes()
	kind := "alert"
	if a.DryRun { // views of alerts show what is of that kind
		kind = "event"
	}
	putEvent(lr, a.ID(), kind, sentence(f))
	putTexts(m, "event.category", []string{"intrusion_detection"})
	m.PutStr("event.start", began(f).UTC().Format(ecsTime))
	m.PutStr("event.end", f.Time.UTC().Format(ecsTime))
	m.PutStr("event.reason", explanation(f))
	e.rules.put(m, f.Rule)
	m.PutStr("network.direction", "outbound")
	putAnomaly(m, m, a, e.asn)
	e.putEnds(m)
	putRelated(m, f)
}

// putEvent tells what every document tells. Of severity, level, time and message the exporter makes the same
// fields; here they are for whoever reads the attributes without it.
func putEvent(lr plog.LogRecord, id, kind, message string) {
	m := lr.Attributes()
	lr.Body().SetStr(message)
	m.PutStr("@timestamp", lr.Timestamp().AsTime().UTC().Format(ecsTime))
	m.PutStr("ecs.version", ecsVersion)
	m.PutStr("message", message)
	m.PutStr("log.level", lr.SeverityText())
	m.PutStr("event.id", id)
	m.PutStr("event.kind", kind)
	putTexts(m, "event.type", []string{"info"})
	m.PutStr("event.action", lr.EventName())
	m.PutInt("event.severity", int64(lr.SeverityNumber()))
	m.PutStr("event.created", lr.ObservedTimestamp().AsTime().UTC().Format(ecsTime))
	m.PutStr("event.module", ecsModule)
	m.PutStr("event.dataset", ecsDataset)
	m.PutStr("event.provider", ecsModule)
}

// putEnds tells of the two ends, where they are known, what ECS has more fields for.
func (e *ecs) putEnds(m pcommon.Map) {
	for _, end := range [...]string{"source", "destination"} {
		v, ok := m.Get(end + ".address")
		if !ok {
			continue
		}
		text := v.Str()
		if ip, ok := plainIP(text); ok {
			m.PutStr(end+".ip", ip)
		}
		if end == "source" {
			continue
		}
		if number, name, ok := e.asn.find(text); ok {
			m.PutInt("destination.as.number", int64(number))
			putText(m, "destination.as.organization.name", value(name))
		}
	}
}

// plainIP returns an address as databases of documents take it: without a zone.
func plainIP(text string) (string, bool) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	return address.WithZone("").String(), true
}

// putRelated lists everybody that an analyst may want to pivot on.
func putRelated(m pcommon.Map, f *detector.Finding) {
	var ips []string
	for _, text := range slices.Concat(named(f, flow.SourceAddress), named(f, flow.DestinationAddress)) {
		if ip, ok := plainIP(text); ok {
			ips = once(ips, ip)
		}
	}
	putTexts(m, "related.ip", ips)
	putTexts(m, "related.hosts", mapped(named(f, flow.Host), value))
	putTexts(m, "related.user", mapped(named(f, flow.User), value))
}

// named returns the values of a field that the entity, its detail and the contributors name, each once.
func named(f *detector.Finding, field flow.Field) []string {
	var all []string
	add := func(text string) {
		if text != detector.OverflowValue {
			all = once(all, text)
		}
	}
	for i := range f.Fields {
		if f.Fields[i] == field {
			add(f.Values[i])
		}
	}
	for i := range f.DetailFields {
		if f.DetailFields[i] == field {
			add(f.DetailValues[i])
		}
	}
	for _, text := range contribution(f, field).Values {
		add(text)
	}
	return all
}

// overflow is an event: something happened, but it is no alert of its own, and the counts are no measurement that
// comes at intervals, as a metric would be.
func (*ecs) overflow(lr plog.LogRecord, o *Overflow) {
	m := lr.Attributes()
	putEvent(lr, o.ID(), "event", overflowSentence(o))
	m.PutStr("event.start", o.Start.UTC().Format(ecsTime))
	m.PutStr("event.end", o.End.UTC().Format(ecsTime))
	putOverflow(m, o)
}

// suppression is an event as overflow is.
func (*ecs) suppression(lr plog.LogRecord, s *Suppression) {
	m := lr.Attributes()
	putEvent(lr, s.ID(), "event", suppressionSentence(s))
	m.PutStr("event.start", s.First.UTC().Format(ecsTime))
	m.PutStr("event.end", s.Last.UTC().Format(ecsTime))
	m.PutStr("rule.id", s.Rule)
	putSuppression(m, m, s)
}

// health is a state: that of the detection, from that time on.
func (*ecs) health(lr plog.LogRecord, h *Health) {
	putEvent(lr, h.ID(), "state", healthText(h))
	lr.Attributes().PutStr("event.start", h.Time.UTC().Format(ecsTime))
	putHealth(lr.Attributes(), h)
}

// link is no event.url, which is where the event itself can be seen, and no rule.reference, which is about the rule.
func (*ecs) link(lr plog.LogRecord, address string) {
	lr.Attributes().PutStr("exfil.drilldown", address)
}
