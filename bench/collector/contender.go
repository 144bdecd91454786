package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/otel-exfil/exfil/bench/load"
)

// contender is a collector, who sends to it, and what came of that in a round.
type contender struct {
	process *process
	sender  *sender
	learned int64 // records that were sent before it was measured
	exfil   bool
	result
}

// enter starts a collector with these configurations and lets it learn.
func (m *measurement) enter(ctx context.Context, configs ...string) (*contender, error) {
	p, err := start(ctx, m.program, configs...)
	if err != nil {
		return nil, err
	}
	s, err := newSender(p.otlp, 2*m.cores)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	c := &contender{process: p, sender: s, exfil: len(configs) > 1}
	if err := m.teach(ctx, c); err != nil {
		return nil, errors.Join(err, c.leave())
	}
	return c, nil
}

// teach sends what is learned from, window by window, and makes the sender ready for what follows.
func (m *measurement) teach(ctx context.Context, c *contender) error {
	at := time.Now().Add(-ago).Truncate(window)
	for w := range m.learned {
		for _, b := range m.learning[w%len(m.learning)] {
			b.moveTo(at)
			if err := export(ctx, c.sender.agents[0], b); err != nil {
				return err
			}
			c.learned += int64(len(b.times))
		}
		at = at.Add(window)
	}
	c.sender.setOff(m.batches, at, window/perWindow)
	return nil
}

// saturate sends as fast as the collector takes it.
func (c *contender) saturate(ctx context.Context, d time.Duration) error {
	return c.saturated.add(c, func() (int64, error) { return c.sender.saturate(ctx, d) })
}

// pace sends so many batches, one each interval.
func (c *contender) pace(ctx context.Context, batches int, interval time.Duration) error {
	return c.paced.add(c, func() (int64, error) {
		took, err := c.sender.pace(ctx, batches, interval)
		c.latencies = append(c.latencies, took...)
		return int64(len(took)) * load.BatchRecords, err
	})
}

// add adds what a collector does while records are sent to it.
func (w *work) add(c *contender, send func() (records int64, err error)) error {
	before, err := c.process.usage()
	if err != nil {
		return err
	}
	began := time.Now()
	records, err := send()
	if err != nil {
		return err
	}
	w.elapsed += time.Since(began)
	after, err := c.process.usage()
	if err != nil {
		return err
	}
	w.processor += after.processor - before.processor
	w.records += records
	return nil
}

// look notes, when all is sent, what the collector has of it, and fails where that is not all.
func (c *contender) look(ctx context.Context) (err error) {
	if c.memory, err = c.process.usage(); err != nil {
		return err
	}
	if c.counts, err = scrape(ctx, c.process.scrape); err != nil {
		return err
	}
	sent := c.learned + c.saturated.records + c.paced.records
	if c.counts.received != sent {
		return fmt.Errorf("%d records were sent and the collector received %d", sent, c.counts.received)
	}
	if c.exfil && (c.counts.read != sent || c.counts.future > 0) {
		return fmt.Errorf("%d records were sent, and exfil read %d and found %d to be of the future", sent, c.counts.read, c.counts.future)
	}
	return nil
}

// leave ends the collector.
func (c *contender) leave() error {
	return errors.Join(c.sender.close(), c.process.end())
}
