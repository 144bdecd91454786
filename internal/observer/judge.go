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

	mu     sync.Mutex
	gate   *alert.Gate
	alerts []alert.Alert    // scratch
	byRule map[string]int64 // alerts decided
}

func newJudge(cfg *config.Config, rules []rule.Rule, queue *pending) *judge {
	j := &judge{queue: queue, gate: NewGate(cfg, rules), byRule: make(map[string]int64, len(rules))}
	for _, r := range rules {
		j.byRule[r.ID] = 0
	}
	return j
}

// follow makes the judge go by other rules. Alerts are counted on, those of rules that are gone too: their counters must not
// fall.
func (j *judge) follow(cfg *config.Config, rules []rule.Rule) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gate.Follow(gateOptions(cfg, rules))
	for _, r := range rules {
		j.byRule[r.ID] += 0
	}
}

// findings queues the alerts that findings make.
func (j *judge) findings(findings []detector.Finding, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.enqueue(j.gate.Admit(findings, j.alerts[:0]), now)
}

// pass lets event time pass, which may end an interval in which alerts were held back.
func (j *judge) pass(eventTime, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.enqueue(j.gate.Tick(eventTime, j.alerts[:0]), now)
}

func (j *judge) enqueue(alerts []alert.Alert, now time.Time) {
	for _, a := range alerts {
		if anomaly, ok := a.(alert.Anomaly); ok {
			j.byRule[anomaly.Finding.Rule]++
		}
		j.queue.push(a, now)
	}
	clear(alerts)
	j.alerts = alerts[:0]
}

// stats returns the alerts decided, by rule, and the number of findings held back.
func (j *judge) stats() (byRule map[string]int64, suppressed int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	held := j.gate.Stats()
	return maps.Clone(j.byRule), held.Suppressed + held.Overflowed
}
