package detector

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Phase says when in an entity's window a finding was made.
type Phase uint8

const (
	// Crossing: the record that took the window's bytes over the threshold; the window is still open.
	Crossing Phase = iota
	// Closing: the window has closed far beyond the score it crossed at (by ten points or more).
	Closing
)

// Finding is the detector's verdict on one entity and window.
type Finding struct {
	Rule   string       // id of the rule whose key it concerns
	Fields []flow.Field // the rule's key
	Values []string     // the entity, one value a field
	// DetailFields and DetailValues name the finer key that was unusual, where it was
	// not the entity itself: host × port, host × region, port × region. Empty otherwise.
	DetailFields []flow.Field
	DetailValues []string

	Phase       Phase
	Time        time.Time // event time of the record that decided
	WindowStart time.Time
	WindowEnd   time.Time
	Span        time.Duration
	First       time.Time // event time of the entity's first record in the window, to the second

	Score       float64 // 0..100
	FalseAlarms float64 // expected false alarms a week and rule at this score
	Probability float64 // calibrated share of ordinary windows that go as far

	Actual  int64 // bytes so far
	Typical int64 // median of the predictive distribution, bytes
	Upper   int64 // bytes at which the rule's threshold is reached
	Flows   int64 // flows counted so far

	FirstSeen bool          // the entity was never seen before this window
	Age       time.Duration // since the entity was first seen
	Windows   int           // windows in which it was active
	State     State         // of the baselines as a whole

	Why Why
	// Contributors by field, largest first, at most Most each.
	Contributors []Contribution
	Most         int // 0: MaxContributors
	// FlowIDs are names of flows among the largest, as their sources name them, at most MaxFlowIDs.
	FlowIDs []string
}

// Why holds the parts of a verdict, for its explanation.
type Why struct {
	Surprise   float64 // −ln of the tail probability of the bytes, given that the entity is active
	Silence    float64 // −ln of the probability that it is active at all in this window
	Deviation  float64 // predictive standard deviations above the centre, of ln(bytes+1000)
	Season     bool    // the centre knows the hour of the day and the weekend
	Peers      bool    // the centre leans mostly on other entities of its age (it has little history)
	Calibrated bool    // the tail was fitted to this deployment's own ordinary windows
}

// State is how far the baselines are.
type State string

// The states, in their order.
const (
	Learning State = "learning" // in the warm-up: nothing fires
	Warming  State = "warming"  // less than three warm-ups old
	Ready    State = "ready"
)

// Contribution lists the values of one field that a finding's bytes came from, largest first.
type Contribution struct {
	Field  flow.Field
	Values []string
	Bytes  []int64
	// FirstSeen is since when each is known to have had a part in bytes that came near a threshold, of this entity or
	// any other, to the hour; nil: that is not known.
	FirstSeen []time.Time
}
