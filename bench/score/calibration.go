package score

import "slices"

// Promise holds what a method said beforehand against what came.
type Promise struct {
	Threshold float64
	Stated    float64 // false alarms a week and rule that the method says the threshold stands for
	Observed  float64 // false alarms a week and rule on ordinary traffic, both rules' mean
	Count     int     // alarms that Observed was counted from
}

// Promises tells how reliable a method's word is: what it stated for each threshold, ascending, against
// what traffic without thefts brought.
func Promises(r *Result, stated func(threshold float64) float64) []Promise {
	promises := make([]Promise, 0, len(r.thresholds))
	for _, t := range slices.Backward(r.thresholds) {
		s := r.At(t)
		n := 0
		for i := range s.verdicts {
			n += s.verdicts[i].FalseAlarms()
		}
		promises = append(promises, Promise{Threshold: t, Stated: stated(t), Observed: s.rate(Together) / ruleCount, Count: n})
	}
	return promises
}
