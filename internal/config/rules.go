package config

import (
	"fmt"
	"slices"

	"github.com/otel-exfil/exfil/internal/rule"
)

// EnabledRules returns the rules to apply, sorted by id, each with what it leaves to all rules
// filled in: the built-in ones, changed by the rule files and then by the rules named here.
func (c *Config) EnabledRules() ([]rule.Rule, error) {
	files, err := rule.LoadFiles(c.RuleFiles)
	if err != nil {
		return nil, err
	}
	rules, err := rule.Resolve(files, c.Rules)
	if err != nil {
		return nil, err
	}
	common := rule.Settings{
		Budget:      c.AlertBudget,
		MinBytes:    int64(c.MinBytes),
		MaxEntities: c.MaxEntities,
		Spans:       c.Windows,
		SuppressFor: c.Alerts.SuppressFor,
	}
	var enabled []rule.Rule
	for _, r := range rules {
		if r.Enabled {
			enabled = append(enabled, r.Inherit(common))
		}
	}
	return enabled, nil
}

func (c *Config) checkRules(p *problems) {
	_, err := rule.NewExceptions(c.Exceptions)
	p.take(err)
	rules, err := c.EnabledRules()
	if err != nil {
		p.take(err)
		return
	}
	if len(rules) == 0 {
		p.add("rules", "every rule is disabled, so that nothing could ever alert; enable one")
	}
	for _, r := range rules {
		c.checkOwnWindows(p, r)
	}
}

// checkOwnWindows holds a rule's own windows against what is set for all rules.
func (c *Config) checkOwnWindows(p *problems, r rule.Rule) {
	if len(r.Spans) == 0 || slices.Equal(r.Spans, c.Windows) {
		return
	}
	key := fmt.Sprintf("rules.%s.windows", r.ID)
	if shortest := slices.Min(r.Spans); c.AllowedLateness > shortest {
		p.add(key, "%s is shorter than allowed_lateness: %s; lengthen it or allow less", rule.FormatSpan(shortest), rule.FormatSpan(c.AllowedLateness))
	}
	if longest := slices.Max(r.Spans); c.WarmUp >= 0 && c.WarmUp < longest {
		p.add(key, "%s is longer than warm_up: %s; shorten it or warm up for longer", rule.FormatSpan(longest), rule.FormatSpan(c.WarmUp))
	}
}
