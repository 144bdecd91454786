package alert

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
)

// riskLevels are the captions of risk_level_id, which here tells the rule's own severity.
var riskLevels = [...]string{0: "Info", 1: "Low", 2: "Medium", 3: "High", 4: "Critical"}

// putRisk tells what the rule says of itself; severity_id may be another by the score.
func putRisk(body pcommon.Map, r *rule.Rule) {
	level := max(0, r.Severity.Rank()) + 1
	body.PutInt("risk_score", int64(r.RiskScore))
	body.PutInt("risk_level_id", int64(level))
	body.PutStr("risk_level", riskLevels[level])
}

// Scores from which on a finding deserves confidence: 75 stands for the budget of false alarms, and
// 87.5 for a hundredth of it.
const (
	mediumConfidence = 75
	highConfidence   = 87.5
)

// putConfidence tells the score. Where the tail is not fitted to the deployment yet, the score is
// nominal and the confidence low, however high it is.
func putConfidence(body pcommon.Map, f *detector.Finding) {
	id, caption := int64(1), "Low"
	switch {
	case !f.Why.Calibrated:
	case f.Score >= highConfidence:
		id, caption = 3, "High"
	case f.Score >= mediumConfidence:
		id, caption = 2, "Medium"
	}
	body.PutInt("confidence_score", int64(math.Floor(min(max(finite(f.Score), 0), 100))))
	body.PutInt("confidence_id", id)
	body.PutStr("confidence", caption)
}

// putFindingInfo tells of the finding, which an alert and its update share, and of the rule that made it.
func putFindingInfo(m pcommon.Map, a *Anomaly, r *rule.Rule) {
	f := &a.Finding
	m.PutStr("uid", cmp.Or(a.UpdateOf, a.UID))
	m.PutStr("title", cmp.Or(r.Name, r.ID))
	m.PutStr("desc", explanation(f))
	if r.Category != "" {
		putTexts(m, "types", []string{r.Category})
	}
	m.PutInt("first_seen_time", began(f).UnixMilli())
	m.PutInt("last_seen_time", f.Time.UnixMilli())
	if a.UpdateOf == "" {
		m.PutInt("created_time", f.Time.UnixMilli())
	} else {
		m.PutInt("modified_time", f.Time.UnixMilli())
		first := m.PutEmptySlice("related_events").AppendEmpty().SetEmptyMap()
		first.PutStr("uid", a.UpdateOf)
		first.PutInt("type_uid", ocsfDetectionFinding*100+ocsfCreate)
		first.PutStr("type_name", "Detection Finding: Create")
	}
	analytic := m.PutEmptyMap("analytic")
	analytic.PutStr("uid", cmp.Or(r.UUID, r.ID))
	putText(analytic, "name", r.Name)
	putText(analytic, "version", r.Version)
	putText(analytic, "desc", r.Description)
	putText(analytic, "category", r.Category)
	analytic.PutInt("type_id", ocsfStatistical)
	analytic.PutStr("type", "Statistical")
	putAttacks(m, r.Threat)
}

// putAttacks tells each technique with its tactic, and a tactic alone where no technique is named. The
// attack object speaks of MITRE's matrices: other frameworks are in exfil.rule.threat only.
func putAttacks(m pcommon.Map, threats []rule.Threat) {
	var attacks []rule.Threat
	for _, threat := range threats {
		if !strings.HasPrefix(threat.Framework, "MITRE") {
			continue
		}
		if len(threat.Technique) == 0 {
			attacks = append(attacks, rule.Threat{Tactic: threat.Tactic})
		}
		for i := range threat.Technique {
			attacks = append(attacks, rule.Threat{Tactic: threat.Tactic, Technique: threat.Technique[i : i+1]})
		}
	}
	if len(attacks) == 0 {
		return
	}
	list := m.PutEmptySlice("attacks")
	for _, attack := range attacks {
		e := list.AppendEmpty().SetEmptyMap()
		putBehaviour(e, "tactic", attack.Tactic)
		for _, technique := range attack.Technique {
			key := "technique"
			if strings.Contains(technique.ID, ".") { // as in T1048.003
				key = "sub_technique"
			}
			putBehaviour(e, key, technique)
		}
	}
}

func putBehaviour(m pcommon.Map, key string, b rule.Behaviour) {
	if b.ID == "" && b.Name == "" {
		return
	}
	e := m.PutEmptyMap(key)
	putText(e, "uid", b.ID)
	putText(e, "name", b.Name)
	putText(e, "src_url", b.Reference)
}

// putAnalysis tells what was analysed, what was observed and what would have been usual.
func putAnalysis(m pcommon.Map, f *detector.Finding) {
	fields, values := part(f)
	target := m.PutEmptySlice("analysis_targets").AppendEmpty().SetEmptyMap()
	target.PutStr("name", value(strings.Join(values, keySeparator)))
	target.PutStr("type", strings.Join(fieldNames(fields), keySeparator))

	put := func(list, pattern string, bytes int64) pcommon.Map {
		e := m.PutEmptySlice(list).AppendEmpty().SetEmptyMap()
		e.PutStr("observation_parameter", "bytes sent in "+rule.FormatSpan(f.Span))
		e.PutStr("observation_type", "Volume Analysis")
		e.PutStr("observed_pattern", pattern)
		observation := e.PutEmptySlice("observations").AppendEmpty().SetEmptyMap()
		observation.PutStr("value", strconv.FormatInt(bytes, 10))
		return observation
	}
	put("anomalies", "HIGH_VOLUME", f.Actual).PutInt("count", min(f.Flows, math.MaxInt32))
	put("baselines", "NORMAL_VOLUME", f.Typical)
}
