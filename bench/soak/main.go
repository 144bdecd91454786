// Command soak plays a year of an organisation's traffic through the engine, with the default rules and a storage, as fast as
// it goes, and says each month of it how much memory it takes. Keys are full nearly from the start: hosts come
// and go, and gateways and scans meet new ports and regions all the time, so that whoever comes takes
// another's place. It fails where memory still grows after the first month, a checkpoint fails, what is kept cannot be
// loaded again, or thefts are missed.
//
//	go run ./bench/soak
//	go run ./bench/soak -days 60 -entities 10000 -hosts 500 -records 6000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	p := year()
	p.logger = warnings()
	days := flag.Int("days", int(p.length/day), "`days` of event time that are played")
	flag.IntVar(&p.entities, "entities", p.entities, "max_entities: of each key")
	flag.IntVar(&p.hosts, "hosts", p.hosts, "hosts that the organisation has at a time")
	flag.IntVar(&p.records, "records", p.records, "records of a window, on average of a working day")
	flag.Uint64Var(&p.seed, "seed", p.seed, "what the traffic is drawn from")
	flag.StringVar(&p.directory, "storage", "", "`directory` that checkpoints go to; by default one that is removed in the end")
	flag.Parse()
	p.length = time.Duration(*days) * day
	_, err := run(ctx, p, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// warnings is a logger that writes what should not happen to the standard error.
func warnings() *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), zap.WarnLevel))
}

// plan says what is played.
type plan struct {
	length    time.Duration // event time
	month     time.Duration // event time from one line of the report to the next
	entities  int           // max_entities
	hosts     int           // at a time
	habits    int           // of a host: destinations that it has
	records   int           // of a window, on average of a working day
	seed      uint64
	directory string      // of the storage; "": a temporary one
	logger    *zap.Logger // of the engine
}

const day = 24 * time.Hour

// year is what is played by default. Five thousand hosts with twenty habits each fill max_entities alone.
func year() plan {
	return plan{
		length: 365 * day, month: 30 * day, entities: 100_000,
		hosts: 5000, habits: 20, records: 16_000, seed: 1, logger: zap.NewNop(),
	}
}

// run plays a plan, writes the report and returns it. The error says, too, what is wrong with it.
func run(ctx context.Context, p plan, out io.Writer) (r *report, err error) {
	if p.directory == "" {
		if p.directory, err = os.MkdirTemp("", "soak"); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(p.directory)) }()
	}
	s, err := newSoak(p)
	if err != nil {
		return nil, err
	}
	r = newReport(out, p)
	if err := s.play(ctx, r.month); err != nil {
		return r, err
	}
	again, err := s.loadAgain(ctx)
	if err != nil {
		return r, err
	}
	r.loaded(again)
	return r, r.verdict()
}
