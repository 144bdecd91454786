// Package observer conducts the way of the data from log records and metrics to alerts: decode, scope,
// exceptions, place, running totals, streams of counters, detector, gate, alert. The processor and the
// connector share it. It starts no pipeline and owns no timer: its callers say when a batch
// was delivered and when time has passed.
package observer

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/config"
)

// Settings are what an observer needs beside its configuration.
type Settings struct {
	Logger       *zap.Logger
	Now          func() time.Time // the clock; nil: time.Now
	BuildVersion string           // version of the collector or component, named in alerts
}

// Observer turns delivered logs into alerts. Its methods are safe for concurrent use once Start
// has returned.
type Observer struct {
	*shared

	// cut is held for reading by whatever changes what the observer knows, for the time of a batch, and for
	// writing by whoever needs it to stand still, for a moment.
	cut sync.RWMutex

	tenant  *tenant // all traffic is one tenant's
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
	if o.tenant, err = newTenant(common); err != nil {
		return nil, err
	}
	o.logMemory()
	o.tenant.reviewExceptions(s.Now())
	return o, nil
}

// KeepReadings makes the observer keep, of each window that closes, gauges of the top entities of each
// rule by bytes. Call it before Start.
func (o *Observer) KeepReadings(top int) {
	o.top = top
	o.tenant.detector.KeepReadings(top)
}

// DiscardAlerts makes the observer keep no alerts to be delivered: there is nowhere to deliver them to. They
// are counted and logged as ever. Call it before Start.
func (o *Observer) DiscardAlerts() {
	o.discards = true
	o.tenant.pending.discards = true
}

// Start opens the databases and the files of networks and, if they are to be reloaded, watches them until Close.
func (o *Observer) Start(context.Context) error { return o.open() }

// Close ends what Start began. It may be called without Start, and again.
func (o *Observer) Close() error { return o.close() }

// Commit counts a batch that the next consumer has accepted, and queues the alerts that it
// brings. The batch is the observer's again.
func (o *Observer) Commit(b *Batch) {
	o.cut.RLock()
	defer o.cut.RUnlock()
	now := o.now()
	o.tenant.commit(b, &b.part, now)
	o.counts.add(b)
	o.release(b)
}

// Discard forgets a batch that the next consumer has refused: it will come again. The batch is
// the observer's again.
func (o *Observer) Discard(b *Batch) {
	o.counts.refused.Add(b.read)
	o.release(b)
}

func (o *Observer) release(b *Batch) {
	if b.part.size() > maxKeptFlows || cap(b.records) > maxKeptFlows {
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
	o.tenant.tick(o.now())
}

// Pending returns the number of alerts that wait to be delivered.
func (o *Observer) Pending() int64 { return o.tenant.pending.waiting.Load() }

// Alerts returns the alerts that wait to be delivered, oldest first, as a batch of the caller's own,
// and their number. They stay until Delivered takes them off.
func (o *Observer) Alerts() (plog.Logs, int) { return o.tenant.pending.logs() }

// Delivered takes off the n oldest alerts, which a consumer has accepted.
func (o *Observer) Delivered(n int) { o.tenant.pending.remove(n) }

// PendingWindows returns the number of closed windows whose gauges wait to be delivered.
func (o *Observer) PendingWindows() int64 { return o.tenant.readings.waiting.Load() }

// Gauges returns the gauges of the closed windows that wait to be delivered, oldest first, as a batch of
// the caller's own, and the mark by which DeliveredGauges takes these windows off.
func (o *Observer) Gauges() (md pmetric.Metrics, mark int64) { return o.tenant.readings.metrics() }

// DeliveredGauges takes off the windows up to a mark of Gauges, which a consumer has accepted.
func (o *Observer) DeliveredGauges(mark int64) { o.tenant.readings.remove(mark) }

// Stats reports counts so far.
func (o *Observer) Stats() Stats {
	o.cut.RLock()
	defer o.cut.RUnlock()
	live, dryRun := o.tenant.judge.stats()
	watched := o.tenant.detector.Stats()
	entities := make(map[string]int64, len(watched.Entities))
	for rule, n := range watched.Entities {
		entities[rule] = int64(n)
	}
	o.tenant.admission.Lock()
	series, streams := o.tenant.totals.size(), o.tenant.streams.Stats()
	o.tenant.admission.Unlock()
	return Stats{
		Records:       o.counts.records(),
		Refused:       o.counts.refused.Load(),
		Flows:         o.counts.flows(),
		Bytes:         o.counts.bytes.Load(),
		Detector:      watched,
		Entities:      entities,
		RunningTotals: int64(series),
		Streams:       streams,
		Alerts:        live.alerts,
		Suppressed:    live.held,
		DryRun:        DryRun{Alerts: dryRun.alerts, Suppressed: dryRun.held},
		Pending:       o.tenant.pending.waiting.Load(),
		Dropped:       o.tenant.pending.dropped.Load(),
		LostWindows:   o.tenant.readings.lost.Load(),

		NetworkFileFailures: o.matcher.ReadFailures() + o.calendar.ReadFailures(),
	}
}
