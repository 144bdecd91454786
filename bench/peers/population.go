package peers

import (
	"fmt"
	"math"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// Population compares an entity's bytes with those of all entities of all windows: one log-normal
// distribution, exponentially decayed, for everybody. The score is −log10 of the chance that a draw from it goes as far. It
// stands for the prebuilt machine-learning rules, whose job is one high_sum of bytes over all
// values of a field with one set of probability models for them all: Elastic documentation, "Data exfiltration
// detection" integration and "Sum functions", "Performing population analysis". Their own mixture of
// distributions, their seasonality and their later rescaling of scores are not rebuilt here.
type Population struct {
	Span     time.Duration
	HalfLife time.Duration
	Floor    int64 // bytes: windows with less never alarm
}

// New returns the method.
func (s Population) New() score.Method {
	name := fmt.Sprintf("population, %s, half-life %s, from %s", short(s.Span), short(s.HalfLife), megabytes(s.Floor))
	keep := math.Exp2(-float64(s.Span) / float64(s.HalfLife))
	return newWindowed(name, s.Span, s.Floor, func() judge { return &population{keep: keep} })
}

type population struct {
	keep          float64
	weight        float64 // decayed number of readings
	first, second float64 // decayed sums of ln bytes and of its square
	last          int64
}

// leastPopulation is the number of readings from which a distribution is told.
const leastPopulation = 30

func (j *population) judge(window, _ int64, readings []reading, say verdict) {
	faded := math.Pow(j.keep, float64(max(window-j.last, 0)))
	j.last = window
	j.weight, j.first, j.second = faded*j.weight, faded*j.first, faded*j.second
	if j.weight >= leastPopulation {
		mean := j.first / j.weight
		deviation := math.Sqrt(max(j.second/j.weight-mean*mean, 1e-6))
		for i := range readings {
			r := &readings[i]
			z := (math.Log(float64(r.bytes)) - mean) / deviation
			// The logarithm by itself: the chance of a far tail is too small for a float64.
			say(r, -logTail(z)/math.Ln10, math.Exp(logTail(z)))
		}
	}
	for i := range readings {
		y := math.Log(float64(readings[i].bytes))
		j.weight, j.first, j.second = j.weight+1, j.first+y, j.second+y*y
	}
}

// logTail is ln P(Z > z) of a standard normal Z. Beyond what the complementary error function can
// say it takes the first terms of its asymptotic series (Abramowitz and Stegun, 26.2.12).
func logTail(z float64) float64 {
	const far = 30
	if z < far {
		return math.Log(math.Erfc(z/math.Sqrt2) / 2)
	}
	return -z*z/2 - math.Log(z*math.Sqrt(2*math.Pi)) + math.Log1p(-1/(z*z))
}
