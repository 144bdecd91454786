package config

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/pseudonym"
	"github.com/otel-exfil/exfil/internal/rule"
)

// Bounds returns the bounds of what a Config may say, by its keys' paths; [] stands for the elements of a list, and * for what
// a mapping has. Those of rules and exceptions are rule.Bounds and rule.ExceptionBounds.
func Bounds() map[string]rule.Bound {
	unlimited := math.Inf(1)
	path := rule.Bound{Pattern: `^$|\S`}
	return map[string]rule.Bound{
		"inputs":              {From: 1, To: unlimited},
		"inputs[]":            {OneOf: decode.Formats()},
		"inputs[].name":       {Required: true},
		"inputs[].fields":     {OneOf: decode.CustomFields()},
		"inputs[].metrics[]":  {Pattern: `\S`},
		"geo.database":        path,
		"geo.asn_database":    path,
		"geo.reload_interval": {To: unlimited}, // below shortestReload only 0
		"windows":             {From: 1, To: mostWindows},
		"windows[]":           {From: float64(time.Minute), To: float64(day)},
		"allowed_lateness":    {To: float64(day)}, // that of the longest window that there can be
		"max_clock_skew":      {To: float64(longestSkew)},
		"warm_up":             {To: float64(longestWarmUp)},
		"min_bytes":           {To: unlimited},
		"alert_budget":        {Above: true, To: mostAlertsAWeek},
		"max_entities":        {From: 1, To: mostEntities},
		"max_tenants":         {From: 1, To: mostTenants},
		"rules":               {Pattern: rule.IDPattern},

		"contributors.fields[]": {OneOf: contributorWords()},
		"contributors.max":      {From: 1, To: detector.MostContributors},
		"contributors.flow_ids": {To: detector.MaxFlowIDs},

		"contributors.hash.fields[]": {OneOf: hashWords()},
		"contributors.hash.salt":     {Pattern: `^$|^.{16,}`}, // leastSalt

		"alerts.schema":                       {OneOf: alert.Schemas()},
		"alerts.severity_by_score[].from":     {Required: true, Above: true, To: 100},
		"alerts.severity_by_score[].severity": {Required: true, OneOf: rule.Severities()},
		"alerts.interval":                     {From: float64(shortestInterval), To: float64(day)},
		"alerts.max_per_interval":             {From: 1, To: mostPerInterval},
		"alerts.suppress_for":                 {To: float64(longestSuppress)},
		"alerts.suppress_by":                  rule.GroupBound(), "alerts.suppress_by[]": {OneOf: rule.GroupParts()},

		"checkpoint_interval": {From: float64(shortestCheckpoint), To: float64(longestCheckpoint)},
	}
}

// hashWords are the fields that can be hashed, by all names that they have.
func hashWords() []string {
	return slices.DeleteFunc(rule.FieldNames(), func(name string) bool {
		field, ok := contributorField(name)
		return !ok || !slices.Contains(pseudonym.Fields(), field)
	})
}

// contributorWords are the fields that contributors may name, by all names that they have.
func contributorWords() []string {
	return append(rule.FieldNames(), slices.Sorted(maps.Keys(contributorNames))...)
}
