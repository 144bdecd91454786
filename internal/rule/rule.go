// Package rule says what to watch and what an alert about it tells: the metadata and settings
// of detection rules, the built-in pack, what the user changes about them, and the exceptions
// that keep known traffic out of the baselines.
package rule

import (
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Severity is how grave a rule's alerts are.
type Severity string

// The severities, in their order.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Common, as the value of a rule's MinBytes or SuppressFor, says that the rule takes what is
// set for all rules; zero would be a meaningful setting of its own.
const Common = -1

// Rule is metadata and settings that turn findings of a key into alerts. Rules that share
// slices come from Resolve; treat them as read-only.
type Rule struct {
	ID      string // lower_snake_case
	Enabled bool
	DryRun  bool // its alerts leave, but are marked and nobody is to be woken for them

	By      []flow.Field   // the key: one to four fields
	Details [][]flow.Field // finer keys watched on its behalf; each contains By and more

	Threshold   float64         // score from which on it alerts, 0..100
	Budget      float64         // expected false alarms a week at a score of 75; 0: the common one
	MinBytes    int64           // less than this in a window never alerts; Common: the common one
	MaxEntities int             // 0: the common one
	Spans       []time.Duration // of the windows; nil: the common ones
	SuppressFor time.Duration   // after an alert of one group; Common: the common one
	SuppressBy  []string        // what a group has in common, see ParseGrouping; nil: the common one

	Severity  Severity
	RiskScore int // 0..100

	Name        string
	Version     string
	UUID        string
	Description string
	Category    string
	Reference   string // an address to read on at; "" if none
	License     string
	RulesetName string
	Tags        []string
	Guide       Guide
	Related     []Related
	Threat      []Threat
}

// Guide tells an analyst what to do with an alert, as Markdown.
type Guide struct {
	Investigation  string
	FalsePositives string
	Response       string
}

// Related names a rule of another product that looks for the same, for people who come from there.
type Related struct {
	ID   string `mapstructure:"id"`   // what the other product knows it by
	Name string `mapstructure:"name"` // what the other product calls it
	Note string `mapstructure:"note"` // what people who know it should know besides
}

// Threat places a rule in a catalogue of adversary behaviour: one tactic and the techniques
// under it.
type Threat struct {
	Framework string      `mapstructure:"framework"` // the catalogue, such as MITRE ATT&CK
	Tactic    Behaviour   `mapstructure:"tactic"`    // why an adversary does it
	Technique []Behaviour `mapstructure:"technique"` // how
}

// Behaviour is one entry of such a catalogue: a tactic or a technique.
type Behaviour struct {
	ID        string `mapstructure:"id"`        // such as TA0010 or T1041
	Name      string `mapstructure:"name"`      // such as Exfiltration
	Reference string `mapstructure:"reference"` // the address of its entry
}

// Settings are those settings that a rule may leave to all rules in common.
type Settings struct {
	Budget      float64
	MinBytes    int64
	MaxEntities int
	Spans       []time.Duration
	SuppressFor time.Duration
	SuppressBy  []string
}

// Inherit returns the rule with common filled in wherever the rule sets nothing of its own.
func (r Rule) Inherit(common Settings) Rule {
	if r.Budget == 0 {
		r.Budget = common.Budget
	}
	if r.MinBytes == Common {
		r.MinBytes = common.MinBytes
	}
	if r.MaxEntities == 0 {
		r.MaxEntities = common.MaxEntities
	}
	if r.Spans == nil {
		r.Spans = slices.Clone(common.Spans)
	}
	if r.SuppressFor == Common {
		r.SuppressFor = common.SuppressFor
	}
	if r.SuppressBy == nil {
		r.SuppressBy = slices.Clone(common.SuppressBy)
	}
	return r
}
