package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/config"
)

const (
	// backgroundThefts are hidden in a real series, one seed after the other, this share of them under keys that
	// the series does not have. Where there are few keys and days, they are fewer: one in so many days and key.
	backgroundThefts  = 12
	backgroundNewKeys = 0.25
	backgroundApart   = 2 * day
	// backgroundPast is what real series are long enough for: methods learn for five days.
	backgroundPast = 5 * day
)

// background is what was measured on a real series.
type background struct {
	file      string
	series    traffic.Series
	seeds     int
	thefts    int // with each seed
	entries   []entry
	sustained []sustained
	own       map[float64][]score.Alarm // by threshold
}

// runBackground hides thefts in a real series and writes what the product and its peers make of them. The
// series does not belong to the repository, and so its results have a file of their own.
func runBackground(ctx context.Context, o options, step func(string)) error {
	m, err := measureBackground(ctx, o, step)
	if err != nil {
		return err
	}
	path := filepath.Join(o.dir, "BACKGROUND.md")
	if err := os.WriteFile(path, m.report(), 0o644); err != nil {
		return err
	}
	step("written to " + path)
	return nil
}

func measureBackground(ctx context.Context, o options, step func(string)) (*background, error) {
	series, err := traffic.ReadSeries(o.background)
	if err != nil {
		return nil, err
	}
	m := &background{file: filepath.Base(o.background), series: series, seeds: o.seeds, thefts: theftsInto(&series), own: map[float64][]score.Alarm{}}
	var plans []named
	for _, seed := range heldOut(o.seeds) {
		b, err := traffic.Inject(series, traffic.Injection{Thefts: m.thefts, NewKeys: backgroundNewKeys, Seed: seed})
		if err != nil {
			return nil, err
		}
		plans = append(plans, named{fmt.Sprintf("seed %d", seed), onBackground(&series, b)})
	}
	step(fmt.Sprintf("contest on %d keys", len(series.Keys)))
	if m.entries, err = contest(ctx, o.workers, plans, everyoneOnBackground(engine.Thresholds())); err != nil {
		return nil, err
	}
	step("thefts that go on")
	everybody := everyoneOnBackground(sustainedThresholds())
	alone, err := watchAlone(ctx, &series, everybody)
	if err != nil {
		return nil, err
	}
	from := series.Start().Add(backgroundPast).UnixNano()
	for _, threshold := range ownThresholds() {
		m.own[threshold] = slices.DeleteFunc(slices.Clone(alone[0].Alarms(threshold)), func(a score.Alarm) bool { return a.Time < from })
	}
	m.sustained, err = onSustained(ctx, o.workers, o.runs, &series, everybody, alone)
	return m, err
}

// everyoneOnBackground is everyone, the product with a warm-up as short as the history.
func everyoneOnBackground(thresholds []float64) []contestant {
	all := everyone(thresholds)
	all[0].new = func() (score.Method, error) {
		cfg := config.Default()
		cfg.WarmUp = backgroundPast
		return engine.New(productName, cfg, thresholds...)
	}
	return all
}

// ownThresholds are those at which the alarms about the series itself are listed.
func ownThresholds() []float64 { return []float64{engine.DefaultThreshold, 45} }

// theftsInto is how many thefts of an hour there is room for in a series.
func theftsInto(s *traffic.Series) int {
	days := s.End().Sub(s.Start()) - backgroundPast
	return min(backgroundThefts, max(1, len(s.Keys)*int(days/backgroundApart)))
}

// onBackground is a series with thefts in it, as methods watch it.
func onBackground(s *traffic.Series, b traffic.Background) played {
	return played{flows: b.Flows(), start: s.Start(), end: s.End(), thefts: b.Thefts, warmUp: backgroundPast}
}

func (m *background) report() []byte {
	var b bytes.Buffer
	s := &m.series
	fmt.Fprintf(&b, `# On a real background

Made by `+"`make quality BACKGROUND=%s`"+`. The series is not part of this repository. Its keys: %d, in steps of %s over %.1f days; each
is played as a region. Hidden in it are %d thefts of an hour each, at 1×, 3× and 10× of a key's hourly p99 and to new keys, with each of %d
seeds. Methods learn for %d days (the product has a warm_up of as much, and is else as it comes); the peers are not judged before their own first week is over.

`, m.file, len(s.Keys), s.Step, s.End().Sub(s.Start()).Hours()/24, m.thefts, m.seeds, int(backgroundPast/day))
	contest := &measurement{heldOut: m.entries}
	contest.headline(&b)
	contest.byKind(&b)
	sustainedReport(&b, s, m.sustained)
	b.WriteString("## Alarms about the series itself\n\n")
	for _, threshold := range ownThresholds() {
		ownAlarmsReport(&b, threshold, m.own[threshold])
	}
	return b.Bytes()
}
