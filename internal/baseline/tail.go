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
func (student) surprise(z float64) float64 {
	phi := math.Atan2(math.Sqrt(5), z)
	if z > 1000 {
		return -(math.Log(8/(15*math.Pi)) + 5*math.Log(phi))
	}
	sin, cos := math.Sincos(phi)
	return -math.Log((phi - sin*cos*(1+2.0/3*sin*sin)) / math.Pi)
}

func (student) prior() float64 { return 30 }

func (t student) deviation(x float64) float64 {
	if x <= 0 {
		return math.Inf(-1)
	}
	if x > 700 { // z would overflow long before: e^(700/5)
		return math.Inf(1)
	}
	lo, hi := -1.0, 1.0
	for t.surprise(lo) > x {
		lo *= 2
		if lo < -1e15 {
			return math.Inf(-1)
		}
	}
	for t.surprise(hi) < x {
		lo, hi = hi, hi*2
	}
	for range 60 {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			break
		}
		if t.surprise(mid) < x {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
