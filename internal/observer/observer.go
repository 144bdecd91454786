// Package observer conducts the way of the data from log records and metrics to alerts: decode, scope,
// exceptions, place, running totals, streams of counters, detector, gate, alert. The processor and the
// connector share it. It starts no pipeline and owns no timer: its callers say when a batch
// was delivered and when time has passed.
package observer

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo"
	"github.com/otel-exfil/exfil/internal/rule"
	"github.com/otel-exfil/exfil/internal/stream"
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
	logger *zap.Logger
	now    func() time.Time
	config *config.Config
	rules  []rule.Rule

	// cut is held for reading by whatever changes what the observer knows, for the time of a batch, and for
	// writing by whoever needs it to stand still, for a moment.
	cut sync.RWMutex

	decoder  *decode.Decoder
	scope    *flow.Scope
	places   geo.Options
	locator  *geo.Locator // set by Start
	detector *detector.Detector
	judge    *judge
	pending  pending
	readings readings
	counts   counters
	batches  sync.Pool // *Batch

	watched    flow.RuleSet // all rules at work
	admission  sync.Mutex   // guards what exceptions count, totals and streams
	exceptions *rule.Exceptions
	reviewAt   time.Time // when exceptions are to be looked at next
	totals     *totals
	streams    *stream.Streams

	checking sync.Mutex // guards health
	health   health
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
	all, err := cfg.AllRules()
	if err != nil {
		return nil, err
	}
	decoder, err := decode.New(cfg.DecodeInputs())
	if err != nil {
		return nil, err
	}
	o := &Observer{
		logger:  s.Logger,
		now:     s.Now,
		decoder: decoder,
		scope:   flow.NewScope(cfg.Networks.Prefixes()),
		counts:  newCounters(),
		places: geo.Options{
			Database:       cfg.Geo.Database,
			ASNDatabase:    cfg.Geo.ASNDatabase,
			ReloadInterval: cfg.Geo.ReloadInterval,
			Logger:         s.Logger,
		},
	}
	o.batches.New = func() any { return newBatch() }
	if err := o.equip(cfg, cfg.Enabled(all)); err != nil {
		return nil, err
	}
	if err := o.equipExceptions(cfg, all); err != nil {
		return nil, err
	}
	o.readings.version = s.BuildVersion
	o.pending.writer, err = alert.NewWriter(o.rules, alert.Options{
		Schema: cfg.Alerts.Schema, Version: s.BuildVersion, ASN: o.asn, SeverityByScore: cfg.Alerts.SeverityByScore,
	})
	if err != nil {
		return nil, err
	}
	memory := footprint(Detection(cfg, o.rules).Watches)
	s.Logger.Info("Memory that what is learned may take at most, all limits being reached",
		zap.String("total", bytesize.Size(memory.Total()).Human()), zap.Int64("bytes", memory.Total()))
	o.reviewExceptions(s.Now())
	return o, nil
}

// KeepReadings makes the observer keep, of each window that closes, gauges of the top entities of each
// rule by bytes. Call it before Start.
func (o *Observer) KeepReadings(top int) {
	o.readings.top = top
	o.detector.KeepReadings(top)
}

// DiscardAlerts makes the observer keep no alerts to be delivered: there is nowhere to deliver them to. They
// are counted and logged as ever. Call it before Start.
func (o *Observer) DiscardAlerts() { o.pending.discards = true }

// Start opens the databases and the files of networks and, if they are to be reloaded, watches them until Close.
func (o *Observer) Start(context.Context) error {
	locator, err := geo.Open(o.places)
	if err != nil {
		return err
	}
	if err := o.exceptions.Open(o.places.ReloadInterval); err != nil {
		return fmt.Errorf("exceptions: %w; give the path of a text file with one network a line that the collector may read", err)
	}
	o.locator = locator
	locator.Start()
	return nil
}

// Close ends what Start began. It may be called without Start, and again.
func (o *Observer) Close() error {
	o.exceptions.Close()
	if o.locator == nil {
		return nil
	}
	return o.locator.Close()
}

func (o *Observer) asn(addr netip.Addr) (uint32, string, bool) {
	if o.locator == nil {
		return 0, "", false
	}
	return o.locator.ASN(addr)
}

// Commit counts a batch that the next consumer has accepted, and queues the alerts that it
// brings. The batch is the observer's again.
func (o *Observer) Commit(b *Batch) {
	o.cut.RLock()
	defer o.cut.RUnlock()
	now := o.now()
	if b.runningTotals || len(b.counted) > 0 || len(b.heard) > 0 || len(b.excepted) > 0 {
		o.admit(b, now)
	}
	o.counts.add(b)
	b.findings = o.detector.Observe(b.flows, now, b.findings[:0])
	o.decide(b.findings, now)
	o.readings.take(o.detector)
	o.release(b)
}

// Discard forgets a batch that the next consumer has refused: it will come again. The batch is
// the observer's again.
func (o *Observer) Discard(b *Batch) {
	o.counts.refused.Add(b.read)
	o.release(b)
}

