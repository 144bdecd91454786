// Package detector watches entities (a port, a region, a host on a port) through event-time
// windows and finds those that send far more than usual. It knows no OpenTelemetry and no
// clock: flows and instants go in, findings come out.
package detector

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Watch is a key to watch on behalf of a rule.
type Watch struct {
	Rule        string         // id of the rule
	By          []flow.Field   // the rule's key, one to four fields
	Details     [][]flow.Field // finer keys watched for it, such as host.name × destination.port
	Spans       []time.Duration
	Threshold   float64 // score at which it finds, 0..100
	Budget      float64 // expected false alarms a week at a score of 75
	MinBytes    int64   // less than this in a window is never found
	MaxEntities int
}

// Settings are what all watches share.
type Settings struct {
	Watches      []Watch
	Lateness     time.Duration // how far behind the newest record an older one may come
	MaxClockSkew time.Duration // how far ahead of the clock a record may be
	WarmUp       time.Duration
}

// Stats counts what the detector did since it was made.
type Stats struct {
	Late, Future  int64 // flows that came too late / from too far in the future
	WindowsClosed int64
	Entities      map[string]int // per rule
	Watermark     time.Time      // newest event time seen
	Evicted       int64
}

// Detector is safe for concurrent use; it takes its lock once a batch.
type Detector struct{}

// New validates the settings and makes a detector that has learned nothing.
func New(s Settings) (*Detector, error) { return &Detector{}, nil }

// Observe takes a batch of flows, now being the clock's time, and appends what it found to out.
// It keeps no reference to flows or to their strings.
func (d *Detector) Observe(flows []flow.Flow, now time.Time, out []Finding) []Finding { return out }

// Tick lets time pass without traffic and appends what closing windows bring to light.
func (d *Detector) Tick(now time.Time, out []Finding) []Finding { return out }

// Stats reports counts so far.
func (d *Detector) Stats() Stats { return Stats{} }
