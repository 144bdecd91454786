package decode

// Reason says what became of one log record or data point.
type Reason uint8

// The reasons. Only Accepted and TooLarge come with flows.
const (
	Accepted      Reason = iota // at least one flow was read
	UnknownFormat               // no configured format has keys that occur in it, or knows the metric's name
	NotAFlow                    // of a known source, but no flow: an alert, a DNS answer, a header line
	UnparsedJSON                // JSON as text; an operator such as json_parser must parse it first
	NoBytes                     // names no bytes: a connection attempt, a flow that has only begun
	BadBytes                    // bytes that are negative, not a number, no integer or beyond MaxBytes
	NoAddress                   // lacks a source or a destination address
	BadAddress                  // an address that is none
	BadPort                     // a port outside 0..65535
	Rejected                    // a firewall let nothing through
	NoData                      // the source itself reports that it has no data, or skipped some; a point without a recorded value
	Duplicate                   // another record tells of the same bytes
	Malformed                   // a line or tuple with the wrong number of columns
	TooLarge                    // more tuples than MaxFlows; those up to there were read
	NotASum                     // a known metric that is a gauge, a histogram or a summary
	NotMonotonic                // a known metric whose sum may fall
	NoTemporality               // a known metric whose sum does not say if it is cumulative or delta
	BadUnit                     // a known metric in a unit that is not one of bytes or bits
	reasonCount
)

var reasonNames = [reasonCount]string{
	Accepted:      "accepted",
	UnknownFormat: "unknown_format",
	NotAFlow:      "not_a_flow",
	UnparsedJSON:  "unparsed_json",
	NoBytes:       "no_bytes",
	BadBytes:      "bad_bytes",
	NoAddress:     "no_address",
	BadAddress:    "bad_address",
	BadPort:       "bad_port",
	Rejected:      "rejected",
	NoData:        "no_data",
	Duplicate:     "duplicate",
	Malformed:     "malformed",
	TooLarge:      "too_large",
	NotASum:       "not_a_sum",
	NotMonotonic:  "not_monotonic",
	NoTemporality: "no_temporality",
	BadUnit:       "bad_unit",
}

// String returns the reason's name as telemetry carries it, for example "no_bytes".
func (r Reason) String() string {
	if r >= reasonCount {
		return "unknown"
	}
	return reasonNames[r]
}

// Reasons returns every reason in order, so that r is at index r.
func Reasons() []Reason {
	all := make([]Reason, reasonCount)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}
