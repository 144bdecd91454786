// Package alert turns findings into alerts: a gate decides which of them leave, and a writer
// makes log records of those. What the records hold is described in docs/alerts.md.
package alert

import (
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Alert is what leaves as one log record: an Anomaly, an Overflow or a Health.
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
	// Suppressed is how many findings of the rule and entity were held back since the last alert.
	Suppressed int
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
	Rules          []OverflowRule   // by id
	Entities       []OverflowEntity // the first OverflowEntities, in order of appearance
	Others         int              // alerts held back of entities beyond those
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
}

// OverflowEntities bounds the entities that an Overflow names.
const OverflowEntities = 20

// At implements Alert.
func (o Overflow) At() time.Time { return o.End }

// ID implements Alert.
func (o Overflow) ID() string {
	return uid("overflow", o.Start.UTC().Format(time.RFC3339Nano), o.End.Sub(o.Start).String(), decimal(o.Alerts))
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
