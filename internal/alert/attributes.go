package alert

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// The attributes under exfil have the same names, types and values in every schema. What is here
// writes them, and the fields of flows under their own names.

func putRuleSettings(m pcommon.Map, r *rule.Rule) {
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

// putRuleset tells which rules were in force, by the version of those that are built in and the digest of all.
func putRuleset(m pcommon.Map, digest string) {
	m.PutStr("exfil.rules.version", rule.PackVersion)
	m.PutStr("exfil.rules.digest", digest)
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

// putTechniques tells each technique once, under whichever tactics it stands, and
// in exfil.rule.threat which technique belongs to which tactic.
func putTechniques(m pcommon.Map, threats []rule.Threat) {
	var ids, names, references []string
	for _, threat := range threats {
		for _, technique := range threat.Technique {
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
	putThreatLines(m, threats)
}

// putThreatLines tells every technique with its tactic.
func putThreatLines(m pcommon.Map, threats []rule.Threat) {
	var lines []string
	for _, threat := range threats {
		tactic := strings.TrimSpace(threat.Tactic.ID + " " + threat.Tactic.Name)
		if len(threat.Technique) == 0 {
			lines = append(lines, tactic)
		}
		for _, technique := range threat.Technique {
			lines = append(lines, tactic+" / "+strings.TrimSpace(technique.ID+" "+technique.Name))
		}
	}
	putTexts(m, "exfil.rule.threat", lines)
}

// putAnomaly tells what the detector found out. The fields of flows that are known for sure go to
// fields, which may be m itself.
func putAnomaly(m, fields pcommon.Map, a *Anomaly, asn networks) {
	f := &a.Finding
	putVerdict(m, f)
	putEntity(m, fields, f)
	putWindow(m, f)
	putContributors(m, fields, f, asn)
	m.PutInt("exfil.flows", f.Flows)
	putTexts(m, "exfil.flow_ids", mapped(f.FlowIDs, value))
	m.PutBool("exfil.rule.dry_run", a.DryRun)
	m.PutInt("exfil.suppressed", int64(a.Suppressed))
	putText(m, "exfil.update_of", a.UpdateOf)
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

func putEntity(m, fields pcommon.Map, f *detector.Finding) {
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
		putField(fields, field, f.Values[i])
	}
	for i, field := range f.DetailFields {
		putField(fields, field, f.DetailValues[i])
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

// putContributors lists who took part, with what share of the bytes. A sender of more than half of the bytes goes to fields, unless
// the entity has named one there.
func putContributors(m, fields pcommon.Map, f *detector.Finding, asn networks) {
	for _, c := range f.Contributors {
		if len(c.Values) == 0 {
			continue
		}
		putShares(m, contributorNames[c.Field], c.Values, c.Bytes, f.Actual)
		putFirstSeen(m, &c)
		if isSender(c.Field) && dominates(c, f) {
			if _, named := fields.Get(c.Field.String()); !named {
				putField(fields, c.Field, c.Values[0])
			}
		}
		if c.Field == flow.DestinationAddress {
			putNetworks(m, c, f.Actual, asn)
		}
	}
}

// networks finds the number and name of the network that announces an address; nil knows none.
type networks func(netip.Addr) (number uint32, name string, ok bool)

func (n networks) find(text string) (number uint32, name string, ok bool) {
	if n == nil {
		return 0, "", false
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return 0, "", false
	}
	return n(address)
}

// putNetworks tells who announces the destination addresses, the bytes summed by network.
func putNetworks(m pcommon.Map, c detector.Contribution, actual int64, asn networks) {
	var names []string
	sums := make(map[string]int64)
	for i, text := range c.Values {
		number, name, ok := asn.find(text)
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
	putShares(m, "destination.as", names, bytes, actual)
}

func putShares(m pcommon.Map, name string, values []string, bytes []int64, actual int64) {
	prefix := "exfil.contributors." + name
	putTexts(m, prefix+".values", mapped(values, value))
	list := m.PutEmptySlice(prefix + ".bytes")
	list.EnsureCapacity(len(bytes))
	for _, b := range bytes {
		list.AppendEmpty().SetInt(b)
	}
	shares := m.PutEmptySlice(prefix + ".shares")
	shares.EnsureCapacity(len(bytes))
	for _, b := range bytes {
		shares.AppendEmpty().SetDouble(share(b, actual))
	}
}

// share is a part in percent of the whole, to two digits behind the point. A contributor's bytes may have been counted too
// high, see the detector's tally.
func share(part, whole int64) float64 {
	return math.Round(10_000*min(1, float64(part)/float64(max(1, whole)))) / 100
}

// putFirstSeen tells since when each contributor is known, "" where that is not known.
func putFirstSeen(m pcommon.Map, c *detector.Contribution) {
	if len(c.FirstSeen) != len(c.Values) {
		return // an alert that an earlier version has kept
	}
	putTexts(m, "exfil.contributors."+contributorNames[c.Field]+".first_seen", mapped(c.FirstSeen, func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}))
}

func overflowSentence(o *Overflow) string {
	what := count(o.Alerts, "alert")
	if o.DryRun {
		what += " of rules in dry run"
	}
	return fmt.Sprintf("%s held back: more than %d arose within %s", what, o.MaxPerInterval, elapsed(o.End.Sub(o.Start)))
}

func putOverflow(m pcommon.Map, o *Overflow) {
	m.PutBool("exfil.rule.dry_run", o.DryRun)
	m.PutInt("exfil.overflow.alerts", int64(o.Alerts))
	m.PutInt("exfil.overflow.bytes", o.Bytes)
	m.PutDouble("exfil.overflow.score", min(max(finite(o.Score), 0), 100))
	m.PutInt("exfil.overflow.max_per_interval", int64(o.MaxPerInterval))
	m.PutStr("exfil.overflow.start", o.Start.UTC().Format(time.RFC3339))
	m.PutStr("exfil.overflow.end", o.End.UTC().Format(time.RFC3339))
	rules := m.PutEmptyMap("exfil.overflow.rules")
	for _, r := range o.Rules {
		rules.PutInt(r.Rule, int64(r.Alerts))
	}
	entities := make([]string, len(o.Entities))
	for i, e := range o.Entities {
		entities[i] = fmt.Sprintf("%s: %s: %d", e.Rule, value(strings.Join(e.Values, keySeparator)), e.Alerts)
	}
	putTexts(m, "exfil.overflow.entities", entities)
	m.PutInt("exfil.overflow.others", int64(o.Others))
}

// suppressionSentence says what was held back, and behind what.
func suppressionSentence(s *Suppression) string {
	what := "rule " + readable(s.Rule)
	if len(s.Fields) > 0 {
		what = combination(s.Fields, s.Values)
	}
	return fmt.Sprintf("%s: %s with at least %s held back after an alert; highest score %s",
		what, count(s.Windows, "window"), size(s.Bytes), digits(finite(s.Score)))
}

// putSuppression tells what was held back. The group's fields go to fields, which may be m itself.
func putSuppression(m, fields pcommon.Map, s *Suppression) {
	m.PutBool("exfil.rule.dry_run", s.DryRun)
	m.PutInt("exfil.suppression.windows", int64(s.Windows))
	m.PutInt("exfil.suppression.bytes", s.Bytes)
	m.PutDouble("exfil.suppression.score", min(max(finite(s.Score), 0), 100))
	m.PutStr("exfil.suppression.first", s.First.UTC().Format(time.RFC3339))
	m.PutStr("exfil.suppression.last", s.Last.UTC().Format(time.RFC3339))
	m.PutStr("exfil.suppression.until", s.Until.UTC().Format(time.RFC3339))
	putText(m, "exfil.suppression.alert", s.Alert)
	putTexts(m, "exfil.suppression.fields", fieldNames(s.Fields))
	putTexts(m, "exfil.suppression.values", mapped(s.Values, value))
	if s.Entity { // as on its alerts
		putEntity(m, fields, &detector.Finding{Fields: s.Fields, Values: s.Values})
		return
	}
	for i, field := range s.Fields {
		putField(fields, field, s.Values[i])
	}
}

// healthText is the sentence about a status and, where there is one, the detail.
func healthText(h *Health) string {
	if h.Detail == "" {
		return healthSentence(h)
	}
	return healthSentence(h) + ". " + h.Detail
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

func putHealth(m pcommon.Map, h *Health) {
	m.PutStr("exfil.health.status", string(h.Status))
	putText(m, "exfil.health.subject", value(h.Subject))
	putText(m, "exfil.health.detail", value(h.Detail))
	if !h.Until.IsZero() {
		m.PutStr("exfil.health.until", h.Until.UTC().Format(time.RFC3339))
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
