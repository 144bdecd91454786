// Command collector measures what exfil costs a whole collector: OTLP in, exfil, nothing out, beside a second one that is the
// same without exfil. Both run at a time and are sent the same records in turn; the table that it writes says how much
// processor time a record takes, how long a batch waits for its answer, and how much memory there is of each.
//
//	make bench-collector
//	go run ./bench/collector -rounds 2 -duration 5s
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := usual()
	var out string
	flag.StringVar(&p.program, "collector", p.program, "`path` of a collector with an OTLP receiver, exfil and the nop exporter")
	flag.IntVar(&p.rounds, "rounds", p.rounds, "how often two collectors are started and measured")
	flag.DurationVar(&p.duration, "duration", p.duration, "`time` for which each is measured in a round, a third of it at saturation")
	flag.IntVar(&p.rate, "rate", p.rate, "batches of 1,000 records a second when latency is measured")
	flag.StringVar(&out, "out", "", "`file` that the table goes to; by default the standard output")
	flag.Parse()
	err := run(ctx, p, out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "collector:", err)
		os.Exit(1)
	}
}

// plan says how is measured.
type plan struct {
	program  string
	rounds   int
	duration time.Duration // for which each collector is measured in a round
	rate     int           // batches a second when latency is measured
	learned  int           // windows that exfil learns before
	log      io.Writer     // of how far it is
}

// usual is what is measured by default, in less than five minutes.
func usual() plan {
	return plan{
		program: ".build/collector/otelcol-exfil-minimal", rounds: 6, duration: 20 * time.Second, rate: 50,
		learned: warmUp + 8, log: os.Stderr,
	}
}

// run measures, and writes the table when all is well.
func run(ctx context.Context, p plan, out string) error {
	if p.rounds < 1 || p.rate < 1 || p.duration < time.Second {
		return fmt.Errorf("rounds: %d, rate: %d, duration: %s: at least one round, one batch a second and a second are needed", p.rounds, p.rate, p.duration)
	}
	m, err := measure(ctx, p)
	if err != nil {
		return err
	}
	text := m.table()
	if out == "" {
		_, err = io.WriteString(os.Stdout, text)
		return err
	}
	return os.WriteFile(out, []byte(text), 0o644)
}
