// Package baseline is the statistics of one entity: what its bytes in the next window will
// probably be, how surprising a sum is, and what a closed window teaches. It knows neither
// flows nor clocks: windows are counted, bytes are numbers.
//
// The bytes S of an entity in one window are modelled as y = ln(S + Offset), Student
// distributed around a centre that knows the hour and the weekend, with a spread that starts at
// what comparable entities were missed by and moves to the entity's own. The chance that an
// entity is active at all multiplies the tail. What the model promises is then corrected by
// what this deployment's ordinary windows really did (Calibration).
//
// Everything that entities share (Model) changes only between windows, and is summed in
// integers, so that the order of entities and records leaves no trace in what is learned.
package baseline

import (
	"math"
	"time"
)

const (
	// Offset is added to a window's bytes before the logarithm, so that the difference between
	// no bytes and a few hundred does not count as much as that between one and ten megabytes.
	Offset = 1000

	acquaintance = 24 * time.Hour // after the begin of observation, in which nobody counts as a newcomer

	halfLife = 4 * week // of own history: four repeats of the weekly rhythm
	week     = 7 * 24 * time.Hour

	leastCentre    = 1.0  // pseudo-windows that the peers' mean weighs at least against an entity's own
	mostCentre     = 4.0  // and at most
	spreadStrength = 4.0  // pseudo-windows that the peers' spread weighs
	spreadFloor    = 0.02 // variance of ln bytes that no entity goes below
	slotStrength   = 2.0  // pseudo-occurrences that shrink a season cell towards the level
	activeStrength = 4.0  // the same for a cell's chance of being active
	leastActive    = 1e-6 // the least of these chances that is believed
	winsor         = 6.0  // deviations beyond which a window teaches no more

	peerMemory  = 2000 // windows after which a peer class forgets as it learns
	peerEnough  = 20   // windows before a peer class speaks for itself
	peerClip    = 9.0  // squared errors beyond this multiple of the class variance are cut: one wild key must not widen its peers
	priorMean   = 9.0  // of y where nobody knows anything: e^9 − 1000, about 7 kB
	priorSpread = 9.0  // variance of y there

	cellKeep     = 0.95 // share of a season cell that outlives one more occurrence of its slot
	tableFrom    = 8    // active windows before an entity gets a season table
	historyLimit = 500  // windows of silence that a newcomer is credited with at the most
)

// YOf is the scale on which bytes are modelled: ln(bytes + Offset).
func YOf(bytes int64) float64 { return math.Log(float64(bytes) + Offset) }

// yOfNothing is YOf(0), the logarithm of Offset.
const yOfNothing = 3 * math.Ln10

// BytesOf is the inverse of YOf, between 0 and MaxInt64.
func BytesOf(y float64) int64 {
	if y >= 43.6 { // e^43.67 is MaxInt64
		return math.MaxInt64
	}
	return int64(max(0, math.Round(math.Exp(y)-Offset)))
}

// Slot is a window's place in the week.
type Slot struct {
	Day  uint8 // 0..15: three-hour block of the day, +8 on Saturday and Sunday
	Week uint8 // 0..55: three-hour block of the day + 8 × weekday, Sunday 0
}

// SlotOf places an instant, in its own time zone.
func SlotOf(t time.Time) Slot {
	block, day := uint8(t.Hour()/3), t.Weekday()
	s := Slot{Day: block, Week: block + 8*uint8(day)}
	if day == time.Saturday || day == time.Sunday {
		s.Day += 8
	}
	return s
}

// fixed is a real number in units of 2⁻²⁴: sums of it do not depend on their order.
// A window's sum of a million squared errors, each at most 2,000, stays below 2⁵⁶.
type fixed int64

const fixedOne = 1 << 24

func toFixed(x float64) fixed      { return fixed(math.Round(x * fixedOne)) }
func (f fixed) float() float64     { return float64(f) / fixedOne }
func clip(x, a, b float64) float64 { return min(max(x, a), b) }