func (o *Observer) release(b *Batch) {
	if cap(b.flows) > maxKeptFlows || cap(b.records) > maxKeptFlows || cap(b.counted) > maxKeptFlows || cap(b.heard) > maxKeptFlows {
		return
	}
	b.reset()
	o.batches.Put(b)
}

// admit turns running totals and counters into increments and takes out what is excepted. All remember
// what they have counted, which is why they wait for the delivery.
func (o *Observer) admit(b *Batch, now time.Time) {
	o.admission.Lock()
	defer o.admission.Unlock()
	o.totals.age(now)
	o.openStreams(b, now)
	kept, left, excepted := b.flows[:0], b.counted, b.excepted
	for i := range b.flows {
		f := &b.flows[i]
		var own []excepting
		own, excepted = exceptionsOf(i, excepted)
		if len(left) > 0 && left[0].flow == i {
			c := &left[0]
			left = left[1:]
			if !o.increment(b, c, now) {
				continue
			}
		}
		if f.Total != 0 {
			if f.Bytes = o.totals.advance(f); f.Bytes == 0 {
				b.repeated++
				continue
			}
		}
		if len(own) > 0 && o.except(own, f, now) {
			b.exempted++
			continue
		}
		kept = append(kept, *f)
	}
	b.flows = kept
}

// decide queues the alerts that findings make, behind the news that the warm-up is over.
func (o *Observer) decide(findings []detector.Finding, now time.Time) {
	if len(findings) == 0 {
		return
	}
	o.checkHealth(now)
	o.judge.findings(findings, now)
}

// Tick lets time pass: it closes windows that no traffic closes, reports what was held back in
// an interval that has ended, and tells of changes in the detection's own health. Call it
// about once a second.
func (o *Observer) Tick() {
	o.cut.RLock()
	defer o.cut.RUnlock()
	now := o.now()
	o.decide(o.detector.Tick(now, nil), now)
	o.readings.take(o.detector)
	o.reviewExceptions(now)
	if at := o.checkHealth(now); !at.IsZero() {
		o.judge.pass(at, now)
	}
}

// checkHealth queues what is new about the detection's health, and returns how far event time is.
func (o *Observer) checkHealth(now time.Time) (eventTime time.Time) {
	o.checking.Lock()
	defer o.checking.Unlock()
	stats := o.detector.Stats()
	changes := append(o.health.warmUp(&stats), o.health.databases(o.Databases(), now)...)
	for _, change := range changes {
		o.pending.push(change, now)
		o.logger.Info("Detection health", zap.String("status", string(change.Status)),
			zap.String("subject", change.Subject), zap.Time("at", change.Time), zap.String("detail", change.Detail))
	}
	return o.health.eventTime(stats.Newest, now)
}

// Pending returns the number of alerts that wait to be delivered.
func (o *Observer) Pending() int64 { return o.pending.waiting.Load() }

// Alerts returns the alerts that wait to be delivered, oldest first, as a batch of the caller's own,
// and their number. They stay until Delivered takes them off.
func (o *Observer) Alerts() (plog.Logs, int) { return o.pending.logs() }

// Delivered takes off the n oldest alerts, which a consumer has accepted.
func (o *Observer) Delivered(n int) { o.pending.remove(n) }

// PendingWindows returns the number of closed windows whose gauges wait to be delivered.
func (o *Observer) PendingWindows() int64 { return o.readings.waiting.Load() }

// Gauges returns the gauges of the closed windows that wait to be delivered, oldest first, as a batch of
// the caller's own, and the mark by which DeliveredGauges takes these windows off.
func (o *Observer) Gauges() (md pmetric.Metrics, mark int64) { return o.readings.metrics() }

// DeliveredGauges takes off the windows up to a mark of Gauges, which a consumer has accepted.
func (o *Observer) DeliveredGauges(mark int64) { o.readings.remove(mark) }

// Stats reports counts so far.
func (o *Observer) Stats() Stats {
	o.cut.RLock()
	defer o.cut.RUnlock()
	byRule, suppressed := o.judge.stats()
	watched := o.detector.Stats()
	entities := make(map[string]int64, len(watched.Entities))
	for rule, n := range watched.Entities {
		entities[rule] = int64(n)
	}
	o.admission.Lock()
	series, streams := o.totals.size(), o.streams.Stats()
	o.admission.Unlock()
	return Stats{
		Records:       o.counts.records(),
		Refused:       o.counts.refused.Load(),
		Flows:         o.counts.flows(),
		Bytes:         o.counts.bytes.Load(),
		Detector:      watched,
		Entities:      entities,
		RunningTotals: int64(series),
		Streams:       streams,
		Alerts:        byRule,
		Suppressed:    suppressed,
		Pending:       o.pending.waiting.Load(),
		Dropped:       o.pending.dropped.Load(),
		LostWindows:   o.readings.lost.Load(),

		NetworkFileFailures: o.exceptions.ReadFailures(),
	}
}

// Databases lists the databases in service; none before Start.
func (o *Observer) Databases() []geo.Source {
	if o.locator == nil {
		return nil
	}
	return o.locator.Sources()
}
