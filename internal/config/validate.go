package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/rule"
)

// Bounds of what may be configured. They keep memory bounded and catch slips of the pen; none
// of them is a limit of the method.
const (
	day              = 24 * time.Hour
	mostWindows      = 4
	mostEntities     = 10_000_000
	mostAlertsAWeek  = 1000
	shortestReload   = time.Second
	shortestInterval = time.Second
	mostPerInterval  = 10_000

	shortestCheckpoint = 100 * time.Millisecond
	longestCheckpoint  = 24 * time.Hour

	longestSuppress = 30 * day
	longestSkew     = 3650 * day
	longestWarmUp   = 365 * day
)

// Validate reports everything that is wrong, not just the first thing; each error names the
// path of the key, the value and what would be right, and wraps ErrInvalid. It reads the
// files that rule_files names, and opens no database.
func (c *Config) Validate() error {
	var p problems
	c.checkInputs(&p)
	c.checkNetworks(&p)
	c.checkWindows(&p)
	c.checkTimes(&p)
	c.checkBounds(&p)
	c.checkTenants(&p)
	c.checkGeo(&p)
	c.checkRules(&p)
	c.checkContributors(&p)
	c.checkAlerts(&p)
	if c.CheckpointInterval < shortestCheckpoint || c.CheckpointInterval > longestCheckpoint {
		p.add("checkpoint_interval", "%s; from %s to %s, 1m is the usual",
			rule.FormatSpan(c.CheckpointInterval), rule.FormatSpan(shortestCheckpoint), rule.FormatSpan(longestCheckpoint))
	}
	return errors.Join(p...)
}

func (c *Config) checkWindows(p *problems) {
	if len(c.Windows) > mostWindows {
		p.add("windows", "%d windows are too many; at most %d", len(c.Windows), mostWindows)
	}
	if err := rule.CheckSpans(c.Windows); err != nil {
		p.add("windows", "%w", err)
	}
}

func (c *Config) checkTimes(p *problems) {
	if c.AllowedLateness < 0 {
		p.add("allowed_lateness", "%s is negative; 0s or more, 5m is the usual", rule.FormatSpan(c.AllowedLateness))
	}
	switch {
	case c.MaxClockSkew < 0:
		p.add("max_clock_skew", "%s is negative; 0s or more, 5m is the usual", rule.FormatSpan(c.MaxClockSkew))
	case c.MaxClockSkew > longestSkew:
		p.add("max_clock_skew", "%s is too long; at most %s, 5m is the usual", rule.FormatSpan(c.MaxClockSkew), rule.FormatSpan(longestSkew))
	}
	switch {
	case c.WarmUp < 0:
		p.add("warm_up", "%s is negative; 168h (a week) is the usual", rule.FormatSpan(c.WarmUp))
	case c.WarmUp > longestWarmUp:
		p.add("warm_up", "%s is too long; at most %s, 168h (a week) is the usual", rule.FormatSpan(c.WarmUp), rule.FormatSpan(longestWarmUp))
	}
	if len(c.Windows) == 0 {
		return
	}
	if shortest := slices.Min(c.Windows); shortest > 0 && c.AllowedLateness > shortest {
		p.add("allowed_lateness", "%s is longer than the shortest window; at most %s", rule.FormatSpan(c.AllowedLateness), rule.FormatSpan(shortest))
	}
	if longest := slices.Max(c.Windows); c.WarmUp >= 0 && c.WarmUp < longest {
		p.add("warm_up", "%s is shorter than the longest window; at least %s, 168h (a week) is the usual", rule.FormatSpan(c.WarmUp), rule.FormatSpan(longest))
	}
}

