package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/config"
)

// quiet is what the engine raised where nothing was stolen.
type quiet struct {
	cleanPlan
	*score.Result
	entities []int // that the engine held at the end, by seed
}

// rate is the false alarms a week and rule at the default threshold, over all seeds.
func (q *quiet) rate() (mean score.Spread, byRule [2]score.Spread) {
	s := q.At(engine.DefaultThreshold)
	both := s.FalseAlarms()
	rules := float64(len(score.Rules()))
	return score.Spread{Mean: both.Mean / rules, Min: both.Min / rules, Max: both.Max / rules},
		[2]score.Spread{s.FalseAlarmsOf(0), s.FalseAlarmsOf(1)}
}

// held is how many entities the engine held at the end, over all seeds.
func (q *quiet) held() score.Spread {
	s := score.Spread{Min: float64(slices.Min(q.entities)), Max: float64(slices.Max(q.entities))}
	for _, n := range q.entities {
		s.Mean += float64(n) / float64(len(q.entities))
	}
	return s
}

// onCleanTraffic lets the engine alone watch traffic that nothing is stolen from.
func onCleanTraffic(ctx context.Context, workers int, plans []cleanPlan, seeds []uint64) ([]quiet, error) {
	curves, entities := make([][]score.Curve, len(plans)), make([][]int, len(plans))
	var tasks []func(context.Context) error
	for i, c := range plans {
		curves[i] = make([]score.Curve, len(seeds))
		thresholds := []float64{engine.DefaultThreshold}
		if c.sweep {
			thresholds = engine.Thresholds()
		}
		if c.most > 0 {
			curves[i] = curves[i][:min(c.most, len(seeds))]
		}
		entities[i] = make([]int, len(curves[i]))
		for k := range curves[i] {
			tasks = append(tasks, func(ctx context.Context) error {
				e, err := engine.New(productName, config.Default(), thresholds...)
				if err != nil {
					return err
				}
				plan, err := organisation(seeds[k], c.options)
				if err != nil {
					return err
				}
				trial, err := play(ctx, fmt.Sprintf("%s, seed %d", c.name, seeds[k]), plan, e)
				if err != nil {
					return err
				}
				curves[i][k], entities[i][k] = score.Sweep(e, trial), e.Entities(engine.DefaultThreshold)
				return nil
			})
		}
	}
	if err := inParallel(ctx, workers, tasks); err != nil {
		return nil, err
	}
	results := make([]quiet, len(plans))
	for i, c := range plans {
		results[i] = quiet{c, score.NewResult(curves[i]), entities[i]}
	}
	return results, nil
}
