package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/config"
)

const (
	// backgroundThefts are hidden in a real series, one seed after the other, this share of them under keys that
	// the series does not have.
	backgroundThefts  = 12
	backgroundNewKeys = 0.25
	// backgroundPast is what real series are long enough for: methods learn for five days.
	backgroundPast = 5 * day
)

// runBackground hides thefts in a real series and writes what the product and its peers make of them. The
// series does not belong to the repository, and so its results have a file of their own.
func runBackground(ctx context.Context, o options, step func(string)) error {
	series, err := traffic.ReadSeries(o.background)
	if err != nil {
		return err
	}
	var plans []named
	for _, seed := range heldOut(o.seeds) {
		b, err := traffic.Inject(series, traffic.Injection{Thefts: backgroundThefts, NewKeys: backgroundNewKeys, Seed: seed})
		if err != nil {
			return err
		}
		plans = append(plans, named{fmt.Sprintf("seed %d", seed), played{
			flows: b.Flows(), start: series.Start(), end: series.End(), thefts: b.Thefts, warmUp: backgroundPast,
		}})
	}
	step(fmt.Sprintf("contest on %d keys", len(series.Keys)))
	everybody := everyone(engine.Thresholds())
	everybody[0].new = func() (score.Method, error) {
		cfg := config.Default()
		cfg.WarmUp = backgroundPast
		return engine.New(productName, cfg, engine.Thresholds()...)
	}
	entries, err := contest(ctx, o.workers, plans, everybody)
	if err != nil {
		return err
	}
	path := filepath.Join(o.dir, "BACKGROUND.md")
	if err := os.WriteFile(path, backgroundReport(entries, filepath.Base(o.background), &series, o.seeds), 0o644); err != nil {
		return err
	}
	step("written to " + path)
	return nil
}

func backgroundReport(entries []entry, file string, series *traffic.Series, seeds int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# On a real background

Made by `+"`make quality BACKGROUND=%s`"+`. The series is not part of this repository. It has %d keys in steps of %s over %.1f days; each
is played as a region. Hidden in it are %d thefts of an hour each, at 1×, 3× and 10× of a key's hourly p99 and to new keys, with each of %d
seeds. Methods learn for %d days (the product has a warm_up of as much, and is else as it comes); the peers are not judged before their own first week is over.

`, file, len(series.Keys), series.Step, series.End().Sub(series.Start()).Hours()/24, backgroundThefts, seeds, int(backgroundPast/day))
	m := &measurement{heldOut: entries}
	m.headline(&b)
	m.byKind(&b)
	return b.Bytes()
}
