// Command demo shows exfil at work: it writes four weeks of an office's flows with two
// thefts among them, lets a collector read them, and prints what the collector noticed.
// It fails if a theft went unnoticed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/otel-exfil/exfil/bench/traffic"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := demo(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// files names what the demo reads and writes.
type files struct {
	collector string // the program
	config    string // its configuration
	dir       string // for everything that is written
}

func (f files) flows() string  { return filepath.Join(f.dir, "flows.jsonl") }
func (f files) alerts() string { return filepath.Join(f.dir, "alerts.jsonl") }
func (f files) log() string    { return filepath.Join(f.dir, "collector.log") }

func parse(args []string, out io.Writer) (files, error) {
	var f files
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	set.SetOutput(out)
	set.StringVar(&f.collector, "collector", ".build/collector/otelcol-exfil-minimal", "the collector to run")
	set.StringVar(&f.config, "config", "examples/demo/collector.yaml", "its configuration")
	set.StringVar(&f.dir, "dir", "_demo", "where to write flows, alerts and the collector's log")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q; see -help", set.Arg(0))
	}
	return f, nil
}

// demo plays the whole demonstration and reports it to out.
func demo(ctx context.Context, args []string, out io.Writer) error {
	f, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	plan, all := scenario()
	return show(ctx, f, plan, all, out)
}

// show lets the collector read the plan's flows and reports what it found of all that is sought.
func show(ctx context.Context, f files, plan traffic.Plan, all []sought, out io.Writer) error {
	alerts, err := detect(ctx, f, plan, newProgress(out))
	if err != nil {
		return err
	}
	report(out, f, alerts, all)
	return missed(alerts, all)
}

// detect writes the plan's flows, runs the collector on them and returns its alerts.
func detect(ctx context.Context, f files, plan traffic.Plan, p *progress) ([]alert, error) {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the demo's directory: %w", err)
	}
	p.note("%d days of an office's flows, %s to %s:", plan.Days, plan.Start.Format(time.DateOnly), plan.End().Add(-1).Format(time.DateOnly))
	written, err := writeFlows(ctx, plan, f.flows(), p)
	if err != nil {
		return nil, err
	}
	if err := runCollector(ctx, f, written, p); err != nil {
		return nil, err
	}
	return readAlerts(f.alerts())
}
