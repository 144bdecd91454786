package alert

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// otel writes the schema of docs/alerts.md: OpenTelemetry's semantic conventions and, where they
// have no word, ECS's or one under exfil.
type otel struct {
	rules map[string]pcommon.Map // what an alert tells of its rule, by id
	asn   func(netip.Addr) (uint32, string, bool)
}

func newOTel(rules []rule.Rule, asn func(netip.Addr) (uint32, string, bool)) *otel {
	o := &otel{rules: make(map[string]pcommon.Map, len(rules)), asn: asn}
	for i := range rules {
		m := pcommon.NewMap()
		putRule(m, &rules[i])
		putThreat(m, rules[i].Threat)
		o.rules[rules[i].ID] = m
	}
	return o
}

func putRule(m pcommon.Map, r *rule.Rule) {
	m.PutStr("exfil.rule.id", r.ID)
	putText(m, "security_rule.uuid", r.UUID)
	putText(m, "security_rule.name", r.Name)
	putText(m, "security_rule.version", r.Version)
	putText(m, "security_rule.description", r.Description)
	putText(m, "security_rule.category", r.Category)
	putText(m, "security_rule.reference", r.Reference)
	putText(m, "security_rule.license", r.License)
	putText(m, "security_rule.ruleset.name", r.RulesetName)
	m.PutStr("exfil.rule.severity", string(r.Severity))
	m.PutInt("exfil.rule.risk_score", int64(r.RiskScore))
	m.PutDouble("exfil.rule.threshold", r.Threshold)
	putTexts(m, "exfil.rule.tags", r.Tags)
	putText(m, "exfil.rule.guide", guide(r.Guide))
	related := make([]string, len(r.Related))
	for i, other := range r.Related {
		related[i] = strings.TrimSpace(other.ID + " " + other.Name)
	}
	putTexts(m, "exfil.rule.related", related)
}

// guide joins the parts of a guide to one Markdown text.
func guide(g rule.Guide) string {
	var b strings.Builder
	for _, part := range [...]struct{ title, text string }{
		{"Investigation", g.Investigation}, {"False positives", g.FalsePositives}, {"Response", g.Response},
	} {
		if part.text != "" {
			fmt.Fprintf(&b, "## %s\n\n%s\n\n", part.title, strings.TrimSpace(part.text))
		}
	}
	return strings.TrimSpace(b.String())
}

// putThreat tells the first tactic, as ECS has room for one, and the techniques of all of them;
// exfil.rule.threat keeps which technique belongs to which tactic.
func putThreat(m pcommon.Map, threats []rule.Threat) {
	if len(threats) == 0 {
		return
	}
	first := threats[0]
	putText(m, "threat.framework", first.Framework)
	putText(m, "threat.tactic.id", first.Tactic.ID)
	putText(m, "threat.tactic.name", first.Tactic.Name)
	putText(m, "threat.tactic.reference", first.Tactic.Reference)
	var ids, names, references, lines []string
	for _, threat := range threats {
		tactic := strings.TrimSpace(threat.Tactic.ID + " " + threat.Tactic.Name)
		if len(threat.Technique) == 0 {
			lines = append(lines, tactic)
		}
		for _, technique := range threat.Technique {
			lines = append(lines, tactic+" / "+strings.TrimSpace(technique.ID+" "+technique.Name))
			if !slices.Contains(ids, technique.ID) {
				ids = append(ids, technique.ID)
				names = append(names, technique.Name)
				references = append(references, technique.Reference)
			}
		}
	}
	putTexts(m, "threat.technique.id", ids)
	putTexts(m, "threat.technique.name", names)
	putTexts(m, "threat.technique.reference", references)
	putTexts(m, "exfil.rule.threat", lines)
}

func (o *otel) anomaly(lr plog.LogRecord, a *Anomaly) {
	f := &a.Finding
	m := lr.Attributes()
	lr.Body().SetStr(sentence(f))
	if told, ok := o.rules[f.Rule]; ok {
		for key, v := range told.All() {
			v.CopyTo(m.PutEmpty(key))
		}
	} else {
		m.PutStr("exfil.rule.id", f.Rule)
	}
	putVerdict(m, f)
	putEntity(m, f)
	putWindow(m, f)
	o.putContributors(m, f)
	m.PutInt("exfil.flows", f.Flows)
	m.PutInt("exfil.suppressed", int64(a.Suppressed))
	putText(m, "exfil.update_of", a.UpdateOf)
	m.PutStr("exfil.explanation", explanation(f))
}

