package baseline

import "time"

// decaysKnown is for how many windows Decays has its shares at hand: with spans of three hours, the silences of two months.
const decaysKnown = 512

// Decays is Decay of one span, worked out beforehand for all silences but the longest. Whatever is looked at
// by the thousand while a record waits asks it, and gets the same numbers.
type Decays struct {
	span time.Duration
	keep []float64 // by the number of windows
}

// NewDecays works the shares out.
func NewDecays(span time.Duration) *Decays {
	d := &Decays{span: span, keep: make([]float64, decaysKnown)}
	for k := range d.keep {
		d.keep[k] = Decay(span, float64(k))
	}
	return d
}

// after is the share of a past window's weight that is left after k further ones.
func (d *Decays) after(k uint32) float64 {
	if k < uint32(len(d.keep)) {
		return d.keep[k]
	}
	return Decay(d.span, float64(k))
}

// SkipTo does as Series.SkipTo.
func (d *Decays) SkipTo(s *Series, ordinal uint32) {
	if ordinal > s.Next {
		s.skipTo(ordinal, d.after(ordinal-s.Next), d.after(1))
	}
}

// ActiveAt is Series.ActiveAt.
func (d *Decays) ActiveAt(s *Series, ordinal uint32) float64 {
	if ordinal <= s.Next {
		return float64(s.Active)
	}
	return s.activeAfter(d.after(ordinal - s.Next))
}

// Activity is Series.Activity.
func (d *Decays) Activity(s Series, ordinal uint32, guess float64) float64 {
	d.SkipTo(&s, ordinal)
	return s.activity(guess)
}

// Worth is how much would be lost with the series at the given window: the decayed number of active windows, each
// weighted by how many factors of e its bytes are above Offset. An hourly probe of a hundred bytes is worth less than
// three transfers of a megabyte, and a thousand fresh keys of a hundred bytes less than any of these.
func (d *Decays) Worth(s *Series, ordinal uint32) float64 {
	return d.ActiveAt(s, ordinal) * max(0, float64(s.Mean)-yOfNothing)
}
