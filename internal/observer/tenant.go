package observer

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/backlog"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
	"github.com/otel-exfil/exfil/internal/stream"
)

// tenant is all that is learned of somebody's traffic, and decided about it. No other tenant's traffic has a say in it. Its
// methods are safe for concurrent use.
type tenant struct {
	*shared
	identity *alert.Tenant // nil: tenants are not told apart

	detector *backlog.Detector
	judge    *judge
	pending  pending
	readings readings

	admission  sync.Mutex       // guards what exceptions and calendars count, totals and streams
	exceptions *rule.Exceptions // as the matcher's, with accounts of its own
	calendars  *rule.Exceptions // the same of calendars
	reviewAt   time.Time        // when exceptions are to be looked at next
	totals     *totals
	streams    *stream.Streams

	checking sync.Mutex // guards health
	health   health
}

// newTenant makes the tenant of a name, which has learned nothing.
func newTenant(s *shared, name string) (*tenant, error) {
	t := &tenant{shared: s, identity: s.partition.identity(name)}
	var err error
	if t.detector, err = backlog.New(s.detection(s.rules), s.brief); err != nil {
		return nil, fmt.Errorf("detector: %w", err)
	}
	t.exceptions, t.calendars = s.matcher.Fork(s.now()), s.calendar.Fork(s.now())
	t.totals = newTotals(maxSeries)
	t.streams = stream.New(streamOptions(s.config, s.now()))
	t.health = health{lasts: s.config.WarmUp}
	t.judge = newJudge(s.config, s.rules, &t.pending, s.now)
	t.pending.writer, t.pending.discards = s.writer.For(t.identity), s.discards
	t.readings.version, t.readings.tenant = s.version, t.identity
	if s.top > 0 {
		t.detector.KeepReadings(s.top)
	}
	return t, nil
}

// name is the tenant's, "" where records name none.
func (t *tenant) name() string {
	if t.identity == nil {
		return ""
	}
	return t.identity.Name
}

// tell returns what a log line says of whose it is.
func (t *tenant) tell() []zap.Field {
	if t.identity == nil {
		return nil
	}
	return []zap.Field{zap.String("tenant", t.identity.Name)}
}

// commit counts what a delivered batch holds of the tenant, and queues the alerts that it brings.
func (t *tenant) commit(b *Batch, p *part, now time.Time) {
	if p.runningTotals || len(p.counted) > 0 || len(p.heard) > 0 || len(p.excepted) > 0 {
		t.admit(b, p, now)
	}
	t.pseudonyms.Hide(p.flows)
	p.findings = t.detector.Observe(p.flows, now, p.findings[:0])
	t.decide(p.findings, now)
	t.readings.take(t.detector)
}

// admit turns running totals and counters into increments and takes out what is excepted. All remember
// what they have counted, which is why they wait for the delivery.
func (t *tenant) admit(b *Batch, p *part, now time.Time) {
	t.admission.Lock()
	defer t.admission.Unlock()
	t.totals.age(now)
	t.openStreams(p, now)
	kept, left, excepted := 0, p.counted, p.excepted
	for i := range p.flows {
		f := &p.flows[i]
		var own []excepting
		own, excepted = exceptionsOf(i, excepted)
		if len(left) > 0 && left[0].flow == i {
			c := &left[0]
			left = left[1:]
			if outcome := t.increment(p, c, now); outcome != stream.Added {
				b.points[outcome]++
				continue
			}
		}
		if f.Total != 0 {
			if f.Bytes = t.totals.advance(f); f.Bytes == 0 {
				b.repeated++
				continue
			}
		}
		if len(own) > 0 && t.except(own, f, now) {
			b.exempted++
			continue
		}
		if kept < i { // most batches lose no flow, and a flow is long to copy
			p.flows[kept] = *f
		}
		kept++
	}
	p.flows = p.flows[:kept]
}

// decide queues the alerts that findings make, behind the news that the warm-up is over.
func (t *tenant) decide(findings []detector.Finding, now time.Time) {
	if len(findings) == 0 {
		return
	}
	t.checkHealth(now)
	t.judge.findings(findings, now)
}

// collect queues the alerts that were found in the background.
func (t *tenant) collect(now time.Time) {
	t.decide(t.detector.Collect(nil), now)
	t.readings.take(t.detector)
}

// tick lets time pass.
func (t *tenant) tick(now time.Time) {
	t.decide(t.detector.Tick(now, nil), now)
	t.readings.take(t.detector)
	t.reviewExceptions(now)
	if at := t.checkHealth(now); !at.IsZero() {
		t.judge.pass(at, now)
	}
}

// checkHealth queues what is new about the detection's health, and returns how far event time is.
func (t *tenant) checkHealth(now time.Time) (eventTime time.Time) {
	t.checking.Lock()
	defer t.checking.Unlock()
	stats := t.detector.Stats()
	changes := append(t.health.warmUp(&stats), t.health.databases(t.Databases(), now)...)
	for _, change := range changes {
		t.pending.push(change, now)
		t.logger.Info("Detection health", append(t.tell(), zap.String("status", string(change.Status)),
			zap.String("subject", change.Subject), zap.Time("at", change.Time), zap.String("detail", change.Detail))...)
	}
	return t.health.eventTime(stats.Newest, now)
}
