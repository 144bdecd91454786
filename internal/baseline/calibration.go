package baseline

import (
	"math"
	"time"
)

const (
	bins      = 320
	binWidth  = 0.25 // of surprise: the histogram reaches to e^−80
	tailShare = 0.02 // share of windows that count as the tail
	tailLeast = 20.0 // windows that a tail needs
	tailClip  = 16.0 // excess over the tail's start beyond which a window counts no more
	tailFloor = 0.3  // least mean excess that is believed

	calibrationHalfLife = 4 * week
	calibratedFrom      = 0.05 // weeks observed before a fit is believed
)

// Classes by activity, see Series.calibrationClass.
const (
	newcomers          = 0
	calibrationClasses = 3
)

// optimism is by what factor alarms come oftener than the fitted tails say. They are fitted to ordinary windows of
// the past, while alarms come from what is new: ports and regions that are taken up for good reasons, one
// after the other. Measured on organisations without thefts, see docs/detection.md.
const optimism = 2.0

// Calibration learns how often ordinary windows of one activity class are how surprising: the
// upper tail of their surprise x is fitted by rate·exp(−(x−from)/scale) windows a week, an
// exponential shrunk to what the model promises. The zero Calibration believes the model.
type Calibration struct {
	histogram [bins]float64
	weeks     float64 // decayed observed time
	pace      float64 // windows closed in the last week, decayed with e^(−age/week)

	fitted            bool
	from, rate, scale float64

	// the open window's sums
	closed int64
	batch  [bins]int32
}

// count takes the surprise of one closed window. Windows that alert are counted as closed, but are not
// ordinary: thefts would else raise the tail until they are part of it.
func (c *Calibration) count(x float64, ordinary bool) {
	c.closed++
	if !ordinary {
		return
	}
	if c.fitted {
		x = min(x, c.from+tailClip)
	}
	c.batch[int(clip(x/binWidth, 0, bins-1))]++
}

// pass ends a window of the given span.
func (c *Calibration) pass(span time.Duration) {
	weeks := float64(span) / float64(week)
	c.pace = (c.pace + float64(c.closed)) * math.Exp(-weeks)
	c.weeks = c.weeks*Decay(span, 1) + weeks
	if c.closed == 0 {
		return
	}
	c.closed = 0
	for i, n := range c.batch {
		if n != 0 {
			c.histogram[i] += float64(n)
		}
	}
	clear(c.batch[:])
}

// fit forgets what the time since the last fit has aged, and fits the tail anew. prior is the number of
// pseudo-windows with the nominal tail, whose excess has mean 1.
func (c *Calibration) fit(since time.Duration, prior float64) {
	keep := math.Exp2(-float64(since) / float64(calibrationHalfLife))
	weight := 0.0 // ordinary windows, decayed
	for i := range c.histogram {
		c.histogram[i] *= keep
		weight += c.histogram[i]
	}
	c.fitted = false
	if weight < tailLeast || c.weeks < calibratedFrom {
		return
	}
	need := max(tailShare*weight, tailLeast)
	above, excess, start := 0.0, 0.0, bins
	for start > 0 && above < need {
		start--
		above += c.histogram[start]
	}
	from := float64(start) * binWidth
	for i := start; i < bins; i++ {
		excess += c.histogram[i] * min((float64(i)+0.5)*binWidth-from, tailClip)
	}
	c.from = from
	c.rate = above / c.weeks
	c.scale = max(tailFloor, (excess+prior)/(above+prior))
	c.fitted = c.rate > 0
}

// perWeek is how many windows a week are expected at surprise x or beyond.
func (c *Calibration) perWeek(x float64) float64 {
	if !c.fitted {
		return max(c.pace, 1) * math.Exp(-x)
	}
	return c.rate * math.Exp(-(x-c.from)/c.scale)
}

// surpriseAt is the inverse of perWeek.
func (c *Calibration) surpriseAt(perWeek float64) float64 {
	if !c.fitted {
		return math.Log(max(c.pace, 1) / perWeek)
	}
	return c.from + c.scale*math.Log(c.rate/perWeek)
}

// alive says whether the class sees enough windows to share in the budget of false alarms.
func (c *Calibration) alive() bool { return c.pace >= 2 }
