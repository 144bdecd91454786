package baseline

import (
	"math"
	"time"
)

// Series is what is learned of one entity and span. The zero Series has seen nothing.
// All counts decay with a half-life of four weeks of observed windows.
type Series struct {
	N    float32 // decayed number of active windows behind Mean
	Mean float32 // of y over active windows
	SS   float32 // decayed sum of squared errors against the own mean

	Active float32 // decayed number of active windows
	Total  float32 // decayed number of windows since the entity was first seen

	// Regression of the own residual on the shape shared by a space's entities (detail keys only).
	ShapeXY, ShapeXX float32

	Next uint32 // ordinal of the first window not yet accounted for above
}

// Decay is the share of a past window's weight that is left after k further ones of this span.
func Decay(span time.Duration, k float64) float64 {
	return math.Exp2(-k * float64(span) / float64(halfLife))
}

// Begin makes the series that of a newcomer in window number ordinal, credited with having
// been silent in the windows observed before.
func (s *Series) Begin(ordinal, observed uint32) {
	*s = Series{Next: ordinal, Total: float32(min(observed, historyLimit))}
}

// SkipTo accounts for silence in every observed window before the given one.
func (s *Series) SkipTo(ordinal uint32, span time.Duration) {
	if ordinal > s.Next {
		s.skipTo(ordinal, Decay(span, float64(ordinal-s.Next)), Decay(span, 1))
	}
}

// skipTo does so where a past window keeps q of its weight over that silence, and f over one window.
func (s *Series) skipTo(ordinal uint32, q, f float64) {
	s.N *= float32(q)
	s.SS *= float32(q)
	s.Active *= float32(q)
	s.Total = float32(float64(s.Total)*q + (1-q)/(1-f))
	s.Next = ordinal
}

// ActiveAt is the decayed number of active windows as it will be at the given window.
func (s *Series) ActiveAt(ordinal uint32, span time.Duration) float64 {
	if ordinal <= s.Next {
		return float64(s.Active)
	}
	return s.activeAfter(Decay(span, float64(ordinal-s.Next)))
}

// activeAfter is the decayed number of active windows after a silence over which a past window keeps q of its weight,
// rounded as skipTo does.
func (s *Series) activeAfter(q float64) float64 { return float64(s.Active * float32(q)) }

// EvenChance is the guess at Series.Activity where nothing else is known.
const EvenChance = 0.5

// Activity is how probable it is that an entity is active in the given window, by its own past and, as if it
// had been one window of it, a guess.
func (s Series) Activity(ordinal uint32, span time.Duration, guess float64) float64 {
	s.SkipTo(ordinal, span)
	return s.activity(guess)
}

// activity is how probable it is that the entity is active in window Next.
func (s *Series) activity(guess float64) float64 {
	return (float64(s.Active) + guess) / (float64(s.Total) + 1)
}

// experience is the peer class of an entity: entities are compared with others that
// have been active about as often, so that a new port meets the first windows of other ports.
func (s *Series) experience() int {
	if s.Active < 1 {
		return 0
	}
	return min(peerClasses-1, 1+binaryExponent(s.Active))
}

// binaryExponent is the whole part of log₂ x, x ≥ 1.
func binaryExponent(x float32) int { return int(math.Float32bits(x)>>23) - 127 }

// calibrationClass groups entities of under half a day, under four days, and of longer activity.
func (s *Series) calibrationClass() uint8 {
	switch {
	case s.Active < 4:
		return newcomers
	case s.Active < 32:
		return 1
	}
	return 2
}
