package peers

import (
	"fmt"
	"math"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// EWMA says how many standard deviations y = ln(1 + bytes/Unit) of a window lies above its
// exponentially weighted mean, windows without traffic counting as zero. It is the chart of S. W. Roberts ("Control Chart
// Tests Based on Geometric Moving Averages", Technometrics 1, 1959) with the moving variance of J. F. MacGregor and
// T. J. Harris ("The Exponentially Weighted Moving Variance", Journal of Quality Technology 25, 1993), on logarithms since
// bytes are about log-normal. With its floor tuned it is the best of the simple rules.
type EWMA struct {
	Span     time.Duration
	HalfLife time.Duration
	Floor    int64   // bytes: windows with less never alarm
	Unit     float64 // bytes that count as one
	// Least is added in quadrature to the standard deviation of y, which is 0 for an entity that is new.
	Least float64
}

// New returns the method.
func (s EWMA) New() score.Method {
	name := fmt.Sprintf("EWMA of ln bytes, %s, half-life %s, from %s, unit %g B, least sd %g",
		short(s.Span), short(s.HalfLife), megabytes(s.Floor), s.Unit, s.Least)
	keep := math.Exp2(-float64(s.Span) / float64(s.HalfLife))
	return newWindowed(name, s.Span, s.Floor, func() judge { return &ewma{keep: keep, unit: s.Unit, least: s.Least} })
}

type ewma struct {
	keep        float64 // share of the past that a window leaves
	unit, least float64
	entries     []moments
}

// moments are the exponentially weighted mean of y and of y².
type moments struct {
	seen          bool
	next          int64 // window that is not accounted for yet
	first, second float64
}

func (j *ewma) judge(window, _ int64, readings []reading, say verdict) {
	for i := range readings {
		r := &readings[i]
		j.entries = sized(j.entries, r.id+1)
		m := &j.entries[r.id]
		m.pass(window, j.keep)
		y := math.Log1p(float64(r.bytes) / j.unit)
		say(r, m.deviations(y, j.least), math.NaN())
		m.learn(y, j.keep)
	}
}

// pass accounts for the windows without traffic until the given one. Before the first traffic all were.
func (m *moments) pass(window int64, keep float64) {
	if m.seen && window > m.next {
		faded := math.Pow(keep, float64(window-m.next))
		m.first *= faded
		m.second *= faded
	}
	m.seen, m.next = true, window
}

func (m *moments) deviations(y, least float64) float64 {
	variance := max(m.second-m.first*m.first, 0)
	return (y - m.first) / math.Sqrt(variance+least*least)
}

func (m *moments) learn(y, keep float64) {
	m.first = keep*m.first + (1-keep)*y
	m.second = keep*m.second + (1-keep)*y*y
	m.next++
}
