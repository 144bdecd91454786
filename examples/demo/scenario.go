package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/bench/traffic"
)

// The four weeks of the demo lie in the past: a flow from the future would be refused.
var firstDay = time.Date(2025, time.January, 6, 0, 0, 0, 0, time.UTC) // a Monday

const (
	days = 28
	// seed is any number; another one plays another office of the same kind. The default
	// alert_budget lets a benign surprise through now and then: in this office there is none.
	seed = 22
)

// sought is an alert that a theft ought to raise.
type sought struct {
	theft  traffic.Theft
	rule   string // id of the rule
	entity string // value that is unusual
}

// Within this time of its first byte a theft must be noticed: a window of the rules.
const window = 3 * time.Hour

// scenario returns the office and what must be noticed of what is stolen there, both in
// the last days.
func scenario() (traffic.Plan, []sought) {
	at := func(day int, clock time.Duration) time.Time { return firstDay.AddDate(0, 0, day-1).Add(clock) }
	toUnusedPort := sought{
		theft: traffic.Theft{
			Name: "to an unused port", Start: at(25, 20*time.Hour+10*time.Minute), Duration: 100 * time.Minute,
			Bytes: 600_000_000, Host: "ws-07", Process: "ncat", Port: 4444, Region: "Virginia", Shape: traffic.Steady,
		},
		rule: "unusual_destination_port", entity: "4444",
	}
	toNewRegion := sought{
		theft: traffic.Theft{
			Name: "to a new region", Start: at(27, 3*time.Hour+20*time.Minute), Duration: 50 * time.Minute,
			Bytes: 300_000_000, Host: "dev-03", Process: "curl", Port: 443, Region: "Tashkent", Shape: traffic.Steady,
		},
		rule: "unusual_region", entity: "Tashkent",
	}
	plan := traffic.SmallOffice(seed, firstDay, days)
	plan.Thefts = []traffic.Theft{toUnusedPort.theft, toNewRegion.theft}
	return plan, []sought{toUnusedPort, toNewRegion}
}

const writeBuffer = 1 << 20

// writeFlows writes the plan's flows as an agent on each host would, a JSON document a
// line in the Elastic Common Schema, and returns how many.
func writeFlows(ctx context.Context, plan traffic.Plan, path string, p *progress) (written int, err error) {
	flows, err := plan.Flows()
	if err != nil {
		return 0, err
	}
	file, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("write the flows: %w", err)
	}
	defer func() {
		if closing := file.Close(); err == nil && closing != nil {
			err = fmt.Errorf("write the flows: %w", closing)
		}
	}()
	w := bufio.NewWriterSize(file, writeBuffer)
	span := plan.End().Sub(plan.Start)
	for l := range flows {
		line, err := encode.Line("ecs", l.Record)
		if err != nil {
			return written, fmt.Errorf("encode flow %d: %w", written+1, err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return written, fmt.Errorf("write the flows: %w", err)
		}
		if written++; written%reportEvery == 0 {
			if err := ctx.Err(); err != nil {
				return written, err
			}
			done := float64(l.Time-plan.Start.UnixNano()) / float64(span)
			p.show(done, "writing flows: %d", written)
		}
	}
	p.end("wrote %d flows to %s", written, path)
	if err := w.Flush(); err != nil {
		return written, fmt.Errorf("write the flows: %w", err)
	}
	return written, nil
}

// reportEvery so many flows the progress is shown and a cancelled context noticed.
const reportEvery = 5000
