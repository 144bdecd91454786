package score

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Result is what one method reached in several trials. One threshold holds in all of them, as a
// user's would; what differs from trial to trial is told as a Spread.
type Result struct {
	Curves     []Curve
	thresholds []float64 // of all curves, descending
}

// NewResult puts the curves of one method together. There must be at least one.
func NewResult(curves []Curve) *Result {
	r := &Result{Curves: curves}
	for i := range curves {
		for _, p := range curves[i].Points {
			r.thresholds = append(r.thresholds, p.Threshold)
		}
	}
	slices.SortFunc(r.thresholds, func(a, b float64) int { return cmp.Compare(b, a) })
	r.thresholds = slices.Compact(r.thresholds)
	return r
}

// Settings returns the result at each of its thresholds, descending.
func (r *Result) Settings() []Setting {
	settings := make([]Setting, len(r.thresholds))
	for i, t := range r.thresholds {
		settings[i] = r.At(t)
	}
	return settings
}

// At returns the result at a threshold.
func (r *Result) At(threshold float64) Setting {
	s := Setting{Threshold: threshold}
	for i := range r.Curves {
		s.trials = append(s.trials, r.Curves[i].Trial)
		s.verdicts = append(s.verdicts, r.Curves[i].at(threshold))
	}
	return s
}

// Limit says how false alarms are held against a rate.
type Limit int

// The limits.
const (
	Together Limit = iota // false alarms of all rules in sum
	EachRule              // the false alarms of each rule for itself
)

// AtRate returns the setting that finds most with at most so many false alarms a week, over all
// trials; of those that find as many, the one with the highest threshold. ok is false where
// even the highest threshold raises more.
func (r *Result) AtRate(perWeek float64, l Limit) (best Setting, ok bool) {
	most := -1
	for _, t := range r.thresholds {
		s := r.At(t)
		if s.rate(l) > perWeek {
			continue
		}
		if found, _ := s.count(All); found > most {
			best, most = s, found
		}
	}
	return best, most >= 0
}

// RecallAtRate is the recall of AtRate's setting; 0 where there is none.
func (r *Result) RecallAtRate(perWeek float64, l Limit) Spread {
	s, ok := r.AtRate(perWeek, l)
	if !ok {
		return Spread{}
	}
	return s.Recall(All)
}

// AveragePrecision is that of all trials as one, with one threshold for all, and the spread over
// the trials each for itself. See averagePrecision for the formula.
func (r *Result) AveragePrecision() (pooled float64, spread Spread) {
	settings := r.Settings()
	thefts := 0
	each := make([]float64, len(r.Curves))
	for i := range r.Curves {
		thefts += len(r.Curves[i].Trial.Thefts)
		each[i] = r.Curves[i].AveragePrecision()
	}
	pooled = averagePrecision(len(settings), thefts, func(i int) (int, int) {
		found, _ := settings[i].count(All)
		wrong := 0
		for k := range settings[i].verdicts {
			wrong += settings[i].verdicts[k].FalseAlarms()
		}
		return found, wrong
	})
	return pooled, spreadOf(each)
}

// Setting is a method's result at one threshold.
type Setting struct {
	Threshold float64
	trials    []*Trial
	verdicts  []Verdict
}

// Filter picks thefts.
type Filter func(*Truth) bool

// All picks every theft.
func All(*Truth) bool { return true }

// Kind picks the thefts of a kind.
func Kind(kind string) Filter { return func(t *Truth) bool { return t.Kind == kind } }

// Faster picks the thefts that move at least so many bytes an hour.
func Faster(perHour float64) Filter { return func(t *Truth) bool { return t.PerHour() >= perHour } }

// each calls f for every theft that the filter picks.
func (s *Setting) each(pick Filter, f func(t *Truth, d *Detection)) {
	for i, tr := range s.trials {
		for k := range tr.Thefts {
			if t := &tr.Thefts[k]; pick(t) {
				f(t, &s.verdicts[i].Detections[k])
			}
		}
	}
}