func (c *Config) checkBounds(p *problems) {
	if c.MinBytes < 0 {
		p.add("min_bytes", "%d is negative; 0 or more, 1MB is the usual", int64(c.MinBytes))
	}
	// Written so that NaN is refused.
	if !(c.AlertBudget > 0 && c.AlertBudget <= mostAlertsAWeek) {
		p.add("alert_budget", "%v is out of range; above 0 and at most %d false alarms a week and rule, 1 is the usual", c.AlertBudget, mostAlertsAWeek)
	}
	if c.MaxEntities < 1 || c.MaxEntities > mostEntities {
		p.add("max_entities", "%d is out of range; 1 to %d entities a rule, 100000 is the usual", c.MaxEntities, mostEntities)
	}
}

func (c *Config) checkGeo(p *problems) {
	if every := c.Geo.ReloadInterval; every != 0 && every < shortestReload {
		p.add("geo.reload_interval", "%s is too short; 0s (never) or at least %s", rule.FormatSpan(every), rule.FormatSpan(shortestReload))
	}
	checkPath(p, "geo.database", c.Geo.Database)
	checkPath(p, "geo.asn_database", c.Geo.ASNDatabase)
}

func checkPath(p *problems, key, path string) {
	if path != "" && strings.TrimSpace(path) == "" {
		p.add(key, "%q is blank; write the path of an mmdb file, or remove the key", path)
	}
}

func (c *Config) checkAlerts(p *problems) {
	if !slices.Contains(alert.Schemas(), c.Alerts.Schema) {
		p.add("alerts.schema", "%q is unknown; write one of %s", c.Alerts.Schema, strings.Join(alert.Schemas(), ", "))
	}
	if template := c.Alerts.Drilldown; template != "" {
		if _, err := alert.ParseDrilldown(template); err != nil {
			p.add("alerts.drilldown", "%w", err)
		}
	}
	c.checkBands(p)
	if every := c.Alerts.Interval; every < shortestInterval || every > day {
		p.add("alerts.interval", "%s is out of range; %s to %s, 15m is the usual", rule.FormatSpan(every), rule.FormatSpan(shortestInterval), rule.FormatSpan(day))
	}
	if most := c.Alerts.MaxPerInterval; most < 1 || most > mostPerInterval {
		p.add("alerts.max_per_interval", "%d is out of range; 1 to %d, 100 is the usual", most, mostPerInterval)
	}
	if silent := c.Alerts.SuppressFor; silent < 0 || silent > longestSuppress {
		p.add("alerts.suppress_for", "%s is out of range; 0s to %s, 24h is the usual", rule.FormatSpan(silent), rule.FormatSpan(longestSuppress))
	}
	_, err := rule.ParseGrouping("alerts.suppress_by", c.Alerts.SuppressBy)
	p.take(err)
}

// checkBands holds the bands against each other: in order, each with a severity of its own that rises with the score.
func (c *Config) checkBands(p *problems) {
	bands := c.Alerts.SeverityByScore
	for i, band := range bands {
		key := fmt.Sprintf("alerts.severity_by_score[%d]", i)
		// Written so that NaN is refused.
		if !(band.From > 0 && band.From <= 100) {
			p.add(key+".from", "%v is out of range; a score above 0 and at most 100, such as 90", band.From)
		}
		if band.Severity.Rank() < 0 {
			p.add(key+".severity", "%q is unknown; write low, medium, high or critical", band.Severity)
		}
	}
	for i := 1; i < len(bands); i++ {
		key := fmt.Sprintf("alerts.severity_by_score[%d]", i)
		before, after := bands[i-1], bands[i]
		switch ascending := bands[0].From < bands[1].From; {
		case after.From == before.From:
			p.add(key+".from", "%v is there twice; keep one of the bands", after.From)
		case (after.From > before.From) != ascending:
			p.add(key+".from", "%v is out of order; sort the bands by from, either way", after.From)
		case after.Severity.Rank() < 0 || before.Severity.Rank() < 0: // told above
		case (after.From > before.From) != (after.Severity.Rank() > before.Severity.Rank()):
			p.add(key+".severity", "%s from %v does not fit %s from %v; let a higher score have a higher severity",
				after.Severity, after.From, before.Severity, before.From)
		}
	}
}
