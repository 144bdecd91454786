package stream

// Outcome says what became of a data point.
type Outcome uint8

// The outcomes. Only Added comes with bytes.
const (
	Added       Outcome = iota // it adds bytes
	Unchanged                  // nothing was sent since the point before
	First                      // the first of a cumulative stream that began before it was observed
	Duplicate                  // the same point came before
	OutOfOrder                 // a newer point came before, and tells of its bytes or may have
	Stale                      // the first after an outage: its bytes were sent at any time in it
	Future                     // taken further in the future than a clock may be wrong
	Implausible                // adds more than anyone can have sent
	outcomeCount
)

var outcomeNames = [outcomeCount]string{
	Added:       "added",
	Unchanged:   "unchanged",
	First:       "first_point",
	Duplicate:   "duplicate_point",
	OutOfOrder:  "out_of_order_point",
	Stale:       "stale_point",
	Future:      "future_point",
	Implausible: "implausible_point",
}

// String returns the outcome's name as telemetry carries it, for example "first_point".
func (o Outcome) String() string {
	if o >= outcomeCount {
		return "unknown"
	}
	return outcomeNames[o]
}

// Outcomes returns every outcome in order, so that o is at index o.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomeCount)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}
