package observer

import (
	"maps"
	"sync"
	"time"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
)

// judge decides which findings become alerts and queues those. It is safe for concurrent use.
type judge struct {
	queue *pending
	skew  time.Duration    // how far event time may be ahead of the clock
	clock func() time.Time // that by which loaded times are judged

	mu     sync.Mutex
	gate   *alert.Gate
	alerts []alert.Alert // scratch
	byRule decisions
	dryRun decisions // of rules in dry run
}

// decisions are the alerts decided, updates included, by rule.
type decisions map[string]int64

func newJudge(cfg *config.Config, rules []rule.Rule, queue *pending, clock func() time.Time) *judge {
	j := &judge{
		queue: queue, skew: cfg.MaxClockSkew, clock: clock, gate: NewGate(cfg, rules),
		byRule: make(decisions, len(rules)), dryRun: make(decisions),
	}
	j.count(rules)
	return j
}

// count has the alerts of rules counted from nothing, those that are not counted already.
func (j *judge) count(rules []rule.Rule) {
	for _, r := range rules {
		j.byRule[r.ID] += 0
		if r.DryRun {
			j.dryRun[r.ID] += 0
		}
	}
}

// follow makes the judge go by other rules. Alerts are counted on, those of rules that are gone too: their counters must not
// fall.
func (j *judge) follow(cfg *config.Config, rules []rule.Rule) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gate.Follow(gateOptions(cfg, rules))
	j.count(rules)
}

// findings queues the alerts that findings make.
func (j *judge) findings(findings []detector.Finding, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.enqueue(j.gate.Admit(findings, j.alerts[:0]), now)
}

// pass lets event time pass, which may end an interval in which alerts were held back, or a suppression.
func (j *judge) pass(eventTime, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if latest := now.Add(j.skew); eventTime.After(latest) {
		eventTime = latest
	}
	j.enqueue(j.gate.Tick(eventTime, j.alerts[:0]), now)
}

func (j *judge) enqueue(alerts []alert.Alert, now time.Time) {
	for _, a := range alerts {
		if anomaly, ok := a.(alert.Anomaly); ok {
			if anomaly.DryRun {
				j.dryRun[anomaly.Finding.Rule]++
			} else {
				j.byRule[anomaly.Finding.Rule]++
			}
		}
		j.queue.push(a, now)
	}
	clear(alerts)
	j.alerts = alerts[:0]
}

// verdicts are what a judge has decided so far.
type verdicts struct {
	alerts decisions // by rule
	held   int64     // windows held back
}

// stats returns what was decided about rules, and, apart from that, about rules in dry run.
func (j *judge) stats() (live, dryRun verdicts) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return verdicts{maps.Clone(j.byRule), j.gate.Stats().Held()}, verdicts{maps.Clone(j.dryRun), j.gate.DryRunStats().Held()}
}
