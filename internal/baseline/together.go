package baseline

import "math"

// Together adds up what several windows of one entity are expected to bring, so that their bytes can be judged in one
// sum. The zero Together expects nothing.
//
// Where the windows' centres are cᵢ, their chances of being active pᵢ and their weights wᵢ, the entity is active in any
// of them with p = 1 − Π(1−pᵢ)^wᵢ, and if it is, Σ wᵢ·pᵢ·e^cᵢ / p is expected. The spread is that of the windows, not
// that of a sum of independent ones: what an entity's predictions miss by in one window, they miss by in the next.
type Together struct {
	top      float64 // the greatest centre
	bytes    float64 // Σ w·p·e^(c−top)
	idle     float64 // −ln Π(1−p)^w
	variance float64 // Σ w·p·spread²
	weight   float64 // Σ w·p
	class    uint8
}

// Add takes a prediction that holds for the given number of windows.
func (t *Together) Add(p Prediction, windows float64) {
	centre, active := float64(p.Centre), math.Exp(-float64(p.Silence))
	switch {
	case t.weight == 0:
		t.top = centre
	case centre > t.top:
		t.bytes *= math.Exp(t.top - centre)
		t.top = centre
	}
	w := windows * active
	t.bytes += w * math.Exp(centre-t.top)
	t.idle -= windows * math.Log1p(-min(active, almostSure))
	t.variance += w * float64(p.Spread) * float64(p.Spread)
	t.weight += w
	t.class = p.Class
}

// almostSure is the most that is believed of a chance, so that the logarithm of its opposite is finite.
const almostSure = 1 - 1e-12

// Prediction is that of the windows' sum. Something must have been added.
func (t *Together) Prediction() Prediction {
	active := -math.Expm1(-t.idle)
	return Prediction{
		Centre:  float32(t.top + math.Log(t.bytes/active)),
		Spread:  float32(math.Sqrt(t.variance / t.weight)),
		Silence: float32(-math.Log(active)),
		Class:   t.class,
	}
}
