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
	Enabled *bool `mapstructure:"enabled"`
	// DryRun has the rule's alerts leave marked, apart from those that anybody is to be woken for.
	DryRun *bool `mapstructure:"dry_run"`

	By      []string   `mapstructure:"by"`
	Details [][]string `mapstructure:"details"`

	Threshold   *float64        `mapstructure:"threshold"`
	AlertBudget *float64        `mapstructure:"alert_budget"`
	MinBytes    *bytesize.Size  `mapstructure:"min_bytes"`
	MaxEntities *int            `mapstructure:"max_entities"`
	Windows     []time.Duration `mapstructure:"windows"`
	SuppressFor *time.Duration  `mapstructure:"suppress_for"`
	SuppressBy  []string        `mapstructure:"suppress_by"`

	Severity  *string `mapstructure:"severity"`
	RiskScore *int    `mapstructure:"risk_score"`

	Name        *string       `mapstructure:"name"`
	Version     *string       `mapstructure:"version"`
	UUID        *string       `mapstructure:"uuid"`
	Description *string       `mapstructure:"description"`
	Category    *string       `mapstructure:"category"`
	Reference   *string       `mapstructure:"reference"`
	License     *string       `mapstructure:"license"`
	RulesetName *string       `mapstructure:"ruleset_name"`
	Tags        []string      `mapstructure:"tags"`
	Guide       GuideOverride `mapstructure:"guide"`
	Related     []Related     `mapstructure:"related"`
	Threat      []Threat      `mapstructure:"threat"`

	origin string // the file that says it; "" for the configuration
}

// GuideOverride replaces parts of a Guide.
type GuideOverride struct {
	Investigation  *string `mapstructure:"investigation"`
	FalsePositives *string `mapstructure:"false_positives"`
	Response       *string `mapstructure:"response"`
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