func putVerdict(m pcommon.Map, f *detector.Finding) {
	m.PutDouble("exfil.score", min(max(finite(f.Score), 0), 100))
	m.PutDouble("exfil.probability", min(max(finite(f.Probability), 0), 1))
	m.PutDouble("exfil.expected_false_alarms", finite(f.FalseAlarms))
	m.PutInt("exfil.bytes.actual", f.Actual)
	m.PutInt("exfil.bytes.typical", f.Typical)
	m.PutInt("exfil.bytes.upper", f.Upper)
	m.PutDouble("exfil.bytes.ratio", ratio(f))
	if most, ok := usual(f); ok {
		m.PutInt("exfil.bytes.usual", most)
	}
	m.PutBool("exfil.early", f.Phase == detector.Crossing)
	m.PutBool("exfil.first_seen", f.FirstSeen)
	m.PutInt("exfil.baseline.age", int64(f.Age/time.Second))
	m.PutInt("exfil.baseline.windows", int64(f.Windows))
	m.PutStr("exfil.baseline.state", string(f.State))
}

// keySeparator joins the fields and the values of a key of several fields.
const keySeparator = ", "

func putEntity(m pcommon.Map, f *detector.Finding) {
	names := fieldNames(f.Fields)
	m.PutStr("exfil.entity.field", strings.Join(names, keySeparator))
	m.PutStr("exfil.entity.value", value(strings.Join(f.Values, keySeparator)))
	if len(names) > 1 {
		putTexts(m, "exfil.entity.fields", names)
		putTexts(m, "exfil.entity.values", mapped(f.Values, value))
	}
	if len(f.DetailFields) > 0 {
		putTexts(m, "exfil.detail.fields", fieldNames(f.DetailFields))
		putTexts(m, "exfil.detail.values", mapped(f.DetailValues, value))
	}
	for i, field := range f.Fields {
		putField(m, field, f.Values[i])
	}
	for i, field := range f.DetailFields {
		putField(m, field, f.DetailValues[i])
	}
}

// putField tells a value under its field's own name, a port as the number it is.
func putField(m pcommon.Map, field flow.Field, text string) {
	if text == "" || text == detector.OverflowValue {
		return
	}
	if field == flow.DestinationPort {
		if port, err := strconv.ParseUint(text, 10, 16); err == nil {
			m.PutInt(field.String(), int64(port))
		}
		return
	}
	m.PutStr(field.String(), value(text))
}

func putWindow(m pcommon.Map, f *detector.Finding) {
	m.PutStr("exfil.window.start", f.WindowStart.UTC().Format(time.RFC3339))
	m.PutStr("exfil.window.end", f.WindowEnd.UTC().Format(time.RFC3339))
	m.PutStr("exfil.window.span", rule.FormatSpan(f.Span))
}

// contributorNames are the fields' names under exfil.contributors.
var contributorNames = [flow.FieldCount]string{
	flow.SourceAddress:      "source.address",
	flow.Host:               "host.name",
	flow.User:               "user.name",
	flow.Process:            "process.name",
	flow.DestinationAddress: "destination.address",
	flow.DestinationPort:    "destination.port",
	flow.DestinationRegion:  "region",
	flow.DestinationCountry: "country",
}

func (o *otel) putContributors(m pcommon.Map, f *detector.Finding) {
	for _, c := range f.Contributors {
		if len(c.Values) == 0 {
			continue
		}
		putShares(m, contributorNames[c.Field], c.Values, c.Bytes)
		if isSender(c.Field) && dominates(c, f) {
			if _, named := m.Get(c.Field.String()); !named {
				putField(m, c.Field, c.Values[0])
			}
		}
		if c.Field == flow.DestinationAddress && o.asn != nil {
			o.putNetworks(m, c)
		}
	}
}

