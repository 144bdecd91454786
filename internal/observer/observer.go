// Package observer conducts the way of the data from log records and metrics to alerts: decode, scope,
// exceptions, place, running totals, streams of counters, detector, gate, alert. The processor and the
// connector share it. It starts no pipeline and owns no timer: its callers say when a batch
// was delivered and when time has passed.
package observer

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/backlog"
	"github.com/otel-exfil/exfil/internal/config"
)

// Settings are what an observer needs beside its configuration.
type Settings struct {
	Logger       *zap.Logger
	Now          func() time.Time // the clock; nil: time.Now
	BuildVersion string           // version of the collector or component, named in alerts
	// Background says that windows that take long to close are closed while batches go on. What they bring comes with a later batch
	// or tick, see Settle.
	Background bool
}

// Observer turns delivered logs into alerts. Its methods are safe for concurrent use once Start
// has returned.
type Observer struct {
	*shared

	// cut is held for reading by whatever changes what the observer knows, for the time of a batch, and for
	// writing by whoever needs it to stand still, for a moment.
	cut sync.RWMutex

	tenants *tenants
	counts  counters
	batches sync.Pool // *Batch
}

// New compiles a configuration that Validate has passed. It opens no file but those
// that rule_files names.
func New(cfg *config.Config, s Settings) (*Observer, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Logger == nil {
		s.Logger = zap.NewNop()
	}
	common, err := newShared(cfg, s)
	if err != nil {
		return nil, err
	}
	o := &Observer{shared: common, counts: newCounters()}
	o.batches.New = func() any { return newBatch() }
	if o.tenants, err = newTenants(common); err != nil {
		return nil, err
	}
	o.logMemory()
	o.tenants.rest.reviewExceptions(s.Now())
	return o, nil
}

// KeepReadings makes the observer keep, of each window that closes, gauges of the top entities of each
// rule by bytes. Call it before Start.
func (o *Observer) KeepReadings(top int) {
	o.top = top
	for _, t := range o.tenants.list() {
		t.detector.KeepReadings(top)
	}
}

// DiscardAlerts makes the observer keep no alerts to be delivered: there is nowhere to deliver them to. They
// are counted and logged as ever. Call it before Start.
func (o *Observer) DiscardAlerts() {
	o.discards = true
	for _, t := range o.tenants.list() {
		t.pending.discards = true
	}
}

// Start opens the databases and the files of networks and, if they are to be reloaded, watches them until Close.
func (o *Observer) Start(context.Context) error { return o.open() }

// Close ends what Start began. It may be called without Start, and again.
func (o *Observer) Close() error { return o.close() }

// Commit counts a batch that the next consumer has accepted, and queues the alerts that it brings. Its
// context is the delivery's, which names the tenant where clients do. The batch is the observer's again.
func (o *Observer) Commit(ctx context.Context, b *Batch) {
	o.cut.RLock()
	defer o.cut.RUnlock()
	now := o.now()
	for _, p := range b.parts[:b.used] {
		if o.partition.apart() && p.empty() {
			continue // it is no reason to make room for somebody
		}
		t := o.tenantOf(ctx, p)
		t.commit(b, p, now)
		if t == o.tenants.over {
			o.tenants.countOver(len(p.flows))
		}
	}
	o.counts.add(b)
	o.release(b)
}

// tenantOf returns whose a part is, which gets its place now if it has none.
func (o *Observer) tenantOf(ctx context.Context, p *part) *tenant {
	switch {
	case o.partition.metadata != "":
		return o.tenants.admit(o.partition.ofClient(ctx))
	case p.tenant == nil:
		return o.tenants.admit(p.name)
	}
	return p.tenant
}

// Discard forgets a batch that the next consumer has refused: it will come again. The batch is
// the observer's again.
func (o *Observer) Discard(b *Batch) {
	o.counts.refused.Add(b.read)
	o.release(b)
}

func (o *Observer) release(b *Batch) {
	if b.size() > maxKeptFlows {
		return
	}
	b.reset()
	o.batches.Put(b)
}

// Tick lets time pass: it closes windows that no traffic closes, reports what was held back in
// an interval that has ended, and tells of changes in the detection's own health. Call it
// about once a second.
func (o *Observer) Tick() {
	o.cut.RLock()
	defer o.cut.RUnlock()
	now := o.now()
	for _, t := range o.tenants.list() {
		t.tick(now)
	}
}

// Settle waits until all that was committed has been observed, and queues the alerts that it brings. Where nothing is done
// in the background there is nothing to wait for.
func (o *Observer) Settle() {
	for _, d := range o.detectors() {
		d.Settle()
	}
	o.cut.RLock()
	defer o.cut.RUnlock()
	o.collect()
}

func (o *Observer) detectors() []*backlog.Detector {
	o.cut.RLock()
	defer o.cut.RUnlock()
	var all []*backlog.Detector
	for _, t := range o.tenants.list() {
		all = append(all, t.detector)
	}
	return all
}

// collect queues the alerts that were found in the background; o.cut is held.
func (o *Observer) collect() {
	now := o.now()
	for _, t := range o.tenants.list() {
		t.collect(now)
	}
}

// hold makes everything stand still once all that was committed has been observed, until o.cut is unlocked. It waits for that before
// it holds the path up, unless windows keep closing meanwhile.
func (o *Observer) hold() {
	const tries = 8
	for range tries {
		o.Settle()
		o.cut.Lock()
		if o.settled() {
			return
		}
		o.cut.Unlock()
	}
	o.cut.Lock()
	o.settle()
}

func (o *Observer) settled() bool {
	for _, t := range o.tenants.list() {
		if !t.detector.Settled() {
			return false
		}
	}
	return true
}

// settle does as Settle; o.cut is held for writing.
func (o *Observer) settle() {
	for _, t := range o.tenants.list() {
		t.detector.Settle()
	}
	o.collect()
}

// Stats reports counts so far, of all tenants together.
func (o *Observer) Stats() Stats {
	o.cut.RLock()
	defer o.cut.RUnlock()
	s := Stats{
		Records: o.counts.records(),
		Refused: o.counts.refused.Load(),
		Flows:   o.counts.flows(),
		Bytes:   o.counts.bytes.Load(),

		Tenants:         int64(o.tenants.count()),
		OverflowTenants: o.tenants.overflowed.Load(),

		NetworkFileFailures: o.matcher.ReadFailures() + o.calendar.ReadFailures(),
	}
	for i, t := range o.tenants.list() {
		t.addTo(&s, i == 0)
	}
	return s
}
