package score

import (
	"cmp"
	"slices"
)

// Point is the verdict at one threshold.
type Point struct {
	Threshold float64
	Verdict
}

// Curve holds a method's verdicts in one trial, by threshold descending. At a threshold between
// two points holds the verdict of the higher one.
type Curve struct {
	Trial  *Trial
	Points []Point
}

const (
	// leastPrecision ends a curve: below it, nobody would look at the alarms.
	leastPrecision = 0.01
	// everyRank is how many of the highest thresholds are all tried; further down the ranks tried lie
	// apart by nextRank.
	everyRank = 60
	nextRank  = 1.04
)

// Sweep judges a method, whose traffic is over, at its thresholds: all of the highest, and ever fewer of
// the lower ones, whose alarms number in the thousands. It stops where fewer than one alarm in a
// hundred is right.
func Sweep(m Method, tr *Trial) Curve {
	c := Curve{Trial: tr}
	thresholds := slices.Clone(m.Thresholds())
	slices.SortFunc(thresholds, func(a, b float64) int { return cmp.Compare(b, a) })
	thresholds = slices.Compact(thresholds)
	for rank := 0; rank < len(thresholds); rank = following(rank) {
		threshold := thresholds[rank]
		v := tr.Judge(m.Alarms(threshold))
		c.Points = append(c.Points, Point{threshold, v})
		if n := v.FalseAlarms(); n > 100 && precision(v.Found(), n) < leastPrecision {
			break
		}
	}
	return c
}

func following(rank int) int {
	if rank < everyRank {
		return rank + 1
	}
	return int(float64(rank)*nextRank) + 1
}

// at returns the verdict at a threshold: that of the lowest point at or above it.
func (c *Curve) at(threshold float64) Verdict {
	i, exact := slices.BinarySearchFunc(c.Points, threshold, func(p Point, t float64) int { return cmp.Compare(t, p.Threshold) })
	if !exact {
		i--
	}
	if i < 0 {
		return Verdict{Detections: make([]Detection, len(c.Trial.Thefts))}
	}
	return c.Points[i].Verdict
}

// precision is the share of what was told that was right: thefts found, each once, against false alarms.
func precision(found, wrong int) float64 {
	if found == 0 {
		return 0
	}
	return float64(found) / float64(found+wrong)
}

// averagePrecision is Σ (Rᵢ − Rᵢ₋₁)·Pᵢ over thresholds descending, where R is the recall (distinct thefts
// found over all thefts) and P the precision found/(found + false alarms) at a threshold. Where a lower
// threshold finds no more than a higher one did, it adds nothing. Thefts that no threshold finds
// count with a precision of 0. With few thresholds the sum is too low rather than too high, since all
// that a step finds is weighed with the precision at its end.
func averagePrecision(n, thefts int, at func(i int) (found, wrong int)) float64 {
	if thefts == 0 {
		return 0
	}
	sum, best := 0.0, 0
	for i := range n {
		found, wrong := at(i)
		if found > best {
			sum += float64(found-best) / float64(thefts) * precision(found, wrong)
			best = found
		}
	}
	return sum
}

// AveragePrecision is that of the one trial, 0..1.
func (c *Curve) AveragePrecision() float64 {
	return averagePrecision(len(c.Points), len(c.Trial.Thefts), func(i int) (int, int) {
		return c.Points[i].Found(), c.Points[i].FalseAlarms()
	})
}

// AllEqual reports whether a method tells nothing apart: it has raised alarms, and yet no
// threshold lets some of them through and holds others back. A method that raised none says nothing
// either, and is reported too.
func AllEqual(m Method) bool {
	thresholds := m.Thresholds()
	if len(thresholds) < 2 {
		return true
	}
	highest, lowest := slices.Max(thresholds), slices.Min(thresholds)
	return len(m.Alarms(highest)) == len(m.Alarms(lowest))
}
