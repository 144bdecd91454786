// Package engine lets the product's own detector take part in a comparison of methods, as a user meets
// it: default configuration, the built-in rules, and the gate that decides which findings leave.
package engine

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/observer"
	"github.com/otel-exfil/exfil/internal/rule"
)

// DefaultThreshold is the threshold of the built-in rules.
const DefaultThreshold = 75

// Thresholds are what a full comparison tries, descending. Each costs a detector of its own.
func Thresholds() []float64 {
	return []float64{99, 98, 97, 96, 95, 94, 92.5, 90, 87.5, 85, 82.5, 80, 77.5, 75, 72.5, 70, 60, 45}
}

// Engine is the detector as a score.Method. The sum that alerts is solved when a window opens and depends on
// the threshold, and so does what is learned from it; so there is a detector for each threshold.
type Engine struct {
	name string
	runs []*run // by threshold, descending
	last time.Time
}

var _ score.Method = (*Engine)(nil)

// run is one detector with its gate.
type run struct {
	threshold float64
	detector  *detector.Detector
	gate      *alert.Gate
	findings  []detector.Finding
	alerts    []alert.Alert
	alarms    []score.Alarm
	reasons   []Reason // of each alarm
}

// Reason says what an alarm was raised about.
type Reason struct {
	Detail    []flow.Field // the finer key that was unusual; nil: the rule's own
	FirstSeen bool         // what was unusual was never seen before
	Windows   int          // windows in which it was active before
}

// Without says which parts of the engine are left out. The zero Without is the product.
type Without struct {
	baseline.Ablation
	NoDetails bool // no finer keys are watched on behalf of the rules
}

// New makes an engine of what cfg says, by default config.Default(). thresholds, descending,
// take the place of the rules' own. As in the processor, hours and weekends are those of UTC.
func New(name string, cfg *config.Config, thresholds ...float64) (*Engine, error) {
	return NewWithout(name, cfg, Without{}, thresholds...)
}

// NewWithout makes an engine as New does, but leaves parts of it out.
func NewWithout(name string, cfg *config.Config, less Without, thresholds ...float64) (*Engine, error) {
	rules, err := cfg.EnabledRules()
	if err != nil {
		return nil, err
	}
	e := &Engine{name: name}
	for _, threshold := range thresholds {
		d, err := detector.New(settings(cfg, rules, less, threshold))
		if err != nil {
			return nil, err
		}
		e.runs = append(e.runs, &run{threshold: threshold, detector: d, gate: observer.NewGate(cfg, rules)})
	}
	return e, nil
}

// settings are those of the product, but for the threshold and what is left out.
func settings(cfg *config.Config, rules []rule.Rule, less Without, threshold float64) detector.Settings {
	s := observer.Detection(cfg, rules)
	s.Ablation = less.Ablation
	for i := range s.Watches {
		s.Watches[i].Threshold = threshold
		if less.NoDetails {
			s.Watches[i].Details = nil
		}
	}
	return s
}

// Name implements score.Method.
func (e *Engine) Name() string { return e.name }

// Observe implements score.Method. The clock reads what the newest flow says.
func (e *Engine) Observe(batch []flow.Flow) {
	for i := range batch {
		if at := time.Unix(0, batch[i].Time); at.After(e.last) {
			e.last = at
		}
	}
	for _, r := range e.runs {
		r.findings = r.detector.Observe(batch, e.last, r.findings[:0])
		r.tell()
	}
}

// Finish implements score.Method.
func (e *Engine) Finish(end time.Time) {
	for _, r := range e.runs {
		r.findings = r.detector.Tick(end, r.findings[:0])
		r.tell()
	}
}

// tell notes the alerts that the newest findings make. An update tells of an alert once more and is none.
func (r *run) tell() {
	r.alerts = r.gate.Admit(r.findings, r.alerts[:0])
	for _, a := range r.alerts {
		if anomaly, ok := a.(alert.Anomaly); ok && anomaly.UpdateOf == "" {
			f := &anomaly.Finding
			r.alarms = append(r.alarms, r.alarm(f))
			r.reasons = append(r.reasons, Reason{Detail: slices.Clone(f.DetailFields), FirstSeen: f.FirstSeen, Windows: f.Windows})
		}
	}
}

func (r *run) alarm(f *detector.Finding) score.Alarm {
	return score.Alarm{
		Time:   f.Time.UnixNano(),
		Field:  f.Fields[0],
		Value:  f.Values[0],
		Score:  r.threshold,
		Host:   largest(f),
		Since:  f.WindowStart.UnixNano(),
		Chance: f.Probability,
	}
}

// largest names the host that sent most, "" if none is told.
func largest(f *detector.Finding) string {
	for _, field := range []flow.Field{flow.Host, flow.SourceAddress} {
		for _, c := range f.Contributors {
			if c.Field == field && len(c.Values) > 0 {
				return c.Values[0]
			}
		}
	}
	return ""
}

// Alarms implements score.Method. Between two of its thresholds, the engine answers with the higher one's.
func (e *Engine) Alarms(threshold float64) []score.Alarm {
	if r := e.at(threshold); r != nil {
		return r.alarms
	}
	return nil
}

// Reasons says of each of the Alarms, in their order, what it was raised about.
func (e *Engine) Reasons(threshold float64) []Reason {
	if r := e.at(threshold); r != nil {
		return r.reasons
	}
	return nil
}

// Entities is how many entities the detector of a threshold holds, each counted once: those of the rules' keys and of the
// finer ones.
func (e *Engine) Entities(threshold float64) int {
	if r := e.at(threshold); r != nil {
		return r.detector.Stats().Keys
	}
	return 0
}

// at returns the run with the lowest threshold that is not below the given one, nil if there is none.
func (e *Engine) at(threshold float64) *run {
	for _, r := range slices.Backward(e.runs) {
		if r.threshold >= threshold {
			return r
		}
	}
	return nil
}

// Thresholds implements score.Method.
func (e *Engine) Thresholds() []float64 {
	thresholds := make([]float64, len(e.runs))
	for i, r := range e.runs {
		thresholds[i] = r.threshold
	}
	slices.SortFunc(thresholds, func(a, b float64) int { return cmp.Compare(b, a) })
	return thresholds
}

// Stated returns the false alarms a week and rule that a score stands for by default.
func Stated(threshold float64) float64 {
	return baseline.FalseAlarmsAt(threshold, config.Default().AlertBudget)
}

// Constant is a broken method: whatever another one raises at its lowest threshold, all with the same score.
// It is what a measure of quality must not let pass.
type Constant struct{ score.Method }

// constant is the one score there is.
const constant = 50

// Name implements score.Method.
func (c Constant) Name() string { return c.Method.Name() + ", all scores equal" }

// Thresholds implements score.Method.
func (c Constant) Thresholds() []float64 { return []float64{constant} }

// Alarms implements score.Method.
func (c Constant) Alarms(threshold float64) []score.Alarm {
	if threshold > constant {
		return nil
	}
	lowest := math.Inf(1)
	for _, t := range c.Method.Thresholds() {
		lowest = min(lowest, t)
	}
	alarms := slices.Clone(c.Method.Alarms(lowest))
	for i := range alarms {
		alarms[i].Score = constant
	}
	return alarms
}
