package alert

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/rule"
)

// ocsfVersion is the version of the Open Cybersecurity Schema Framework that events are written to. Later
// versions 1.x take them too. Its classes: https://schema.ocsf.io/1.6.0/
const ocsfVersion = "1.6.0"

// The numbers of the schema that are used, named as there.
const (
	ocsfFindings         = 2    // category_uid
	ocsfDetectionFinding = 2004 // class_uid
	ocsfBaseEvent        = 0    // category_uid and class_uid
	ocsfCreate           = 1    // activity_id of a finding
	ocsfUpdate           = 2    // activity_id of a finding
	ocsfOther            = 99   // activity_id and status_id of what the schema has no number for
	ocsfNew              = 1    // status_id of a finding
	ocsfStatistical      = 3    // type_id of an analytic
	ocsfOutbound         = 2    // direction_id of a connection
	ocsfAffected         = 3    // role_id of a resource

	ocsfInformational = 1 // severity_id
	ocsfMedium        = 3 // severity_id
)

// ocsf writes events of the Open Cybersecurity Schema Framework: a record's body is the event, a map. What the
// classes have no attribute for is under unmapped, by its name in the schema otel.
//
// An anomaly is a Detection Finding. What is held back and how the detection fares are no findings, and the schema has
// no class for either (Application Lifecycle is about installing and running, Application Error about failures): they are
// Base Events, the class for what no other class describes.
type ocsf struct {
	rules   map[string]*rule.Rule
	version string // of exfil
	asn     networks
}

func newOCSF(rules []rule.Rule, o Options) *ocsf {
	s := &ocsf{rules: make(map[string]*rule.Rule, len(rules)), version: o.Version, asn: o.ASN}
	for i := range rules {
		s.rules[rules[i].ID] = &rules[i]
	}
	return s
}

// scope leaves the scope as it is: the event names the product itself.
func (*ocsf) scope(pcommon.InstrumentationScope) {}

// own returns unmapped, which every event has.
func (*ocsf) own(lr plog.LogRecord) pcommon.Map {
	if unmapped, ok := lr.Body().Map().Get("unmapped"); ok {
		return unmapped.Map()
	}
	return lr.Body().Map().PutEmptyMap("unmapped")
}

// class is what an event is, by numbers and their captions.
type class struct {
	category, uid, activity    int64
	categoryName, className    string
	activityName, activityType string // the event's own word and the caption of activity_id
}

// finding returns the class of an anomaly.
func finding(a *Anomaly) class {
	c := class{category: ocsfFindings, categoryName: "Findings", uid: ocsfDetectionFinding, className: "Detection Finding"}
	if a.UpdateOf == "" {
		c.activity, c.activityName, c.activityType = ocsfCreate, "Create", "Create"
	} else {
		c.activity, c.activityName, c.activityType = ocsfUpdate, "Update", "Update"
	}
	return c
}

// baseEvent returns the class of what no class is made for.
func baseEvent(activity string) class {
	return class{
		category: ocsfBaseEvent, categoryName: "Uncategorized", uid: ocsfBaseEvent, className: "Base Event",
		activity: ocsfOther, activityName: activity, activityType: "Other",
	}
}

// event begins the event of a record: what every class requires, and the message.
func (s *ocsf) event(lr plog.LogRecord, id string, c class, severity int64, message string) pcommon.Map {
	lr.Attributes().PutStr("log.record.uid", id)
	body := lr.Body().SetEmptyMap()
	body.PutInt("category_uid", c.category)
	body.PutStr("category_name", c.categoryName)
	body.PutInt("class_uid", c.uid)
	body.PutStr("class_name", c.className)
	body.PutInt("activity_id", c.activity)
	body.PutStr("activity_name", c.activityName)
	body.PutInt("type_uid", c.uid*100+c.activity)
	body.PutStr("type_name", c.className+": "+c.activityType)
	body.PutInt("severity_id", severity)
	body.PutStr("severity", severityCaptions[severity])
	body.PutInt("time", lr.Timestamp().AsTime().UnixMilli())
	body.PutStr("message", message)
	metadata := body.PutEmptyMap("metadata")
	metadata.PutStr("version", ocsfVersion)
	metadata.PutStr("uid", id)
	metadata.PutInt("logged_time", lr.ObservedTimestamp().AsTime().UnixMilli())
	metadata.PutStr("log_name", lr.EventName())
	product := metadata.PutEmptyMap("product")
	product.PutStr("name", "exfil")
	product.PutStr("vendor_name", "otel-exfil")
	putText(product, "version", s.version)
	return body
}