// Each calls f for every theft and what became of it, trial by trial.
func (s *Setting) Each(f func(t *Truth, d *Detection)) { s.each(All, f) }

func (s *Setting) count(pick Filter) (found, of int) {
	s.each(pick, func(_ *Truth, d *Detection) {
		of++
		if d.Found {
			found++
		}
	})
	return found, of
}

// Count returns how many of the picked thefts were found, and of how many.
func (s *Setting) Count(pick Filter) (found, of int) { return s.count(pick) }

// Recall is the share of the picked thefts that were found, 0..1, over the trials that have any.
func (s *Setting) Recall(pick Filter) Spread {
	var each []float64
	for i := range s.trials {
		one := Setting{trials: s.trials[i : i+1], verdicts: s.verdicts[i : i+1]}
		if found, of := one.count(pick); of > 0 {
			each = append(each, float64(found)/float64(of))
		}
	}
	return spreadOf(each)
}

// FalseAlarms is a week's of all rules together.
func (s *Setting) FalseAlarms() Spread {
	each := make([]float64, len(s.trials))
	for i, tr := range s.trials {
		each[i] = float64(s.verdicts[i].FalseAlarms()) / tr.Weeks()
	}
	return spreadOf(each)
}

// FalseAlarmsOf is a week's of one rule, by its index in Rules.
func (s *Setting) FalseAlarmsOf(rule int) Spread {
	each := make([]float64, len(s.trials))
	for i, tr := range s.trials {
		each[i] = float64(s.verdicts[i].False[rule]) / tr.Weeks()
	}
	return spreadOf(each)
}

// rate is the false alarms a week over all trials, of all rules in sum or of the worst.
func (s *Setting) rate(l Limit) float64 {
	weeks, sum := 0.0, [ruleCount]int{}
	for i, tr := range s.trials {
		weeks += tr.Weeks()
		for rule, n := range s.verdicts[i].False {
			sum[rule] += n
		}
	}
	total, worst := 0, 0
	for _, n := range sum {
		total += n
		worst = max(worst, n)
	}
	if l == EachRule {
		return float64(worst) / weeks
	}
	return float64(total) / weeks
}

// MedianDelay is that of the picked thefts that were found, from first byte to alarm; ok is false
// where none was.
func (s *Setting) MedianDelay(pick Filter) (d time.Duration, ok bool) {
	var delays []float64
	s.each(pick, func(_ *Truth, d *Detection) {
		if d.Found {
			delays = append(delays, float64(d.Delay))
		}
	})
	return time.Duration(median(delays)), len(delays) > 0
}

// MedianLost is the median of the bytes that had left when the alarm came, of the picked thefts that were
// found; ok is false where none was.
func (s *Setting) MedianLost(pick Filter) (bytes float64, ok bool) {
	var lost []float64
	s.each(pick, func(_ *Truth, d *Detection) {
		if d.Found {
			lost = append(lost, float64(d.Lost))
		}
	})
	return median(lost), len(lost) > 0
}

// HostAccuracy is the share of the thefts found whose alarm named one of their hosts; ok is false
// where no alarm named any host at all.
func (s *Setting) HostAccuracy() (share float64, ok bool) {
	found, named, right := 0, 0, 0
	s.each(All, func(_ *Truth, d *Detection) {
		if !d.Found {
			return
		}
		found++
		if d.Host != "" {
			named++
		}
		if d.Right {
			right++
		}
	})
	if named == 0 {
		return 0, false
	}
	return float64(right) / float64(found), true
}

// Spread is a figure over several trials.
type Spread struct{ Mean, Min, Max float64 }

func spreadOf(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return Spread{Mean: sum / float64(len(v)), Min: slices.Min(v), Max: slices.Max(v)}
}

// median returns the middle value, or the mean of the two in the middle; NaN of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
