package observer

import (
	"sync/atomic"

	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/stream"
)

// Outcomes of an observer's own, beside those of decode.Reason and flow.Outcome.
const (
	// OwnAlert is the outcome of a record that is itself an alert of this component.
	OwnAlert = "own_alert"
	// Excepted is the outcome of a flow that exceptions keep from all that rules do.
	Excepted = "excepted"
	// Repeated is the outcome of a flow whose running total or counter brings nothing new.
	Repeated = "repeated"
)

// Stats is what an observer did since it was made, and how it is now.
type Stats struct {
	Records map[string]int64 // delivered log records and data points, by outcome
	Refused int64            // log records and data points that the next consumer refused
	Flows   map[string]int64 // flows read, by outcome; "leaves" are those that the detector got
	Bytes   int64            // bytes of those

	Detector      detector.Stats   // State, Began and ReadyAt are of the tenant without a name
	Entities      map[string]int64 // entities watched, by rule
	RunningTotals int64            // connections remembered whose bytes come as running totals
	Streams       stream.Stats     // streams of counters

	Alerts     map[string]int64 // alerts decided, by rule; updates included
	Suppressed int64            // windows with findings that were held back
	DryRun     DryRun           // the same of rules in dry run
	Pending    int64            // alerts that wait to be delivered
	Dropped    int64            // alerts lost because too many waited

	LostWindows int64 // closed windows whose gauges were lost because too many waited

	Tenants         int64 // told apart by name
	OverflowTenants int64 // flows of tenants that found no room among those

	NetworkFileFailures int64 // times that a file of networks could not be read
}

// DryRun is what was decided about rules in dry run.
type DryRun struct {
	Alerts     map[string]int64 // by rule; updates included
	Suppressed int64            // windows with findings that were held back
}

// addTo adds what a tenant has seen and done to what is known of all; first says that it is the first of them.
func (t *tenant) addTo(s *Stats, first bool) {
	live, dryRun := t.judge.stats()
	watched := t.detector.Stats()
	t.admission.Lock()
	series, streams := t.totals.size(), t.streams.Stats()
	t.admission.Unlock()
	if first {
		s.Alerts, s.DryRun.Alerts = live.alerts, dryRun.alerts
		s.Entities, s.Detector, s.Streams = make(map[string]int64, len(watched.Entities)), watched, streams
	} else {
		addAll(s.Alerts, live.alerts)
		addAll(s.DryRun.Alerts, dryRun.alerts)
		addDetector(&s.Detector, &watched)
		s.Streams.Streams += streams.Streams
		s.Streams.Evicted += streams.Evicted
		s.Streams.Resets += streams.Resets
	}
	for rule, n := range watched.Entities {
		s.Entities[rule] += int64(n)
	}
	s.RunningTotals += int64(series)
	s.Suppressed += live.held
	s.DryRun.Suppressed += dryRun.held
	s.Pending += t.pending.waiting.Load()
	s.Dropped += t.pending.dropped.Load()
	s.LostWindows += t.readings.lost.Load()
}

func addAll(sum, counts map[string]int64) {
	for rule, n := range counts {
		sum[rule] += n
	}
}

// addDetector adds what a tenant's detector has done. What cannot be added, its state and since when, is another tenant's.
func addDetector(sum, d *detector.Stats) {
	sum.Late += d.Late
	sum.Missed += d.Missed
	sum.Future += d.Future
	sum.WindowsClosed += d.WindowsClosed
	sum.Evicted += d.Evicted
	sum.Returned += d.Returned
	sum.Ghosts += d.Ghosts
	sum.Overflowed += d.Overflowed
	sum.Keys += d.Keys
	for rule, n := range d.Entities {
		sum.Entities[rule] += n
	}
	if d.Newest.After(sum.Newest) {
		sum.Newest = d.Newest
	}
}

// counters are the counts of delivered batches; each is added to once a batch.
type counters struct {
	reasons  []atomic.Int64 // by decode.Reason
	outcomes []atomic.Int64 // by flow.Outcome
	points   []atomic.Int64 // by stream.Outcome
	own      atomic.Int64
	refused  atomic.Int64
	excepted atomic.Int64
	repeated atomic.Int64
	bytes    atomic.Int64
}

func newCounters() counters {
	return counters{
		reasons:  make([]atomic.Int64, len(decode.Reasons())),
		outcomes: make([]atomic.Int64, len(flow.Outcomes())),
		points:   make([]atomic.Int64, len(stream.Outcomes())),
	}
}

// add counts what was read of a delivered batch, and the flows left after admission.
func (c *counters) add(b *Batch) {
	b.outcomes[flow.Leaves] -= b.repeated + b.exempted
	for _, n := range b.points {
		b.outcomes[flow.Leaves] -= n
	}
	addEach(c.reasons, b.reasons)
	addEach(c.outcomes, b.outcomes)
	addEach(c.points, b.points)
	c.own.Add(b.own)
	c.repeated.Add(b.repeated)
	c.excepted.Add(b.exempted)
	var sum int64
	for _, p := range b.parts[:b.used] {
		for i := range p.flows {
			sum = flow.AddBytes(sum, p.flows[i].Bytes)
		}
	}
	for before := c.bytes.Load(); !c.bytes.CompareAndSwap(before, flow.AddBytes(before, sum)); {
		before = c.bytes.Load()
	}
}

func addEach(to []atomic.Int64, counts []int64) {
	for i, n := range counts {
		if n != 0 {
			to[i].Add(n)
		}
	}
}

func (c *counters) records() map[string]int64 {
	byOutcome := map[string]int64{OwnAlert: c.own.Load()}
	for _, reason := range decode.Reasons() {
		byOutcome[reason.String()] = c.reasons[reason].Load()
	}
	return byOutcome
}

func (c *counters) flows() map[string]int64 {
	byOutcome := map[string]int64{Excepted: c.excepted.Load(), Repeated: c.repeated.Load() + c.points[stream.Unchanged].Load()}
	for _, outcome := range flow.Outcomes() {
		byOutcome[outcome.String()] = c.outcomes[outcome].Load()
	}
	for _, outcome := range stream.Outcomes()[stream.First:] {
		byOutcome[outcome.String()] = c.points[outcome].Load()
	}
	return byOutcome
}
