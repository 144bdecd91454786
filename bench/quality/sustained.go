package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
)

// A sustained theft in a real series: so many times what a key usually moves in a step, on top of it, for so long. It is tried
// so often by default, the keys by turns, each time from another instant on. The best threshold is sought at so many false
// alarms a week and rule.
const (
	sustainedMultiple = 3
	sustainedLasts    = 72 * time.Hour
	sustainedRuns     = 20
	sustainedRate     = 5
)

// sustained is what became of the thefts of one size.
type sustained struct {
	usual   string // what is taken for usual
	least   int64  // bytes of a theft in three hours, of the key that moves least and of the one that moves most
	most    int64
	entries []entry // none where too few bytes are usual to take a multiple of
	// chance is what the entries would have been credited with had nothing been stolen: who often alarms also alarms in any 72 hours.
	chance []*score.Result
}

// yardsticks are what may be called usual of a key, bytes a step. Of a key that is idle most of the time, the median is next to nothing.
func yardsticks() []struct {
	name  string
	bytes func(s *traffic.Series, key string) int64
} {
	return []struct {
		name  string
		bytes func(s *traffic.Series, key string) int64
	}{
		{"median", func(s *traffic.Series, key string) int64 { median, _ := s.PerStep(key); return median }},
		{"mean", func(s *traffic.Series, key string) int64 { _, mean := s.PerStep(key); return int64(mean) }},
	}
}

// onSustained lets everybody watch so many sustained thefts of each size; none where the series is too short for one. alone are
// the contestants' methods, having watched the series with nothing hidden in it.
func onSustained(ctx context.Context, workers, runs int, series *traffic.Series, contestants []contestant, alone []score.Method) ([]sustained, error) {
	var all []sustained
	if runs == 0 || series.End().Sub(series.Start()) < backgroundPast+sustainedLasts {
		return nil, nil
	}
	for _, y := range yardsticks() {
		s := sustained{usual: y.name}
		var plans []named
		for i, seed := range heldOut(runs) {
			key := series.Keys[i%len(series.Keys)]
			perStep := sustainedMultiple * y.bytes(series, key)
			if perStep == 0 {
				continue
			}
			b, err := traffic.Sustain(*series, traffic.Sustained{
				Key: key, Kind: y.name, PerStep: perStep, Lasts: sustainedLasts, From: series.Start().Add(backgroundPast), Seed: seed,
			})
			if err != nil {
				return nil, err
			}
			inWindow := perStep * int64(window/series.Step)
			s.least, s.most = min(cmp.Or(s.least, inWindow), inWindow), max(s.most, inWindow)
			plans = append(plans, named{fmt.Sprintf("seed %d", seed), onBackground(series, b)})
		}
		if len(plans) > 0 {
			var err error
			if s.entries, err = contest(ctx, workers, plans, contestants); err != nil {
				return nil, err
			}
			s.chance = chances(s.entries, alone)
		}
		all = append(all, s)
	}
	return all, nil
}

// chances judges alarms about a series in which nothing is hidden as if the entries' thefts were.
func chances(entries []entry, alone []score.Method) []*score.Result {
	all := make([]*score.Result, len(entries))
	for i := range entries {
		var curves []score.Curve
		for _, c := range entries[i].Curves {
			curves = append(curves, score.Sweep(alone[i], c.Trial))
		}
		all[i] = score.NewResult(curves)
	}
	return all
}

// watchAlone lets the contestants' methods watch a series in which nothing is hidden.
func watchAlone(ctx context.Context, series *traffic.Series, contestants []contestant) ([]score.Method, error) {
	methods, err := newMethods(contestants)
	if err != nil {
		return nil, err
	}
	_, err = (&playing{name: "alone", traffic: onBackground(series, traffic.Background{Series: *series}), methods: methods}).run(ctx)
	return methods, err
}

// sustainedThresholds are those of a full comparison and two around the score that stands for sustainedRate.
func sustainedThresholds() []float64 {
	thresholds := append(engine.Thresholds(), 57.5, 50)
	slices.SortFunc(thresholds, func(a, b float64) int { return cmp.Compare(b, a) })
	return thresholds
}

