package main

import (
	"context"

	"github.com/otel-exfil/exfil/bench/peers"
	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
)

// measurement is all that goes into the results.
type measurement struct {
	tuning     []entry // on the seeds that methods may be tuned on
	heldOut    []entry
	sample     *entry  // the engine alone, on further seeds; nil: on none
	ablation   []entry // the engine whole, and without each part, on the tuning seeds
	clean      []quiet
	situations []situation
	outcomes   [][]outcome // by situation and seed
}

// measure runs everything on generated traffic.
func measure(ctx context.Context, o options, step func(string)) (*measurement, error) {
	m := &measurement{situations: situations()}
	seeds := heldOut(o.seeds)
	var err error
	step("contest on held-out seeds")
	if m.heldOut, err = contestOn(ctx, o.workers, seeds, everyone(engine.Thresholds())); err != nil {
		return nil, err
	}
	if o.sample > 0 {
		step("more organisations")
		if m.sample, err = onSample(ctx, o.workers, seedsFrom(sampleFrom, o.sample)); err != nil {
			return nil, err
		}
	}
	step("contest on tuning seeds")
	if m.tuning, err = contestOn(ctx, o.workers, tuningSeeds(), everyone(engine.Thresholds())); err != nil {
		return nil, err
	}
	step("parts of the engine on tuning seeds")
	if m.ablation, err = ablate(ctx, o.workers); err != nil {
		return nil, err
	}
	step("situations")
	if m.outcomes, err = onSituations(ctx, o.workers, m.situations, seeds); err != nil {
		return nil, err
	}
	step("clean traffic")
	plans, err := cleanPlans()
	if err != nil {
		return nil, err
	}
	m.clean, err = onCleanTraffic(ctx, o.workers, plans, seeds)
	return m, err
}

func contestOn(ctx context.Context, workers int, seeds []uint64, contestants []contestant) ([]entry, error) {
	plans, err := contestPlans(seeds)
	if err != nil {
		return nil, err
	}
	return contest(ctx, workers, plans, contestants)
}

// everyone is the product at the given thresholds and every peer, tuned and as it comes.
func everyone(thresholds []float64) []contestant {
	all := []contestant{product(thresholds...)}
	for _, p := range peers.All() {
		all = append(all, contestant{
			name: p.Name, tuned: true, threshold: p.TunedThreshold,
			new: func() (score.Method, error) { return p.Tuned(), nil },
		}, contestant{
			name: p.Name, threshold: p.Threshold,
			new: func() (score.Method, error) { return p.Default(), nil },
		})
	}
	return all
}
