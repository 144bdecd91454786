package observer

import (
	"time"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
)

// Detection says what a configuration and its enabled rules mean to the detector. Whoever measures the
// detector as users meet it starts from here.
func Detection(cfg *config.Config, rules []rule.Rule) detector.Settings {
	s := detector.Settings{
		Lateness:     cfg.AllowedLateness,
		MaxClockSkew: cfg.MaxClockSkew,
		WarmUp:       cfg.WarmUp,
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
	silence := make(map[string]time.Duration, len(rules))
	for _, r := range rules {
		silence[r.ID] = r.SuppressFor
	}
	return alert.GateOptions{
		Interval:       cfg.Alerts.Interval,
		MaxPerInterval: cfg.Alerts.MaxPerInterval,
		SuppressFor:    func(rule string) time.Duration { return silence[rule] },
	}
}