// severityCaptions are the captions of severity_id.
var severityCaptions = [...]string{0: "Unknown", ocsfInformational: "Informational", 2: "Low", ocsfMedium: "Medium", 4: "High", 5: "Critical"}

// severityID returns the severity_id of a severity: low is 2.
func severityID(s rule.Severity) int64 { return int64(max(0, s.Rank())) + 2 }

func (s *ocsf) anomaly(lr plog.LogRecord, a *Anomaly) {
	f := &a.Finding
	severity := severityID(rule.Severity(lr.SeverityText()))
	if a.DryRun {
		severity = ocsfInformational
	}
	body := s.event(lr, a.ID(), finding(a), severity, sentence(f))
	body.PutInt("start_time", began(f).UnixMilli())
	body.PutInt("end_time", f.Time.UnixMilli())
	body.PutBool("is_alert", !a.DryRun)
	switch {
	case a.DryRun: // it is in no workflow, not even as new
		body.PutInt("status_id", ocsfOther)
		body.PutStr("status", "Dry Run")
	case a.UpdateOf == "": // an update must not undo what an analyst has made of the finding
		body.PutInt("status_id", ocsfNew)
		body.PutStr("status", "New")
	}
	putConfidence(body, f)

	fields, unmapped := pcommon.NewMap(), body.PutEmptyMap("unmapped")
	r, known := s.rules[f.Rule]
	if known {
		putRisk(body, r)
		putRuleSettings(unmapped, r)
		putThreatLines(unmapped, r.Threat)
		putText(unmapped, "security_rule.reference", r.Reference)
		putText(unmapped, "security_rule.license", r.License)
		putText(unmapped, "security_rule.ruleset.name", r.RulesetName)
	} else {
		r = &rule.Rule{ID: f.Rule}
	}
	unmapped.PutStr("exfil.rule.id", f.Rule)
	putAnomaly(unmapped, fields, a, s.asn)

	putFindingInfo(body.PutEmptyMap("finding_info"), a, r)
	putAnalysis(body.PutEmptySlice("anomaly_analyses").AppendEmpty().SetEmptyMap(), f)
	s.putEvidence(body, fields, f)
}

func (s *ocsf) overflow(lr plog.LogRecord, o *Overflow) {
	severity := int64(ocsfMedium)
	if o.DryRun {
		severity = ocsfInformational
	}
	body := s.event(lr, o.ID(), baseEvent("Overflow"), severity, overflowSentence(o))
	body.PutInt("count", int64(o.Alerts))
	body.PutInt("start_time", o.Start.UnixMilli())
	body.PutInt("end_time", o.End.UnixMilli())
	putOverflow(body.PutEmptyMap("unmapped"), o)
}

func (s *ocsf) suppression(lr plog.LogRecord, held *Suppression) {
	body := s.event(lr, held.ID(), baseEvent("Suppression"), ocsfInformational, suppressionSentence(held))
	body.PutInt("count", int64(held.Windows))
	body.PutInt("start_time", held.First.UnixMilli())
	body.PutInt("end_time", held.Last.UnixMilli())
	unmapped := body.PutEmptyMap("unmapped")
	unmapped.PutStr("exfil.rule.id", held.Rule)
	putSuppression(unmapped, unmapped, held)
}

func (s *ocsf) health(lr plog.LogRecord, h *Health) {
	severity := int64(ocsfInformational)
	if lr.SeverityNumber() >= plog.SeverityNumberWarn {
		severity = ocsfMedium
	}
	body := s.event(lr, h.ID(), baseEvent("Health"), severity, healthText(h))
	body.PutInt("status_id", ocsfOther)
	body.PutStr("status", string(h.Status))
	putText(body, "status_detail", value(h.Detail))
	if !h.Until.IsZero() {
		body.PutInt("start_time", h.Time.UnixMilli())
		body.PutInt("end_time", h.Until.UnixMilli())
	}
	putHealth(body.PutEmptyMap("unmapped"), h)
}

func (*ocsf) link(lr plog.LogRecord, address string) {
	if info, ok := lr.Body().Map().Get("finding_info"); ok {
		info.Map().PutStr("src_url", address)
	}
}
