package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/config"
)

// contestant is a method that takes part.
type contestant struct {
	name      string
	tuned     bool // its settings and its threshold were searched for on the tuning seeds
	new       func() (score.Method, error)
	threshold float64 // at which a user would run it
	explained bool    // an engine whose false alarms are looked into
}

// productName is what tables call the engine.
const productName = "exfil"

// product is the engine with nothing tuned, at each of the thresholds.
func product(thresholds ...float64) contestant {
	return contestant{
		name: productName, threshold: engine.DefaultThreshold, explained: true,
		new: func() (score.Method, error) {
			return engine.New(productName, config.Default(), thresholds...)
		},
	}
}

// entry is what a contestant reached.
type entry struct {
	contestant
	*score.Result
	degenerate bool              // all its scores were equal in some trial
	thefts     [][]traffic.Theft // by trial
	wrong      []wrongAlarm      // false alarms at the threshold as set, if the contestant is to be explained
}

// contest lets all contestants watch the same traffic and judges them. The entries come in the order
// of the contestants.
func contest(ctx context.Context, workers int, plans []named, contestants []contestant) ([]entry, error) {
	curves := make([][]score.Curve, len(contestants)) // by contestant, by plan
	equal := make([][]bool, len(contestants))
	wrong := make([][][]wrongAlarm, len(contestants))
	for i := range contestants {
		curves[i], equal[i], wrong[i] = make([]score.Curve, len(plans)), make([]bool, len(plans)), make([][]wrongAlarm, len(plans))
	}
	tasks := make([]func(context.Context) error, len(plans))
	for p := range plans {
		tasks[p] = func(ctx context.Context) error {
			methods, err := newMethods(contestants)
			if err != nil {
				return err
			}
			trial, err := (&playing{name: plans[p].name, traffic: plans[p].traffic, methods: methods, measure: true}).run(ctx)
			if err != nil {
				return err
			}
			for i, m := range methods {
				curves[i][p], equal[i][p] = score.Sweep(m, trial), score.AllEqual(m)
				if e, ok := m.(*engine.Engine); ok && contestants[i].explained {
					wrong[i][p] = wrongAlarms(e, trial, contestants[i].threshold)
				}
			}
			return nil
		}
	}
	if err := inParallel(ctx, workers, tasks); err != nil {
		return nil, err
	}
	thefts := make([][]traffic.Theft, len(plans))
	for p := range plans {
		thefts[p] = plans[p].traffic.thefts
	}
	entries := make([]entry, len(contestants))
	for i, c := range contestants {
		entries[i] = entry{contestant: c, Result: score.NewResult(curves[i]), thefts: thefts, wrong: slices.Concat(wrong[i]...)}
		for _, e := range equal[i] {
			entries[i].degenerate = entries[i].degenerate || e
		}
	}
	return entries, nil
}

func newMethods(contestants []contestant) ([]score.Method, error) {
	methods := make([]score.Method, len(contestants))
	for i, c := range contestants {
		m, err := c.new()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		methods[i] = m
	}
	return methods, nil
}

// named is traffic with a name.
type named struct {
	name    string
	traffic played
}
