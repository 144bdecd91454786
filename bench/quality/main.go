// Command quality compares the product with what else people use to notice that too much leaves, on generated
// traffic of which it is known what was stolen, and writes bench/RESULTS.md and the charts beside it. The
// same source gives the same files, to the digit.
//
//	go run ./bench/quality
//	go run ./bench/quality -background series.csv.gz
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	o := options{log: os.Stderr}
	flag.StringVar(&o.dir, "out", "bench", "`directory` that the results go to")
	flag.IntVar(&o.seeds, "seeds", 5, "held-out organisations to compare on")
	flag.IntVar(&o.sample, "sample", sampleOrganisations, "further organisations that the product alone is played on")
	flag.IntVar(&o.runs, "runs", sustainedRuns, "thefts of each size that go on for days in a real series")
	flag.IntVar(&o.workers, "workers", 2, "organisations that are played at the same time")
	flag.StringVar(&o.background, "background", "", "CSV `file` of a real series to hide thefts in; writes BACKGROUND.md instead")
	flag.Parse()
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quality:", err)
		os.Exit(1)
	}
}

type options struct {
	dir     string
	seeds   int
	sample  int // further organisations that the product alone is played on; 0: none
	runs    int // thefts that go on for days in a real series, of each size; 0: none
	workers int
	// background, if not "", is a file of bytes by time and key that is played instead of organisations.
	background string
	log        io.Writer // of how far it is
}

// run measures and writes.
func run(ctx context.Context, o options) error {
	began := time.Now()
	step := func(what string) {
		fmt.Fprintf(o.log, "%6.0f s  %s\n", time.Since(began).Seconds(), what)
	}
	if o.background != "" {
		return runBackground(ctx, o, step)
	}
	m, err := measure(ctx, o, step)
	if err != nil {
		return err
	}
	if err := m.write(o.dir); err != nil {
		return err
	}
	step("written to " + o.dir)
	return nil
}
