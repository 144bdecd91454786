// Package alert turns findings into alerts: a gate decides which of them leave, and a writer
// makes log records of those. What the records hold is described in docs/alerts.md.
package alert

import (
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Alert is what leaves as one log record: an Anomaly, an Overflow, a Suppression or a Health.
type Alert interface {
	// At is the event time of what the alert tells.
	At() time.Time
	// ID is the record's log.record.uid: the same for the same thing told, so that receivers
	// may deduplicate on it.
	ID() string
}

// Anomaly tells that an entity sent far more than usual.
type Anomaly struct {
	Finding detector.Finding
	UID     string
	// UpdateOf is the UID of the window's first alert where this one updates it; else "".
	UpdateOf string
	// Suppressed is in how many windows findings of the group were held back since the last alert.
	Suppressed int
	DryRun     bool // its rule is in dry run
}

// At implements Alert.
func (a Anomaly) At() time.Time { return a.Finding.Time }

// ID implements Alert.
func (a Anomaly) ID() string { return a.UID }

// Overflow tells that more alerts arose within an interval than may leave.
type Overflow struct {
	Start, End     time.Time // of the interval, event time
	MaxPerInterval int
	Alerts         int              // held back
	Bytes          int64            // of those
	Score          float64          // the highest of those
	Rules          []OverflowRule   // by id
	Entities       []OverflowEntity // the OverflowEntities of the highest scores, those first
	Others         int              // alerts held back of entities beyond those
	DryRun         bool             // of rules in dry run, which have a cap of their own
}

// OverflowRule counts the alerts of one rule that were held back.
type OverflowRule struct {
	Rule   string
	Alerts int
}

// OverflowEntity counts the alerts of one entity that were held back.
type OverflowEntity struct {
	Rule   string
	Fields []flow.Field
	Values []string
	Alerts int
	Score  float64 // the highest
}

// OverflowEntities bounds the entities that an Overflow names.
const OverflowEntities = 20

// At implements Alert.
func (o Overflow) At() time.Time { return o.End }

// ID implements Alert.
func (o Overflow) ID() string {
	parts := []string{"overflow", o.Start.UTC().Format(time.RFC3339Nano), o.End.Sub(o.Start).String(), decimal(o.Alerts)}
	if o.DryRun {
		parts = append(parts, "dry run")
	}
	return uid(parts...)
}

// Suppression tells what was held back behind an alert of the same group and is in the count of no later one, when the
// suppression is over.
type Suppression struct {
	Rule   string
	Entity bool         // the group is that of an entity
	Fields []flow.Field // what the group has in common besides the rule; none: nothing
	Values []string     // one a field

	Windows     int     // with findings that were held back
	Bytes       int64   // of those windows, as far as findings told of them
	Score       float64 // the highest of those
	First, Last time.Time
	Until       time.Time // when the suppression was over
	Alert       string    // UID of the alert that it followed
	DryRun      bool      // the rule is in dry run
}

// At implements Alert.
func (s Suppression) At() time.Time { return s.Until }

// ID implements Alert.
func (s Suppression) ID() string {
	return uid("suppression", s.Alert, s.First.UTC().Format(time.RFC3339Nano), s.Until.UTC().Format(time.RFC3339Nano), decimal(s.Windows))
}

// Without returns the suppression without the names of fields that may not be told any more. An entity is told as ever.
func (s Suppression) Without(untold func(flow.Field) bool) Suppression {
	if s.Entity {
		return s
	}
	fields, values := s.Fields, s.Values
	s.Fields, s.Values = nil, nil
	for i, field := range fields {
		if !untold(field) {
			s.Fields, s.Values = append(s.Fields, field), append(s.Values, values[i])
		}
	}
	return s
}

// Status is a state of the detection as a whole.
type Status string

// The states that a Health tells of.
const (
	WarmingUp   Status = "warming_up"   // learning; nothing can alert yet
	Ready       Status = "ready"        // the warm-up is over
	StateLost   Status = "state_lost"   // what was learned is gone
	DatabaseOld Status = "database_old" // places are looked up in a database that has aged
)

// Health tells of a change in the detection itself.
type Health struct {
	Time    time.Time
	Status  Status
	Subject string    // what it concerns, such as a database's path; "" if nothing in particular
	Until   time.Time // when the state is expected to end; zero if unknown
	Detail  string    // one sentence more; "" if none
}

// At implements Alert.
func (h Health) At() time.Time { return h.Time }

// ID implements Alert.
func (h Health) ID() string {
	return uid("health", string(h.Status), h.Subject, h.Time.UTC().Format(time.RFC3339Nano))
}
