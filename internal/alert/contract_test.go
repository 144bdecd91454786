package alert

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

const (
	text  = pcommon.ValueTypeStr
	whole = pcommon.ValueTypeInt
	real  = pcommon.ValueTypeDouble
	truth = pcommon.ValueTypeBool
	many  = pcommon.ValueTypeSlice
)

// contract is what other people's pipelines rely on: the attributes of an anomaly and their types.
var contract = map[string]pcommon.ValueType{
	"log.record.uid":                                text,
	"security_rule.uuid":                            text,
	"security_rule.name":                            text,
	"security_rule.version":                         text,
	"security_rule.description":                     text,
	"security_rule.category":                        text,
	"security_rule.reference":                       text,
	"security_rule.license":                         text,
	"security_rule.ruleset.name":                    text,
	"exfil.rule.id":                                 text,
	"exfil.rule.severity":                           text,
	"exfil.rule.risk_score":                         whole,
	"exfil.rule.threshold":                          real,
	"exfil.rule.tags":                               many,
	"exfil.rule.guide":                              text,
	"exfil.rule.related":                            many,
	"threat.framework":                              text,
	"threat.tactic.id":                              text,
	"threat.tactic.name":                            text,
	"threat.tactic.reference":                       text,
	"threat.technique.id":                           many,
	"threat.technique.name":                         many,
	"threat.technique.reference":                    many,
	"exfil.score":                                   real,
	"exfil.probability":                             real,
	"exfil.expected_false_alarms":                   real,
	"exfil.bytes.actual":                            whole,
	"exfil.bytes.typical":                           whole,
	"exfil.bytes.upper":                             whole,
	"exfil.bytes.ratio":                             real,
	"exfil.entity.field":                            text,
	"exfil.entity.value":                            text,
	"destination.port":                              whole,
	"exfil.window.start":                            text,
	"exfil.window.end":                              text,
	"exfil.window.span":                             text,
	"exfil.early":                                   truth,
	"exfil.first_seen":                              truth,
	"exfil.baseline.age":                            whole,
	"exfil.baseline.windows":                        whole,
	"exfil.baseline.state":                          text,
	"exfil.contributors.source.address.values":      many,
	"exfil.contributors.source.address.bytes":       many,
	"exfil.contributors.host.name.values":           many,
	"exfil.contributors.host.name.bytes":            many,
	"exfil.contributors.user.name.values":           many,
	"exfil.contributors.user.name.bytes":            many,
	"exfil.contributors.process.name.values":        many,
	"exfil.contributors.process.name.bytes":         many,
	"exfil.contributors.destination.address.values": many,
	"exfil.contributors.destination.address.bytes":  many,
	"exfil.contributors.destination.port.values":    many,
	"exfil.contributors.destination.port.bytes":     many,
	"exfil.contributors.region.values":              many,
	"exfil.contributors.region.bytes":               many,
	"source.address":                                text,
	"host.name":                                     text,
	"user.name":                                     text,
	"process.name":                                  text,
	"exfil.flows":                                   whole,
	"exfil.suppressed":                              whole,
	"exfil.explanation":                             text,
}

// extras are the attributes besides the contract's that an anomaly may have.
var extras = map[string]pcommon.ValueType{
	"exfil.rule.threat":                                 many,
	"exfil.rule.dry_run":                                truth,
	"exfil.bytes.usual":                                 whole,
	"exfil.detail.fields":                               many,
	"exfil.detail.values":                               many,
	"exfil.entity.fields":                               many,
	"exfil.entity.values":                               many,
	"exfil.update_of":                                   text,
	"exfil.rules.version":                               text,
	"exfil.rules.digest":                                text,
	"exfil.contributors.destination.as.values":          many,
	"exfil.contributors.destination.as.bytes":           many,
	"exfil.flow_ids":                                    many,
	"exfil.contributors.country.values":                 many,
	"exfil.contributors.country.bytes":                  many,
	"exfil.contributors.source.address.shares":          many,
	"exfil.contributors.host.name.shares":               many,
	"exfil.contributors.user.name.shares":               many,
	"exfil.contributors.process.name.shares":            many,
	"exfil.contributors.destination.address.shares":     many,
	"exfil.contributors.destination.port.shares":        many,
	"exfil.contributors.region.shares":                  many,
	"exfil.contributors.country.shares":                 many,
	"exfil.contributors.destination.as.shares":          many,
	"exfil.contributors.source.address.first_seen":      many,
	"exfil.contributors.host.name.first_seen":           many,
	"exfil.contributors.user.name.first_seen":           many,
	"exfil.contributors.process.name.first_seen":        many,
	"exfil.contributors.destination.address.first_seen": many,
	"exfil.contributors.destination.port.first_seen":    many,
	"exfil.contributors.region.first_seen":              many,
	"exfil.contributors.country.first_seen":             many,
}

