package baseline

import "math"

// tail says how surprising it is to lie z standard deviations above the centre.
type tail interface {
	// surprise is −ln of the probability of lying further out than z. It grows with z.
	surprise(z float64) float64
	// deviation is the inverse of surprise: the z whose surprise is x. For x ≤ 0 it is −Inf.
	deviation(x float64) float64
	// prior is how many windows with just this tail a calibration presumes.
	prior() float64
}

// logistic is the tail of newcomers. Their first windows are one population, of probes of a hundred bytes and
// of transfers of gigabytes, and sizes of transfers fall off by a power (M. E. Crovella and A. Bestavros,
// "Self-Similarity in World Wide Web Traffic: Evidence and Possible Causes", IEEE/ACM Transactions on
// Networking 5, 1997). Since y is the logarithm of bytes, that is an exponential tail in y, which the
// logistic distribution has. With Student's, a hundred gigabytes to a new port would hardly be more surprising
// than a hundred megabytes.
type logistic struct{}

const (
	// logisticScale is the z over which the tail falls by a factor of e. With 0.55, √3/π, the standard
	// deviation would be 1; less makes bytes weigh more against how seldom an entity is active.
	logisticScale = 0.4
	// logisticFar is the surprise from which on ln(1 + e^x) and x are the same number.
	logisticFar = 40.0
)

func (logistic) surprise(z float64) float64 {
	if z /= logisticScale; z > logisticFar {
		return z
	}
	return math.Log1p(math.Exp(z))
}

func (logistic) deviation(x float64) float64 {
	switch {
	case x <= 0:
		return math.Inf(-1)
	case x > logisticFar:
		return logisticScale * x
	}
	return logisticScale * math.Log(math.Expm1(x))
}

// prior is small: the power differs from network to network.
func (logistic) prior() float64 { return 5 }

// student is the tail of entities that have a history, which scatter around it and now and then lie far out:
// Student's distribution with five degrees of freedom, heavy enough for traffic, and in closed form for odd
// degrees (Abramowitz and Stegun 26.7.3).
type student struct{}

// surprise is −ln P(T > z). With φ = atan2(√5, z), P = (φ − sin φ cos φ (1 + ⅔ sin² φ)) / π. Far out, where the
// difference would cancel, its leading term 8φ⁵/(15π) serves.
func (t student) surprise(z float64) float64 {
	surprise, _ := t.at(z)
	return surprise
}

// at returns the surprise at z and how fast it grows there, which is the density, 8 sin⁶ φ / (3π√5), over P.
func (student) at(z float64) (surprise, slope float64) {
	phi := math.Atan2(math.Sqrt(5), z)
	if z > 1000 {
		return -(math.Log(8/(15*math.Pi)) + 5*math.Log(phi)), 5 / z
	}
	scale := 1 / math.Sqrt(z*z+5)
	sin, cos := math.Sqrt(5)*scale, z*scale
	square := sin * sin
	p := (phi - sin*cos*(1+2.0/3*square)) / math.Pi
	return -math.Log(p), 8 / (3 * math.Pi * math.Sqrt(5)) * square * square * square / p
}

func (student) prior() float64 { return 30 }

const (
	// Far out, P is studentFar/z⁵. With z² + studentNear instead of z², it is ½ at 0, too.
	studentFar  = 9.490167245562361 // 8·5^2.5/(15π)
	studentNear = 3.245798421404659 // (2·studentFar)^0.4
)

// deviation is solved by Newton's method, from a guess that is right at both ends.
func (t student) deviation(x float64) float64 {
	switch {
	case x <= 0:
		return math.Inf(-1)
	case x > 700: // z would overflow long before: e^(700/5)
		return math.Inf(1)
	case x < math.Ln2: // below the centre, where P is more than half
		return -t.deviation(-math.Log(-math.Expm1(-x)))
	}
	z := math.Sqrt(max(0, math.Pow(studentFar*math.Exp(x), 0.4)-studentNear))
	for before := math.Inf(1); ; {
		surprise, slope := t.at(z)
		step := (x - surprise) / slope
		z = max(0, z+step)
		// Steps shrink by their square, until the surprise knows no better.
		if math.Abs(step) <= 1e-12*(1+z) || math.Abs(step) >= before/2 {
			return z
		}
		before = math.Abs(step)
	}
}
