package main

import (
	"context"
	"fmt"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/config"
)

// quiet is what the engine raised where nothing was stolen.
type quiet struct {
	cleanPlan
	*score.Result
}

// rate is the false alarms a week and rule at the default threshold, over all seeds.
func (q *quiet) rate() (mean score.Spread, byRule [2]score.Spread) {
	s := q.At(engine.DefaultThreshold)
	both := s.FalseAlarms()
	rules := float64(len(score.Rules()))
	return score.Spread{Mean: both.Mean / rules, Min: both.Min / rules, Max: both.Max / rules},
		[2]score.Spread{s.FalseAlarmsOf(0), s.FalseAlarmsOf(1)}
}

// onCleanTraffic lets the engine alone watch traffic that nothing is stolen from.
func onCleanTraffic(ctx context.Context, workers int, plans []cleanPlan, seeds []uint64) ([]quiet, error) {
	curves := make([][]score.Curve, len(plans))
	var tasks []func(context.Context) error
	for i, c := range plans {
		curves[i] = make([]score.Curve, len(seeds))
		thresholds := []float64{engine.DefaultThreshold}
		if c.sweep {
			thresholds = engine.Thresholds()
		}
		if c.once {
			curves[i] = curves[i][:1]
		}
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
				curves[i][k] = score.Sweep(e, trial)
				return nil
			})
		}
	}
	if err := inParallel(ctx, workers, tasks); err != nil {
		return nil, err
	}
	results := make([]quiet, len(plans))
	for i, c := range plans {
		results[i] = quiet{c, score.NewResult(curves[i])}
	}
	return results, nil
}
