package observer

import (
	"net/netip"
	"slices"
	"time"

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
	silence := make(map[string]time.Duration, len(rules))
	for _, r := range rules {
		silence[r.ID] = r.SuppressFor
	}
	return alert.GateOptions{
		Interval:       cfg.Alerts.Interval,
		MaxPerInterval: cfg.Alerts.MaxPerInterval,
		SuppressFor:    func(rule string) time.Duration { return silence[rule] },
		Remembers:      remembers(cfg.Contributors.Detection().Fields),
	}
}

// remembers says whether a sender may be remembered that was named when other fields may have been kept: a host's name or an
// address.
func remembers(fields []flow.Field) func(sender string) bool {
	return func(sender string) bool {
		if _, err := netip.ParseAddr(sender); err == nil {
			return slices.Contains(fields, flow.SourceAddress)
		}
		return slices.Contains(fields, flow.Host)
	}
}
