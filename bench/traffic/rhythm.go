package traffic

import "time"

// Rhythm says how busy an hour is by the clock on the wall; 1 is the mean over a
// weekday.
type Rhythm struct {
	Weekday, Weekend [hoursPerDay]float64
}

// At returns the rhythm's value in the hour of t.
func (r Rhythm) At(t time.Time) float64 {
	if t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		return r.Weekend[t.Hour()]
	}
	return r.Weekday[t.Hour()]
}

// AroundTheClock is the rhythm of machines that nobody sits at.
func AroundTheClock() Rhythm {
	var flat [hoursPerDay]float64
	for i := range flat {
		flat[i] = 1
	}
	return Rhythm{Weekday: flat, Weekend: flat}
}

// WorkingHours is the rhythm of people in an office: they come between seven and nine,
// eat at noon and leave by six; some machines stay on, and few come at the weekend.
func WorkingHours() Rhythm {
	return scaled([hoursPerDay]float64{
		.3, .3, .3, .3, .3, .4, 1, 4, 9, 11, 11, 10, 6, 9, 11, 10, 9, 6, 2.5, 1.2, .8, .6, .5, .4,
	}, 0.06)
}

// ClientHours is the rhythm of people outside who use a web site: most in the evening,
// and nearly as many at the weekend (a network's points of presence carry 1.3 times as
// much on weekdays).
func ClientHours() Rhythm {
	return scaled([hoursPerDay]float64{
		3, 2, 1.6, 1.4, 1.4, 1.8, 2.5, 4, 5, 6, 6, 6, 6.5, 6.5, 6, 6, 6.5, 7, 8, 9, 9, 8, 6, 4,
	}, 0.77)
}

// scaled makes the mean of a weekday 1, and of the weekend the given share of it.
func scaled(shape [hoursPerDay]float64, weekend float64) Rhythm {
	sum := 0.0
	for _, v := range shape {
		sum += v
	}
	var r Rhythm
	for i, v := range shape {
		r.Weekday[i] = v * hoursPerDay / sum
		r.Weekend[i] = r.Weekday[i] * weekend
	}
	return r
}
