package score

import "math"

// normal975 is the 97.5th percentile of the normal distribution: 95 % lie within so many standard deviations.
const normal975 = 1.959963984540054

// Wilson is the 95 % interval of a share of which found of so many were seen: all p for which
// |found/of − p| ≤ z·√(p(1−p)/of). Unlike found/of ± z·s, it holds for few and for shares next to 0 or 1.
// Of none it is 0..1. Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
// inference", Journal of the American Statistical Association 22 (1927), p. 209–212.
func Wilson(found, of int) (low, high float64) {
	if of == 0 {
		return 0, 1
	}
	n, p, z2 := float64(of), float64(found)/float64(of), normal975*normal975
	centre := (p + z2/(2*n)) / (1 + z2/n)
	half := normal975 / (1 + z2/n) * math.Sqrt(p*(1-p)/n+z2/(4*n*n))
	return max(0, centre-half), min(1, centre+half)
}
