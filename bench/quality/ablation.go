package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/config"
)

// part is something of the engine that can be left out.
type part struct {
	name string
	less engine.Without
}

// engineParts lists them; the first leaves nothing out.
func engineParts() []part {
	return []part{
		{"nothing", engine.Without{}},
		{"the hours of the day and the weekend", engine.Without{Ablation: baseline.Ablation{NoSeason: true}}},
		{"how seldom a key is active", engine.Without{Ablation: baseline.Ablation{NoActivity: true}}},
		{"what newcomers are compared with: other newcomers", engine.Without{Ablation: baseline.Ablation{NoPeers: true}}},
		{"calibration", engine.Without{Ablation: baseline.Ablation{NoCalibration: true}}},
		{"a tail of newcomers' own", engine.Without{Ablation: baseline.Ablation{StudentOnly: true}}},
		{"judging new pairs by their halves", engine.Without{Ablation: baseline.Ablation{NoPairs: true}}},
		{"probation of keys that one sender took up", engine.Without{Ablation: baseline.Ablation{NoProbation: true}}},
		{"judging with the record that crosses", engine.Without{Ablation: baseline.Ablation{JudgesAtTheEnd: true}}},
		{"finer keys", engine.Without{NoDetails: true}},
	}
}

// ablationThresholds are fewer than those of a full comparison, because there is an engine for each part.
func ablationThresholds() []float64 {
	return []float64{98, 95, 90, 85, 80, engine.DefaultThreshold, 65, 45}
}

// lessThan is the product without a part.
func lessThan(p part, thresholds []float64) contestant {
	return contestant{
		name: p.name, threshold: engine.DefaultThreshold,
		new: func() (score.Method, error) {
			return engine.NewWithout(p.name, config.Default(), p.less, thresholds...)
		},
	}
}

// ablate lets the engine, whole and without each of its parts, watch the same traffic. The entries come in
// the order of engineParts.
func ablate(ctx context.Context, workers int) ([]entry, error) {
	var contestants []contestant
	for _, p := range engineParts() {
		contestants = append(contestants, lessThan(p, ablationThresholds()))
	}
	return contestOn(ctx, workers, tuningSeeds(), contestants)
}

// parts tells what each part of the engine buys.
func (m *measurement) parts(b *bytes.Buffer) {
	first, all := m.ablation[0].Curves, ablationThresholds()
	fmt.Fprintf(b, `## What each part buys

The product, and the product with one part left out, on the tuning seeds (%s), whose traffic the product was made on. Each
is tried at %d thresholds only, the whole product too: its average precision is therefore lower than that in the table above. *Costs* is the average
precision that is lost without the part; below 0, the part costs more than it buys on this traffic.

| left out | average precision | costs | at %d: recall | false alarms a week, both rules | at 1 a week and rule: recall | median delay |
|---|---|---|---|---|---|---|
`, seedNames(first), len(all), engine.DefaultThreshold)
	whole, _ := m.ablation[0].AveragePrecision()
	for i := range m.ablation {
		e := &m.ablation[i]
		ap, _ := e.AveragePrecision()
		set := e.At(e.threshold)
		costs := "–"
		if i > 0 {
			costs = fmt.Sprintf("%+.3f", whole-ap)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", e.name, share(ap), costs, withSpread(set.Recall(score.All), share),
			withSpread(set.FalseAlarms(), number), share(e.RecallAtRate(1, score.EachRule).Mean), delay(&set, score.All))
	}
	b.WriteString("\n")
}
