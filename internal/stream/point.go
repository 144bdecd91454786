// Package stream tells what the data points of counters add. A counter's points form
// streams; those of a cumulative stream repeat all that was counted since its start, those
// of a delta stream only what is new.
package stream

// Point is a data point of a counter.
type Point struct {
	ID         uint64 // of its stream; the same for the same resource, scope, metric, temporality and attributes
	Group      uint64 // of the streams that a sender exports together; as ID, but with Start in place of the attributes
	Start      int64  // when its count began, nanoseconds since the epoch; 0: not reported
	Time       int64  // when it was taken, nanoseconds since the epoch
	Bytes      int64  // counted since Start (cumulative) or since the point before (delta), ≥ 0
	Cumulative bool
}
