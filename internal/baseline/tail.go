package baseline

import "math"

// Surprise is −ln P(T > z) of Student's distribution with five degrees of freedom: heavy
// enough for traffic, and in closed form for odd degrees (Abramowitz and Stegun 26.7.3). With
// φ = atan2(√5, z), P = (φ − sin φ cos φ (1 + ⅔ sin² φ)) / π. Far out, where the
// difference would cancel, its leading term 8φ⁵/(15π) serves.
func Surprise(z float64) float64 {
	phi := math.Atan2(math.Sqrt(5), z)
	if z > 1000 {
		return -(math.Log(8/(15*math.Pi)) + 5*math.Log(phi))
	}
	sin, cos := math.Sincos(phi)
	return -math.Log((phi - sin*cos*(1+2.0/3*sin*sin)) / math.Pi)
}

// Deviation is the inverse of Surprise: the z whose surprise is x. For x ≤ 0 it is −Inf.
func Deviation(x float64) float64 {
	if x <= 0 {
		return math.Inf(-1)
	}
	if x > 700 { // z would overflow long before: e^(700/5)
		return math.Inf(1)
	}
	lo, hi := -1.0, 1.0
	for Surprise(lo) > x {
		lo *= 2
		if lo < -1e15 {
			return math.Inf(-1)
		}
	}
	for Surprise(hi) < x {
		lo, hi = hi, hi*2
	}
	for range 60 {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			break
		}
		if Surprise(mid) < x {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}
