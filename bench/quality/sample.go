package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
)

// In the contest, a kind has a dozen thefts, and one of them is a twelfth of its recall. So the product alone, at its own
// threshold only and therefore cheap, is played on this many further organisations, from this seed on.
const (
	sampleOrganisations = 40
	sampleFrom          = 201
)

// onSample lets the engine at its default threshold watch organisations with thefts.
func onSample(ctx context.Context, workers int, seeds []uint64) (*entry, error) {
	alone := product(engine.DefaultThreshold)
	alone.explained = false
	entries, err := contestOn(ctx, workers, seeds, []contestant{alone})
	if err != nil {
		return nil, err
	}
	return &entries[0], nil
}

// bySampledKind tells of each kind how sure its recall is.
func (m *measurement) bySampledKind(b *bytes.Buffer) {
	e := m.sample
	if e == nil {
		return
	}
	set := e.At(e.threshold)
	first, last := e.Curves[0].Trial.Name, e.Curves[len(e.Curves)-1].Trial.Name
	_, thefts := set.Count(score.All)
	fmt.Fprintf(b, `## Kinds of theft, with more organisations

The product alone, as set, at %g, on %d further organisations (seeds %s to %s, which nothing was tuned on) with %d thefts. *Interval* is Wilson's: with 95 %% confidence,
the recall of the kind is in it. There were %s false alarms a week by port and %s by region.

| kind | thefts | found | recall | interval | median delay | lost |
|---|---|---|---|---|---|---|
`, e.threshold, len(e.Curves), strings.TrimPrefix(first, "seed "), strings.TrimPrefix(last, "seed "), thefts,
		withSpread(set.FalseAlarmsOf(0), number), withSpread(set.FalseAlarmsOf(1), number))
	row := func(name string, pick score.Filter) {
		found, of := set.Count(pick)
		low, high := score.Wilson(found, of)
		fmt.Fprintf(b, "| %s | %d | %d | %s | %s–%s | %s | %s |\n", name, of, found, share(float64(found)/float64(of)), share(low), share(high),
			delay(&set, pick), lost(&set, pick))
	}
	for _, kind := range kinds(&set) {
		row(strings.ReplaceAll(kind, "_", " "), score.Kind(kind))
	}
	row("all", score.All)
	b.WriteString("\n")
}