// sustainedReport tells what became of sustained thefts.
func sustainedReport(b *bytes.Buffer, series *traffic.Series, all []sustained) {
	fmt.Fprintf(b, `## Thefts that go on for %d hours

On top of what a key moves, %d times its median step, or its mean step, for %d hours: one theft a run, the keys by turns, from a drawn instant on
after day %d. *As set* is at the threshold that the method comes with, or was tuned to; beside it the best threshold with at most %d
false alarms a week of each rule, over all runs. *By chance* is how many would have been found at the same threshold had nothing been stolen: some alarm
about the key falls into the theft's hours. What a method finds is what it finds beyond that.

`, int(sustainedLasts.Hours()), sustainedMultiple, int(sustainedLasts.Hours()), int(backgroundPast/day), sustainedRate)
	if len(all) == 0 {
		b.WriteString("None was tried: the series is too short for it, or no run was asked for.\n\n")
	}
	if len(series.Keys) == 1 {
		b.WriteString("The series has one key. That is not what the product is made for: it compares a key with others of its kind, and calibrates over all of them " +
			"what is unusual, and here are no others.\n\n")
	}
	for i := range all {
		all[i].table(b)
	}
}

func (s *sustained) table(b *bytes.Buffer) {
	fmt.Fprintf(b, "### %d× the %s\n\n", sustainedMultiple, s.usual)
	if len(s.entries) == 0 {
		fmt.Fprintf(b, "The %s is less than a byte.\n\n", s.usual)
		return
	}
	fmt.Fprintf(b, `In three hours, that is %s.

| method | as set: found | by chance | false alarms a week and rule | delay | at most %d a week and rule: found | by chance | delay |
|---|---|---|---|---|---|---|---|
`, s.sizes(), sustainedRate)
	for i := range s.entries {
		e := &s.entries[i]
		set, nothing := e.At(e.threshold), s.chance[i].At(e.threshold)
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |", e.title(), foundOf(&set), foundOf(&nothing), eachRule(&set), delay(&set, score.All))
		if best, ok := e.AtRate(sustainedRate, score.EachRule); ok {
			nothing = s.chance[i].At(best.Threshold)
			fmt.Fprintf(b, " %s | %s | %s |\n", foundOf(&best), foundOf(&nothing), delay(&best, score.All))
		} else {
			b.WriteString(" – | – | – |\n")
		}
	}
	fmt.Fprintf(b, "\n| %s at | found | by chance | false alarms a week and rule | delay |\n|---|---|---|---|---|\n", productName)
	for _, at := range s.entries[0].Settings() {
		nothing := s.chance[0].At(at.Threshold)
		fmt.Fprintf(b, "| %g | %s | %s | %s | %s |\n", at.Threshold, foundOf(&at), foundOf(&nothing), eachRule(&at), delay(&at, score.All))
	}
	b.WriteString("\n")
}

// sizes are the thefts' bytes in three hours.
func (s *sustained) sizes() string {
	least, most := size(float64(s.least)), size(float64(s.most))
	if least == most {
		return least
	}
	return least + " to " + most
}

func foundOf(s *score.Setting) string {
	found, of := s.Count(score.All)
	return fmt.Sprintf("%d of %d", found, of)
}

// eachRule is the mean of the rules' false alarms a week, with its spread over the runs.
func eachRule(s *score.Setting) string {
	both, rules := s.FalseAlarms(), float64(len(score.Rules()))
	return withSpread(score.Spread{Mean: both.Mean / rules, Min: both.Min / rules, Max: both.Max / rules}, number)
}

// ownAlarmsReport lists what the product said about the series itself.
func ownAlarmsReport(b *bytes.Buffer, threshold float64, alarms []score.Alarm) {
	fmt.Fprintf(b, "At %g, nothing being hidden in the series, the product raises %d alarms from day %d on.\n\n", threshold, len(alarms), int(backgroundPast/day))
	if len(alarms) == 0 {
		return
	}
	b.WriteString("| time of the series | rule | entity |\n|---|---|---|\n")
	for _, a := range alarms {
		fmt.Fprintf(b, "| %s | %v | %s |\n", time.Unix(0, a.Time).UTC().Format(time.DateTime), a.Field, a.Value)
	}
	b.WriteString("\n")
}