// full is an alert with everything that an alert can have, on a key of two fields.
func full() Anomaly {
	f := portFinding()
	for i := range f.Contributors {
		if c := &f.Contributors[i]; c.Field == flow.User {
			c.Bytes[0] = f.Actual
		}
	}
	host := regionFinding().Contributors[1]
	host.Bytes = []int64{f.Actual}
	host.FirstSeen = []time.Time{windowStart}
	country := detector.Contribution{
		Field: flow.DestinationCountry, Values: []string{"US"}, Bytes: []int64{f.Actual}, FirstSeen: []time.Time{windowStart},
	}
	f.Contributors = append(f.Contributors, host, country)
	f.Fields, f.Values = []flow.Field{flow.DestinationPort, flow.User}, []string{"4444", "alice"}
	f.DetailFields = []flow.Field{flow.Host, flow.DestinationPort, flow.User}
	f.DetailValues = []string{"ws-17", "4444", "alice"}
	a := anomaly(f)
	a.UpdateOf = "00000000000000000000000000000000"
	return a
}

func TestTheContract(t *testing.T) {
	attributes := record(t, newWriter(t), full()).Attributes()
	for key, kind := range contract {
		v, ok := attributes.Get(key)
		if assert.True(t, ok, "%s is missing", key) {
			assert.Equal(t, kind, v.Type(), key)
		}
	}
	for key, kind := range extras {
		v, ok := attributes.Get(key)
		if assert.True(t, ok, "%s is missing", key) {
			assert.Equal(t, kind, v.Type(), key)
		}
	}
	for key, v := range attributes.All() {
		assert.True(t, contract[key] != 0 || extras[key] != 0, "%s is nowhere promised", key)
		if v.Type() != many {
			continue
		}
		element := text
		switch {
		case !strings.HasPrefix(key, "exfil.contributors."):
		case strings.HasSuffix(key, ".bytes"):
			element = whole
		case strings.HasSuffix(key, ".shares"):
			element = real
		}
		require.Positive(t, v.Slice().Len(), key)
		for _, e := range v.Slice().All() {
			assert.Equal(t, element, e.Type(), key)
		}
	}
}

// every is an alert of every kind and key, with all that it can tell.
func every() []Alert {
	return []Alert{
		full(), anomaly(portFinding()), anomaly(regionFinding()), anomaly(countryFinding()), anomaly(addressFinding()),
		Overflow{
			Start: windowStart, End: now, Alerts: 1,
			Rules: []OverflowRule{{"a", 1}}, Entities: []OverflowEntity{{Rule: "a", Values: []string{"b"}}},
		},
		Overflow{Start: windowStart, End: now, Alerts: 2, Rules: []OverflowRule{{"a", 2}}, Bytes: 5, Score: 80, DryRun: true},
		Suppression{
			Rule: "unusual_destination_port", Fields: []flow.Field{flow.DestinationPort, flow.SourceAddress}, Values: []string{"4444", "10.1.2.3"},
			Windows: 3, Bytes: 4, Score: 80.5, First: windowStart, Last: now, Until: now, Alert: "a",
		},
		Suppression{Rule: "a_rule_that_is_gone", First: windowStart, Last: now, Until: now, DryRun: true},
		Anomaly{Finding: regionFinding(), UID: "d", DryRun: true},
		Health{Time: now, Status: Ready, Subject: "s", Detail: "d", Until: now},
		Health{Time: now, Status: StateLost},
	}
}

func TestEveryAttributeIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/alerts.md")
	require.NoError(t, err)
	page := string(text)
	described := func(key string) {
		assert.True(t, strings.Contains(page, "`"+key+"`"), "%s is nowhere described", key)
	}
	for _, a := range every() {
		for _, schema := range Schemas() {
			lr := record(t, newWriterOf(t, schema), a)
			for key := range lr.Attributes().All() {
				described(key)
			}
			if lr.Body().Type() == pcommon.ValueTypeMap {
				for key := range lr.Body().Map().All() {
					described(key)
				}
			}
		}
	}
	builtIn, err := rule.Builtin()
	require.NoError(t, err)
	for _, r := range builtIn {
		assert.Contains(t, page, "### "+r.ID+"\n", "the rule's reference leads there")
	}
}

// Whatever is told, in whatever schema, names the rules that were in force.
func TestEveryAlertNamesTheRulesInForce(t *testing.T) {
	rules, err := rule.Builtin()
	require.NoError(t, err)
	want := map[string]string{"exfil.rules.version": rule.PackVersion, "exfil.rules.digest": rule.Digest(rules)}
	changed := slices.Clone(rules)
	changed[0].Threshold = 80
	require.NotEqual(t, want["exfil.rules.digest"], rule.Digest(changed))
	for _, schema := range Schemas() {
		of := func(rules []rule.Rule, a Alert) map[string]string {
			w, err := NewWriter(rules, Options{Schema: schema})
			require.NoError(t, err)
			own := w.schema.own(record(t, w, a))
			got := map[string]string{}
			for key := range want {
				v, _ := own.Get(key)
				got[key] = v.Str()
			}
			return got
		}
		for _, a := range every() {
			assert.Equal(t, want, of(rules, a), schema)
			assert.Equal(t, rule.Digest(changed), of(changed, a)["exfil.rules.digest"], schema)
		}
	}
}

func TestTheRecordItself(t *testing.T) {
	lr := record(t, newWriter(t), anomaly(portFinding()))
	assert.Equal(t, "exfil.anomaly", lr.EventName())
	assert.Equal(t, windowStart.Add(40*time.Minute), lr.Timestamp().AsTime(), "event time of the decision")
	assert.Equal(t, now, lr.ObservedTimestamp().AsTime())
	assert.Equal(t, "low", lr.SeverityText())
	assert.Equal(t, plog.SeverityNumberWarn, lr.SeverityNumber())

	assert.Equal(t, "exfil.overflow", record(t, newWriter(t), Overflow{}).EventName())
	for status, severity := range map[Status]plog.SeverityNumber{
		WarmingUp: plog.SeverityNumberInfo, Ready: plog.SeverityNumberInfo,
		StateLost: plog.SeverityNumberWarn, DatabaseOld: plog.SeverityNumberWarn,
	} {
		lr := record(t, newWriter(t), Health{Status: status})
		assert.Equal(t, "exfil.health", lr.EventName())
		assert.Equal(t, severity, lr.SeverityNumber(), status)
		assert.NotEmpty(t, lr.Body().Str())
	}
}

func TestSeveritiesOfTheRuleBecomeThoseOfLogs(t *testing.T) {
	for severity, number := range map[rule.Severity]plog.SeverityNumber{
		rule.Low: plog.SeverityNumberWarn, rule.Medium: plog.SeverityNumberWarn2,
		rule.High: plog.SeverityNumberError, rule.Critical: plog.SeverityNumberFatal,
	} {
		w, err := NewWriter([]rule.Rule{{ID: "unusual_destination_port", Severity: severity}}, Options{})
		require.NoError(t, err)
		lr := record(t, w, anomaly(portFinding()))
		assert.Equal(t, number, lr.SeverityNumber())
		assert.Equal(t, string(severity), lr.SeverityText())
	}
}

