package baseline

import "math"

// Score maps expected false alarms a week to 0..100: 75 at the budget, 50 at ten times as
// many, 87.5 at a hundredth, 100 never. falseAlarms and budget are counts a week, > 0.
func Score(falseAlarms, budget float64) float64 {
	decades := math.Log10(budget / falseAlarms)
	if decades <= 0 || math.IsNaN(decades) {
		return max(0, 75+25*decades)
	}
	return 100 - 25*math.Exp2(-decades/2)
}

// FalseAlarmsAt is the inverse of Score: the false alarms a week that a score stands for.
// It is 0 for a score of 100.
func FalseAlarmsAt(score, budget float64) float64 {
	if score <= 75 {
		return budget * math.Pow(10, (75-score)/25)
	}
	if score >= 100 {
		return 0
	}
	return budget * math.Pow(10, 2*math.Log2((100-score)/25))
}
