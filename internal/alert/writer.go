package alert

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/rule"
)

// ScopeName is the name of the scope that alerts are in.
const ScopeName = "github.com/otel-exfil/exfil"

// The event names of the alerts.
const (
	EventAnomaly  = "exfil.anomaly"
	EventOverflow = "exfil.overflow"
	EventHealth   = "exfil.health"
)

// SchemaOTel is the schema of docs/alerts.md.
const SchemaOTel = "otel"

// ErrUnknownSchema is wrapped by the error about a schema that a Writer cannot write.
var ErrUnknownSchema = errors.New("unknown schema")

// schema says what an alert looks like; each implementation has a file of its own. The record
// it is handed has its event name, timestamps and severity.
type schema interface {
	anomaly(lr plog.LogRecord, a *Anomaly)
	overflow(lr plog.LogRecord, o *Overflow)
	health(lr plog.LogRecord, h *Health)
}

// Options of a Writer.
type Options struct {
	Schema  string // "" stands for SchemaOTel
	Version string // of exfil, for the scope
	// ASN finds the number and name of the network that an address belongs to; ok is false where
	// that is not known. Optional.
	ASN func(netip.Addr) (number uint32, name string, ok bool)
}

// Writer writes alerts as log records. It is safe for concurrent use as long as each call has
// a destination of its own.
type Writer struct {
	version  string
	severity map[string]rule.Severity // by rule
	schema   schema
}

// NewWriter makes a writer for alerts of the rules. The error wraps ErrUnknownSchema.
func NewWriter(rules []rule.Rule, o Options) (*Writer, error) {
	w := &Writer{version: o.Version, severity: make(map[string]rule.Severity, len(rules))}
	for _, r := range rules {
		w.severity[r.ID] = r.Severity
	}
	switch o.Schema {
	case "", SchemaOTel:
		w.schema = newOTel(rules, o.ASN)
	default:
		return nil, fmt.Errorf("alerts.schema: %w %q; known is %s", ErrUnknownSchema, o.Schema, SchemaOTel)
	}
	return w, nil
}

// Append writes an alert to dst, now being the time at which it is observed. Alerts share a
// ResourceLogs and scope of their own, made at the end of dst by the first of them.
func (w *Writer) Append(dst plog.Logs, a Alert, now time.Time) {
	lr := w.records(dst).AppendEmpty()
	lr.SetTimestamp(pcommon.NewTimestampFromTime(a.At()))
	lr.SetObservedTimestamp(pcommon.NewTimestampFromTime(now))
	lr.Attributes().PutStr("log.record.uid", a.ID())
	switch a := a.(type) {
	case Anomaly:
		severity := w.severity[a.Finding.Rule]
		if severity == "" {
			severity = rule.Low
		}
		lr.SetEventName(EventAnomaly)
		lr.SetSeverityNumber(severityNumber(severity))
		lr.SetSeverityText(string(severity))
		w.schema.anomaly(lr, &a)
	case Overflow:
		lr.SetEventName(EventOverflow)
		lr.SetSeverityNumber(plog.SeverityNumberWarn)
		lr.SetSeverityText("WARN")
		w.schema.overflow(lr, &a)
	case Health:
		lr.SetEventName(EventHealth)
		lr.SetSeverityNumber(plog.SeverityNumberInfo)
		lr.SetSeverityText("INFO")
		if slices.Contains([]Status{StateLost, DatabaseOld}, a.Status) {
			lr.SetSeverityNumber(plog.SeverityNumberWarn)
			lr.SetSeverityText("WARN")
		}
		w.schema.health(lr, &a)
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
	scope := resources.AppendEmpty().ScopeLogs().AppendEmpty()
	scope.Scope().SetName(ScopeName)
	scope.Scope().SetVersion(w.version)
	return scope.LogRecords()
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