func TestTheScoreMayDecideTheSeverity(t *testing.T) {
	rules := []rule.Rule{{ID: "unusual_destination_port", Severity: rule.Medium}}
	bands := []rule.SeverityBand{{From: 95, Severity: rule.Critical}, {From: 90, Severity: rule.High}}
	for score, want := range map[float64]rule.Severity{80: rule.Medium, 89.99: rule.Medium, 90: rule.High, 95: rule.Critical, 100: rule.Critical} {
		for _, schema := range Schemas() {
			w, err := NewWriter(rules, Options{Schema: schema, SeverityByScore: bands})
			require.NoError(t, err)
			f := portFinding()
			f.Score = score
			lr := record(t, w, anomaly(f))
			assert.Equal(t, string(want), lr.SeverityText(), score)
			assert.Equal(t, severityNumber(want), lr.SeverityNumber(), score)
			own, ok := lr.Attributes().Get("exfil.rule.severity")
			if schema == SchemaOCSF {
				body := lr.Body().Map().AsRaw()
				assert.Equal(t, severityID(want), body["severity_id"], score)
				assert.Equal(t, "Medium", body["risk_level"], "the rule's own severity stays visible")
				continue
			}
			require.True(t, ok)
			assert.Equal(t, "medium", own.Str(), "the rule's own severity stays visible")
			if schema == SchemaECS {
				assert.EqualValues(t, lr.SeverityNumber(), lr.Attributes().AsRaw()["event.severity"])
			}

			lr = record(t, w, Overflow{})
			assert.Equal(t, "WARN", lr.SeverityText(), "only anomalies have a score")
		}
	}
}

func attribute(t *testing.T, a Anomaly, key string) any {
	t.Helper()
	v, ok := record(t, newWriter(t), a).Attributes().Get(key)
	if !ok {
		return nil
	}
	return v.AsRaw()
}

func TestValuesOfTheAttributes(t *testing.T) {
	port := anomaly(portFinding())
	for key, want := range map[string]any{
		"destination.port":                         int64(4444),
		"exfil.entity.field":                       "destination.port",
		"exfil.entity.value":                       "4444",
		"exfil.bytes.ratio":                        168000.0,
		"exfil.window.start":                       "2026-03-03T12:00:00Z",
		"exfil.window.end":                         "2026-03-03T15:00:00Z",
		"exfil.window.span":                        "3h",
		"exfil.early":                              true,
		"exfil.rule.risk_score":                    int64(21),
		"threat.tactic.id":                         "TA0010",
		"threat.technique.id":                      []any{"T1041", "T1571"},
		"exfil.rule.threat":                        []any{"TA0010 Exfiltration / T1041 Exfiltration Over C2 Channel", "TA0011 Command and Control / T1571 Non-Standard Port"},
		"exfil.rule.related":                       []any{"ef8cc01c-fc49-4954-a175-98569c646740 Potential Data Exfiltration Activity to an Unusual Destination Port"},
		"source.address":                           "10.1.2.3",
		"process.name":                             "rclone",
		"user.name":                                nil, // nobody sent more than half
		"host.name":                                nil,
		"exfil.detail.fields":                      nil,
		"exfil.entity.fields":                      nil,
		"exfil.update_of":                          nil,
		"exfil.suppressed":                         int64(0),
		"exfil.contributors.destination.as.values": []any{"AS64496 Example Hosting"},
		"exfil.contributors.destination.as.bytes":  []any{int64(3_400_000_000)},
		"exfil.contributors.destination.as.shares": []any{80.95},
		"exfil.contributors.user.name.shares":      []any{47.62, 23.81},
		"exfil.contributors.user.name.first_seen":  []any{"2026-03-02T12:00:00Z", "2026-03-03T12:00:00Z"},
		"exfil.flow_ids":                           []any{"1:LQU9qZlK+B5F3KDmev6m5PMibrg=", "CHhAvVGS1DHFjwGM9"},
	} {
		assert.Equal(t, want, attribute(t, port, key), key)
	}

	region := anomaly(regionFinding())
	for key, want := range map[string]any{
		"destination.geo.region_name": "California",
		"host.name":                   "ws-17",
		"exfil.detail.values":         []any{"ws-17", "California"},
		"exfil.baseline.age":          int64(21 * 24 * 3600),
	} {
		assert.Equal(t, want, attribute(t, region, key), key)
	}
	assert.Equal(t, "AU", attribute(t, anomaly(countryFinding()), "destination.geo.country_iso_code"))
	assert.Equal(t, false, attribute(t, anomaly(countryFinding()), "exfil.early"))
	assert.Equal(t, "198.51.100.7", attribute(t, anomaly(addressFinding()), "destination.address"))
	assert.Equal(t, "4444, alice", attribute(t, full(), "exfil.entity.value"))
}
