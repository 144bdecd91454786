package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/otel-exfil/exfil/internal/rule"
)

// AllRules returns the rules that there are, disabled ones included, sorted by id: the built-in ones, changed by the
// rule files and then by the rules named here.
func (c *Config) AllRules() ([]rule.Rule, error) {
	files, err := rule.LoadFiles(c.RuleFiles)
	if err != nil {
		return nil, err
	}
	return rule.Resolve(files, c.Rules)
}

// EnabledRules returns those of AllRules that apply, each with what it leaves to all rules filled in.
func (c *Config) EnabledRules() ([]rule.Rule, error) {
	rules, err := c.AllRules()
	if err != nil {
		return nil, err
	}
	return c.Enabled(rules), nil
}

// Enabled returns those of all rules that apply, each with what it leaves to all rules filled in.
func (c *Config) Enabled(all []rule.Rule) (enabled []rule.Rule) {
	common := rule.Settings{
		Budget:      c.AlertBudget,
		MinBytes:    int64(c.MinBytes),
		MaxEntities: c.MaxEntities,
		Spans:       c.Windows,
		SuppressFor: c.Alerts.SuppressFor,
		SuppressBy:  c.Alerts.SuppressBy,
	}
	for _, r := range all {
		if r.Enabled {
			enabled = append(enabled, r.Inherit(common))
		}
	}
	return enabled
}

// LoadRules returns AllRules as the rule files have them now, held against the rest of the configuration as Validate does.
func (c *Config) LoadRules() ([]rule.Rule, error) {
	var p problems
	all := c.checkRules(&p)
	return all, errors.Join(p...)
}

// checkRules returns AllRules.
func (c *Config) checkRules(p *problems) (all []rule.Rule) {
	all, err := c.AllRules()
	c.checkExceptions(p, all)
	if err != nil {
		p.take(err)
		return nil
	}
	rules := c.Enabled(all)
	if len(rules) == 0 {
		p.add("rules", "every rule is disabled, so that nothing could ever alert; enable one")
	}
	for _, r := range rules {
		c.checkOwnWindows(p, r)
	}
	return all
}

// checkExceptions compiles the exceptions and calendars as they will be, but for what they look up in files that are opened at start.
func (c *Config) checkExceptions(p *problems, rules []rule.Rule) {
	options := rule.ExceptionOptions{Rules: rules}
	if c.Geo.ASNDatabase != "" {
		options.ASN = func(netip.Addr) (uint32, string, bool) { return 0, "", false }
	}
	_, err := rule.NewExceptions(c.Exceptions, options)
	p.take(err)
	_, err = rule.NewCalendars(c.Calendars, options)
	p.take(err)
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
