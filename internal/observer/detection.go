package observer

import (
	"slices"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// Detection says what a configuration and its enabled rules mean to the detector. Whoever measures the
// detector as users meet it starts from here.
func Detection(cfg *config.Config, rules []rule.Rule) detector.Settings {
	s := detector.Settings{
		Lateness:     cfg.AllowedLateness,
		MaxClockSkew: cfg.MaxClockSkew,
		WarmUp:       cfg.WarmUp,
		Contributors: cfg.Contributors.Detection(),
	}
	for _, r := range rules {
		s.Watches = append(s.Watches, detector.Watch{
			Rule:        r.ID,
			By:          r.By,
			Details:     r.Details,
			Spans:       r.Spans,
			Threshold:   r.Threshold,
			Budget:      r.Budget,
			MinBytes:    r.MinBytes,
			MaxEntities: r.MaxEntities,
		})
	}
	return s
}

// NewGate makes the gate that a configuration and its enabled rules ask for.
func NewGate(cfg *config.Config, rules []rule.Rule) *alert.Gate {
	return alert.NewGate(gateOptions(cfg, rules))
}

func gateOptions(cfg *config.Config, rules []rule.Rule) alert.GateOptions {
	kept := cfg.Contributors.Detection().Fields
	policies := make(map[string]alert.Policy, len(rules))
	for _, r := range rules {
		policies[r.ID] = alert.Policy{SuppressFor: r.SuppressFor, Grouping: r.Grouping(), DryRun: r.DryRun}
	}
	return alert.GateOptions{
		Interval:       cfg.Alerts.Interval,
		MaxPerInterval: cfg.Alerts.MaxPerInterval,
		Policy:         func(rule string) alert.Policy { return policies[rule] },
		Remembers:      func(field flow.Field) bool { return slices.Contains(kept, field) },
	}
}

// rename gives what is remembered of alerts, which may be of a time when nothing was hashed, the names by which it comes now.
func (j *judge) rename(s *detector.Settings) {
	if s.Pseudonyms == nil {
		return
	}
	by := make(map[string][]flow.Field, len(s.Watches))
	for _, w := range s.Watches {
		by[w.Rule] = w.By
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gate.Rename(alert.Naming{By: func(rule string) []flow.Field { return by[rule] }, Name: s.Hide})
}