// putNetworks tells who announces the destination addresses, the bytes summed by network.
func (o *otel) putNetworks(m pcommon.Map, c detector.Contribution) {
	var names []string
	sums := make(map[string]int64)
	for i, text := range c.Values {
		address, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		number, name, ok := o.asn(address)
		if !ok {
			continue
		}
		network := strings.TrimSpace(fmt.Sprintf("AS%d %s", number, name))
		if _, known := sums[network]; !known {
			names = append(names, network)
		}
		sums[network] += c.Bytes[i]
	}
	if len(names) == 0 {
		return
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(sums[b], sums[a]) })
	bytes := make([]int64, len(names))
	for i, name := range names {
		bytes[i] = sums[name]
	}
	putShares(m, "destination.as", names, bytes)
}

func putShares(m pcommon.Map, name string, values []string, bytes []int64) {
	prefix := "exfil.contributors." + name
	putTexts(m, prefix+".values", mapped(values, value))
	list := m.PutEmptySlice(prefix + ".bytes")
	list.EnsureCapacity(len(bytes))
	for _, b := range bytes {
		list.AppendEmpty().SetInt(b)
	}
}

func (o *otel) overflow(lr plog.LogRecord, a *Overflow) {
	lr.Body().SetStr(fmt.Sprintf("%s held back: more than %d arose within %s",
		count(a.Alerts, "alert"), a.MaxPerInterval, elapsed(a.End.Sub(a.Start))))
	m := lr.Attributes()
	m.PutInt("exfil.overflow.alerts", int64(a.Alerts))
	m.PutInt("exfil.overflow.max_per_interval", int64(a.MaxPerInterval))
	m.PutStr("exfil.overflow.start", a.Start.UTC().Format(time.RFC3339))
	m.PutStr("exfil.overflow.end", a.End.UTC().Format(time.RFC3339))
	rules := m.PutEmptyMap("exfil.overflow.rules")
	for _, r := range a.Rules {
		rules.PutInt(r.Rule, int64(r.Alerts))
	}
	entities := make([]string, len(a.Entities))
	for i, e := range a.Entities {
		entities[i] = fmt.Sprintf("%s: %s: %d", e.Rule, value(strings.Join(e.Values, keySeparator)), e.Alerts)
	}
	putTexts(m, "exfil.overflow.entities", entities)
	m.PutInt("exfil.overflow.others", int64(a.Others))
}

func (o *otel) health(lr plog.LogRecord, h *Health) {
	text := healthSentence(h)
	if h.Detail != "" {
		text += ". " + h.Detail
	}
	lr.Body().SetStr(text)
	m := lr.Attributes()
	m.PutStr("exfil.health.status", string(h.Status))
	putText(m, "exfil.health.subject", value(h.Subject))
	putText(m, "exfil.health.detail", value(h.Detail))
	if !h.Until.IsZero() {
		m.PutStr("exfil.health.until", h.Until.UTC().Format(time.RFC3339))
	}
}

func healthSentence(h *Health) string {
	switch h.Status {
	case WarmingUp:
		if h.Until.IsZero() {
			return "Learning what is usual; nothing alerts yet"
		}
		return "Learning what is usual; nothing alerts before " + h.Until.UTC().Format(time.RFC3339)
	case Ready:
		return "The warm-up is over; what is unusual alerts from now on"
	case StateLost:
		return "What was learned is lost; learning begins anew"
	case DatabaseOld:
		return "The database of places is old; regions may be wrong"
	default:
		return "The detection is " + string(h.Status)
	}
}

func putText(m pcommon.Map, key, text string) {
	if text != "" {
		m.PutStr(key, text)
	}
}

func putTexts(m pcommon.Map, key string, texts []string) {
	if len(texts) == 0 {
		return
	}
	list := m.PutEmptySlice(key)
	list.EnsureCapacity(len(texts))
	for _, text := range texts {
		list.AppendEmpty().SetStr(text)
	}
}

func fieldNames(fields []flow.Field) []string { return mapped(fields, flow.Field.String) }

func mapped[T any](list []T, f func(T) string) []string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = f(v)
	}
	return texts
}
