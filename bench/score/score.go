// Package score measures how well a method notices thefts in labelled traffic: what it finds, how
// often it is wrong, how soon it speaks, and how much has left by then.
package score

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Alarm is what a method says about one entity.
type Alarm struct {
	Time   int64      // event time at which it is said, Unix nanoseconds
	Field  flow.Field // destination.port or destination.geo.region_name: the rule
	Value  string     // the entity
	Score  float64    // the higher, the surer; comparable only within the method
	Host   string     // largest contributor, "" where the method names none
	Since  int64      // start of the window that is judged, Unix nanoseconds
	Chance float64    // stated probability that an ordinary window goes as far; NaN where the method states none
}

// Method watches flows and raises alarms.
type Method interface {
	// Name says what it is, with its setting.
	Name() string
	// Observe takes a batch of flows, in the order of time from one call to the next.
	Observe(batch []flow.Flow)
	// Finish ends the traffic at an instant.
	Finish(end time.Time)
	// Alarms returns, in the order of time, what a user who set the threshold would have been told.
	Alarms(threshold float64) []Alarm
	// Thresholds lists thresholds, descending, at which the alarms differ.
	Thresholds() []float64
}
