package alert

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/rule"
)

// ScopeName is the name of the scope that alerts are in.
const ScopeName = "github.com/otel-exfil/exfil"

// The event names of the alerts.
const (
	EventAnomaly     = "exfil.anomaly"
	EventOverflow    = "exfil.overflow"
	EventSuppression = "exfil.suppressed"
	EventHealth      = "exfil.health"
)

// The schemas that a Writer writes; docs/alerts.md describes them.
const (
	SchemaOTel = "otel" // OpenTelemetry's semantic conventions
	SchemaECS  = "ecs"  // the Elastic Common Schema
	SchemaOCSF = "ocsf" // the Open Cybersecurity Schema Framework
)

// Schemas lists the schemas that a Writer writes.
func Schemas() []string { return []string{SchemaOTel, SchemaECS, SchemaOCSF} }

// ErrUnknownSchema is wrapped by the error about a schema that a Writer cannot write.
var ErrUnknownSchema = errors.New("unknown schema")

// schema says what an alert looks like; each implementation has a file of its own. The record
// it is handed has its event name, timestamps and severity.
type schema interface {
	// scope adds to a scope that has its name and version.
	scope(pcommon.InstrumentationScope)
	anomaly(lr plog.LogRecord, a *Anomaly)
	overflow(lr plog.LogRecord, o *Overflow)
	suppression(lr plog.LogRecord, s *Suppression)
	health(lr plog.LogRecord, h *Health)
	// link tells at what address an analyst goes on with an anomaly.
	link(lr plog.LogRecord, address string)
	// own returns where a record that is written has the attributes under exfil.
	own(lr plog.LogRecord) pcommon.Map
	// identify gives a record that is written another uid.
	identify(lr plog.LogRecord, id string)
	// tenant names a tenant where the schema has a place for it.
	tenant(lr plog.LogRecord, name string)
}

// Options of a Writer.
type Options struct {
	Schema  string // "" stands for SchemaOTel
	Version string // of exfil, for the scope
	// ASN finds the number and name of the network that an address belongs to; ok is false where
	// that is not known. Optional.
	ASN func(netip.Addr) (number uint32, name string, ok bool)
	// SeverityByScore gives anomalies the severity of the highest band that their score reaches. Those that
	// reach none, and all where there are no bands, have their rule's.
	SeverityByScore []rule.SeverityBand
	// Drilldown is the template of the address that anomalies lead to, see ParseDrilldown; "": they lead nowhere.
	Drilldown string
}

// Writer writes alerts as log records. It is safe for concurrent use as long as each call has
// a destination of its own.
type Writer struct {
	version  string
	severity map[string]rule.Severity // by rule
	bands    []rule.SeverityBand
	digest   string // of the rules
	schema   schema
	tenant   *Tenant // nil: tenants are not told apart

	drilldown *Drilldown // nil: anomalies lead nowhere
}

// NewWriter makes a writer for alerts of the rules, all that are in force. The error wraps ErrUnknownSchema.
func NewWriter(rules []rule.Rule, o Options) (*Writer, error) {
	w := &Writer{
		version:  o.Version,
		severity: make(map[string]rule.Severity, len(rules)),
		bands:    slices.Clone(o.SeverityByScore),
		digest:   rule.Digest(rules),
	}
	for _, r := range rules {
		w.severity[r.ID] = r.Severity
	}
	if o.Drilldown != "" {
		var err error
		if w.drilldown, err = ParseDrilldown(o.Drilldown); err != nil {
			return nil, fmt.Errorf("alerts.drilldown: %w", err)
		}
	}
	switch o.Schema {
	case "", SchemaOTel:
		w.schema = newOTel(rules, o.ASN)
	case SchemaECS:
		w.schema = newECS(rules, o.ASN)
	case SchemaOCSF:
		w.schema = newOCSF(rules, o)
	default:
		return nil, fmt.Errorf("alerts.schema: %w %q; known are %s", ErrUnknownSchema, o.Schema, strings.Join(Schemas(), ", "))
	}
	return w, nil
}

// Append writes an alert to dst, now being the time at which it is observed. Alerts share a
// ResourceLogs and scope of their own, made at the end of dst by the first of them.
func (w *Writer) Append(dst plog.Logs, a Alert, now time.Time) {
	lr := w.records(dst).AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(a.At()))
	lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
	switch a := w.tenant.owned(a).(type) {
	case Anomaly:
		lr.SetEventName(EventAnomaly)
		w.setSeverity(lr, &a)
		w.schema.anomaly(lr, &a)
		if w.drilldown != nil {
			w.schema.link(lr, w.drilldown.url(&a))
		}
	case Overflow:
		lr.SetEventName(EventOverflow)
		setConcern(lr, !a.DryRun)
		w.schema.overflow(lr, &a)
	case Suppression:
		lr.SetEventName(EventSuppression)
		setConcern(lr, false)
		w.schema.suppression(lr, &a)
	case Health:
		lr.SetEventName(EventHealth)
		setConcern(lr, slices.Contains([]Status{StateLost, DatabaseOld}, a.Status))
		w.schema.health(lr, &a)
	}
	putRuleset(w.schema.own(lr), w.digest)
	w.tenant.sign(lr, w.schema, a.ID())
}

// setSeverity says how grave an anomaly is. Those of rules in dry run are information, whatever the rule says of itself: what
// wakes people goes by the severity.
func (w *Writer) setSeverity(lr plog.LogRecord, a *Anomaly) {
	if a.DryRun {
		setConcern(lr, false)
		return
	}
	severity := w.severityOf(a)
	lr.SetSeverityNumber(severityNumber(severity))
	lr.SetSeverityText(string(severity))
}

// setConcern says whether somebody should look at an event that is no alert.
func setConcern(lr plog.LogRecord, warn bool) {
	lr.SetSeverityNumber(plog.SeverityNumberInfo)
	lr.SetSeverityText("INFO")
	if warn {
		lr.SetSeverityNumber(plog.SeverityNumberWarn)
		lr.SetSeverityText("WARN")
	}
}

// records returns the records of the scope of alerts at the end of dst.
func (w *Writer) records(dst plog.Logs) plog.LogRecordSlice {
	resources := dst.ResourceLogs()
	if n := resources.Len(); n > 0 {
		scopes := resources.At(n - 1).ScopeLogs()
		if scopes.Len() == 1 && scopes.At(0).Scope().Name() == ScopeName {
			return scopes.At(0).LogRecords()
		}
	}
	resource := resources.AppendEmpty()
	w.tenant.PutResource(resource.Resource())
	scope := resource.ScopeLogs().AppendEmpty()
	scope.Scope().SetName(ScopeName)
	scope.Scope().SetVersion(w.version)
	w.schema.scope(scope.Scope())
	return scope.LogRecords()
}

// severityOf returns how grave an anomaly is: by its score where a band says so, else by its rule.
func (w *Writer) severityOf(a *Anomaly) rule.Severity {
	if severity, ok := rule.SeverityAt(w.bands, a.Finding.Score); ok {
		return severity
	}
	return cmp.Or(w.severity[a.Finding.Rule], rule.Low)
}

func severityNumber(s rule.Severity) plog.SeverityNumber {
	switch s {
	case rule.Medium:
		return plog.SeverityNumberWarn2
	case rule.High:
		return plog.SeverityNumberError
	case rule.Critical:
		return plog.SeverityNumberFatal
	default:
		return plog.SeverityNumberWarn
	}
}
