package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/flow"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	// warmUp is how long methods may learn before their alarms count.
	warmUp = week
	// batchSize is how many flows a method gets at once.
	batchSize = 1000
	// window is what multiples are measured in: the span of the built-in rules.
	window = 3 * time.Hour
	// leastYardstick is what a multiple is at least measured against, bytes: what never alerts by default.
	leastYardstick = 1_000_000
)

// played is labelled traffic: a plan, or a real background with thefts in it.
type played struct {
	flows      iter.Seq[traffic.Labelled]
	start, end time.Time
	thefts     []traffic.Theft
	warmUp     time.Duration // after start; alarms count from then on
}

func playedPlan(p traffic.Plan) (played, error) {
	flows, err := p.Flows()
	return played{flows: flows, start: p.Start, end: p.End(), thefts: p.Thefts, warmUp: warmUp}, err
}

// playing is traffic in front of methods.
type playing struct {
	name    string
	traffic played
	methods []score.Method
	// measure also measures the thefts against what is usual of their port and region, which costs
	// memory for each of them.
	measure bool
	usual   *yardstick // what was measured
}

// play lets methods watch a plan.
func play(ctx context.Context, name string, plan traffic.Plan, methods ...score.Method) (*score.Trial, error) {
	t, err := playedPlan(plan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return (&playing{name: name, traffic: t, methods: methods}).run(ctx)
}

// run lets the methods watch the traffic, and returns the truth about it.
func (p *playing) run(ctx context.Context) (*score.Trial, error) {
	var labels score.Labels
	p.usual = newYardstick()
	scope := flow.NewScope(nil)
	batch := make([]flow.Flow, 0, batchSize)
	pass := func() {
		for _, m := range p.methods {
			m.Observe(batch)
		}
		batch = batch[:0]
	}
	for l := range p.traffic.flows {
		var f flow.Flow
		if scope.Resolve(&l.Record, &f) != flow.Leaves {
			continue
		}
		batch = append(batch, f)
		switch {
		case l.Theft != "":
			labels.Add(l.Theft, &f)
		case p.measure:
			p.usual.add(&f)
		}
		if len(batch) == batchSize {
			pass()
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	pass()
	for _, m := range p.methods {
		m.Finish(p.traffic.end)
	}
	return p.trial(labels.Truths()), nil
}

func (p *playing) trial(thefts []score.Truth) *score.Trial {
	kinds := make(map[string]string, len(p.traffic.thefts))
	for _, t := range p.traffic.thefts {
		kinds[label(&t)] = t.Kind
	}
	for i := range thefts {
		t := &thefts[i]
		t.Kind = kinds[t.Name]
		if p.measure {
			t.Multiple = p.usual.multiple(t)
		}
	}
	return &score.Trial{
		Name: p.name, From: p.traffic.start.Add(p.traffic.warmUp).UnixNano(), To: p.traffic.end.UnixNano(), Thefts: thefts,
	}
}

func label(t *traffic.Theft) string {
	if t.Label != "" {
		return t.Label
	}
	return t.Name
}

// yardstick knows the bytes of each window of each port and region, thefts left out.
type yardstick struct {
	sums map[string]map[int64]int64 // by entity, by number of the window since the epoch
}

func newYardstick() *yardstick { return &yardstick{sums: make(map[string]map[int64]int64)} }

func (y *yardstick) add(f *flow.Flow) {
	for _, entity := range []string{flow.DestinationPort.Value(f), flow.DestinationRegion.Value(f)} {
		sums := y.sums[entity]
		if sums == nil {
			sums = make(map[int64]int64)
			y.sums[entity] = sums
		}
		sums[f.Time/int64(window)] += f.Bytes
	}
}

// p99 is the nearest-rank 99th percentile of the windows in which the entity was active; 0 if it never was.
func (y *yardstick) p99(entity string) int64 {
	sums := slices.Sorted(maps.Values(y.sums[entity]))
	if len(sums) == 0 {
		return 0
	}
	return sums[int(math.Ceil(0.99*float64(len(sums))))-1]
}

// multiple is the theft's busiest window over the p99 of its port or region, whichever is less.
func (y *yardstick) multiple(t *score.Truth) float64 {
	usual := int64(math.MaxInt64)
	for _, entity := range slices.Concat(t.Ports, t.Regions) {
		usual = min(usual, y.p99(entity))
	}
	windows := make(map[int64]int64)
	var busiest int64
	for _, f := range t.Flows {
		windows[f.Time/int64(window)] += f.Bytes
		busiest = max(busiest, windows[f.Time/int64(window)])
	}
	return float64(busiest) / float64(max(usual, leastYardstick))
}
