package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/bench/load"
	"github.com/otel-exfil/exfil/internal/flow"
)

const (
	// entities is how many exfil knows.
	entities = 10_000
	// window and warmUp are defaults of exfil: how long a window is, and how many are learned before the first alert.
	window = 3 * time.Hour
	warmUp = int(7 * 24 * time.Hour / window)
	// perWindow is how many batches are sent of a window: so many that its end costs a record little, and so few that windows do end
	// while it is measured.
	perWindow = 512
	// pasts is how many windows that are learned from differ: none comes at the same hour each day or week.
	pasts = 9
	// ago is how long before now event time begins: so long that no run gets to where flows would be of the future.
	ago = 60 * 24 * time.Hour
	// turns is how often the two collectors take turns within a round, at saturation and again at the fixed load.
	turns = 4
)

// measurement is what was measured, round by round.
type measurement struct {
	plan
	built         string // the version of Go that the collector was built with
	cores         int
	without, with []result
	took          time.Duration

	learning [][]*batch // of each window that is learned from; the first follows on the last
	batches  []*batch   // that are sent when it is measured
}

// result is what was measured of a collector in a round.
type result struct {
	saturated, paced work
	latencies        []time.Duration // of batches at the fixed load
	memory           usage           // in the end
	counts           counts
}

// work is what a collector did and what that took.
type work struct {
	records   int64
	elapsed   time.Duration
	processor time.Duration
}

func measure(ctx context.Context, p plan) (*measurement, error) {
	built, err := buildinfo.ReadFile(p.program)
	if err != nil {
		return nil, fmt.Errorf("%w: `make bench-collector` builds a collector first", err)
	}
	m := &measurement{plan: p, built: built.GoVersion, cores: runtime.NumCPU()}
	if err := m.encode(); err != nil {
		return nil, err
	}
	began := time.Now()
	for round := range p.rounds {
		fmt.Fprintf(p.log, "%4.0f s  round %d of %d\n", time.Since(began).Seconds(), round+1, p.rounds)
		if err := m.round(ctx, round); err != nil {
			return nil, err
		}
	}
	m.took = time.Since(began)
	return m, nil
}

// encode makes the batches that are sent.
func (m *measurement) encode() error {
	traffic := load.New(entities, load.Zipf)
	var all []flow.Record
	for flows := range traffic.Some(time.Unix(0, 0)) {
		if err := appendBatch(&m.batches, flows); err != nil {
			return err
		}
		all = append(all, flows...)
	}
	m.learning = make([][]*batch, pasts)
	for i := range m.learning {
		for flows := range slices.Chunk(traffic.Folded(all, int64(perWindow/len(m.batches))), load.BatchRecords) {
			if err := appendBatch(&m.learning[i], flows); err != nil {
				return err
			}
		}
	}
	return nil
}

func appendBatch(all *[]*batch, flows []flow.Record) error {
	b, err := newBatch(flows, time.Unix(0, 0))
	*all = append(*all, b)
	return err
}

// round measures a collector without exfil and one with it, which run at a time and work in turn.
func (m *measurement) round(ctx context.Context, round int) error {
	without, err := m.enter(ctx, pipelineConfig)
	if err != nil {
		return err
	}
	with, err := m.enter(ctx, pipelineConfig, exfilConfig)
	if err != nil {
		return errors.Join(err, without.leave())
	}
	err = m.takeTurns(ctx, round, without, with)
	if err == nil {
		err = errors.Join(without.look(ctx), with.look(ctx))
	}
	if err = errors.Join(err, without.leave(), with.leave()); err != nil {
		return err
	}
	m.without, m.with = append(m.without, without.result), append(m.with, with.result)
	return nil
}

// takeTurns has the two work in turn. Who is first changes.
func (m *measurement) takeTurns(ctx context.Context, round int, without, with *contender) error {
	saturated := m.duration / 3 / turns
	interval := time.Second / time.Duration(m.rate)
	paced := max(1, int((m.duration-m.duration/3)/turns/interval))
	both := []*contender{without, with}
	for turn := range 2 * turns {
		for i := range both {
			c := both[(round+turn+i)%len(both)]
			var err error
			if turn < turns {
				err = c.saturate(ctx, saturated)
			} else {
				err = c.pace(ctx, paced, interval)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
