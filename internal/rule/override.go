package rule

import (
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Override is what a configuration or a rule file says of one rule: what it does not name
// (nil) stays as it was. A list that it names replaces the whole list; an empty one empties it.
type Override struct {
	// Enabled says whether the rule applies.
	Enabled *bool `mapstructure:"enabled"`
	// DryRun has the rule's alerts leave marked, apart from those that anybody is to be woken for.
	DryRun *bool `mapstructure:"dry_run"`

	// By is the key: the one to four fields whose values are told apart.
	By []string `mapstructure:"by"`
	// Details are finer keys that are watched on the rule's behalf. Each has all fields of By, and more.
	Details [][]string `mapstructure:"details"`

	// Threshold is the score from which on the rule alerts.
	Threshold *float64 `mapstructure:"threshold"`
	// AlertBudget is how many false alarms a week a score of 75 stands for.
	AlertBudget *float64 `mapstructure:"alert_budget"`
	// MinBytes is the least that alerts, in bytes a window.
	MinBytes *bytesize.Size `mapstructure:"min_bytes"`
	// MaxEntities bounds what is kept of each of the rule's keys.
	MaxEntities *int `mapstructure:"max_entities"`
	// Windows are the spans that bytes are summed over. Each divides a day, and each longer one is a multiple of every shorter one.
	Windows []time.Duration `mapstructure:"windows"`
	// SuppressFor is how long a group that alerted stays silent; 0: not at all.
	SuppressFor *time.Duration `mapstructure:"suppress_for"`
	// SuppressBy is what a group has in common besides the rule: entity, source, names of fields; empty: nothing.
	SuppressBy []string `mapstructure:"suppress_by"`

	// Severity is how grave the rule's alerts are.
	Severity *string `mapstructure:"severity"`
	// RiskScore is how much is at risk, as other products count it.
	RiskScore *int `mapstructure:"risk_score"`

	// Name is what alerts call the rule.
	Name *string `mapstructure:"name"`
	// Version is that of the rule, a text: yours to count.
	Version *string `mapstructure:"version"`
	// UUID names the rule for ever; of a rule of one's own that has none, it is derived from the id.
	UUID *string `mapstructure:"uuid"`
	// Description says what the rule finds and why it matters.
	Description *string `mapstructure:"description"`
	// Category is what kind of threat it is about.
	Category *string `mapstructure:"category"`
	// Reference is an address to read on at.
	Reference *string `mapstructure:"reference"`
	// License is that of the rule's texts.
	License *string `mapstructure:"license"`
	// RulesetName is the name of the set that the rule belongs to.
	RulesetName *string `mapstructure:"ruleset_name"`
	// Tags are words to find alerts by.
	Tags  []string      `mapstructure:"tags"`
	Guide GuideOverride `mapstructure:"guide"`
	// Related are rules of other products that look for the same.
	Related []Related `mapstructure:"related"`
	// Threat places the rule in catalogues of adversary behaviour.
	Threat []Threat `mapstructure:"threat"`

	origin string // the file that says it; "" for the configuration
}

// GuideOverride is what an analyst is to do with an alert, as Markdown; it replaces parts of a Guide.
type GuideOverride struct {
	Investigation  *string `mapstructure:"investigation"`   // what to look at, in which order
	FalsePositives *string `mapstructure:"false_positives"` // what is harmless, and how to keep it out
	Response       *string `mapstructure:"response"`        // what to do where it is not
}

// apply changes what o names. It expects that o is valid.
func (o *Override) apply(r *Rule) {
	set(&r.Enabled, o.Enabled)
	set(&r.DryRun, o.DryRun)
	if o.By != nil {
		r.By = fields(o.By)
	}
	if o.Details != nil {
		r.Details = make([][]flow.Field, 0, len(o.Details))
		for _, names := range o.Details {
			r.Details = append(r.Details, fields(names))
		}
	}
	set(&r.Threshold, o.Threshold)
	set(&r.Budget, o.AlertBudget)
	if o.MinBytes != nil {
		r.MinBytes = int64(*o.MinBytes)
	}
	set(&r.MaxEntities, o.MaxEntities)
	setList(&r.Spans, o.Windows)
	set(&r.SuppressFor, o.SuppressFor)
	setList(&r.SuppressBy, o.SuppressBy)
	if o.Severity != nil {
		r.Severity = Severity(*o.Severity)
	}
	set(&r.RiskScore, o.RiskScore)
	o.describe(r)
}

// describe changes what o names of the metadata.
func (o *Override) describe(r *Rule) {
	set(&r.Name, o.Name)
	set(&r.Version, o.Version)
	set(&r.UUID, o.UUID)
	set(&r.Description, o.Description)
	set(&r.Category, o.Category)
	set(&r.Reference, o.Reference)
	set(&r.License, o.License)
	set(&r.RulesetName, o.RulesetName)
	setList(&r.Tags, o.Tags)
	set(&r.Guide.Investigation, o.Guide.Investigation)
	set(&r.Guide.FalsePositives, o.Guide.FalsePositives)
	set(&r.Guide.Response, o.Guide.Response)
	setList(&r.Related, o.Related)
	setList(&r.Threat, o.Threat)
}

func set[T any](target, value *T) {
	if value != nil {
		*target = *value
	}
}

func setList[T any](target *[]T, value []T) {
	if value != nil {
		*target = slices.Clone(value)
	}
}

// fields reads names that have been validated.
func fields(names []string) []flow.Field {
	read := make([]flow.Field, 0, len(names))
	for _, name := range names {
		if f, err := flow.ParseField(name); err == nil {
			read = append(read, f)
		}
	}
	return read
}
