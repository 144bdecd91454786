// Package config is the configuration that the processor and the connector share: what may
// be written, what holds where nothing is written, and what is wrong with what was written.
package config

import (
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/rule"
)

// Config is one component's configuration. The zero value is not valid; start from Default.
type Config struct {
	// Inputs are the source formats to read, tried in their order.
	Inputs   []Input  `mapstructure:"inputs"`
	Networks Networks `mapstructure:"networks"`
	Geo      Geo      `mapstructure:"geo"`

	// Windows are the spans that bytes are summed over. Each divides a day, and each
	// longer one is a multiple of every shorter one.
	Windows []time.Duration `mapstructure:"windows"`
	// AllowedLateness is how far behind the newest record an older one may come.
	AllowedLateness time.Duration `mapstructure:"allowed_lateness"`
	// MaxClockSkew is how far ahead of the collector's clock a record may be.
	MaxClockSkew time.Duration `mapstructure:"max_clock_skew"`
	// WarmUp is how long the baselines learn before anything fires.
	WarmUp time.Duration `mapstructure:"warm_up"`
	// MinBytes is the least that alerts, in bytes a window.
	MinBytes bytesize.Size `mapstructure:"min_bytes"`
	// AlertBudget is how many false alarms a week and rule a score of 75 stands for.
	AlertBudget float64 `mapstructure:"alert_budget"`
	// MaxEntities bounds what is kept of each rule's keys.
	MaxEntities int `mapstructure:"max_entities"`

	// Rules says, by rule id, what differs from the built-in rules, or defines new ones.
	Rules map[string]rule.Override `mapstructure:"rules"`
	// RuleFiles are globs of files that say the same in YAML, or hold prebuilt rules in TOML.
	RuleFiles []string `mapstructure:"rule_files"`
	// Exceptions are flows that are known to be harmless.
	Exceptions []rule.ExceptionConfig `mapstructure:"exceptions"`
	// Calendars are times at which flows are expected.
	Calendars []rule.CalendarConfig `mapstructure:"calendars"`
	// Contributors says who is kept and named beside the entity that alerts.
	Contributors Contributors `mapstructure:"contributors"`
	Alerts       Alerts       `mapstructure:"alerts"`

	// PartitionBy says by what tenants are told apart; nil: all traffic is one organisation's.
	PartitionBy *PartitionBy `mapstructure:"partition_by"`
	// MaxTenants bounds the tenants that are told apart; those that come later share one.
	MaxTenants int `mapstructure:"max_tenants"`

	// PassThrough says whether records go on to the next consumer; if not, only alerts leave.
	PassThrough bool `mapstructure:"pass_through"`
	// Storage names the extension that keeps what is learned over a restart; nil: it is lost.
	Storage *component.ID `mapstructure:"storage"`
	// CheckpointInterval is how often what is learned is stored.
	CheckpointInterval time.Duration `mapstructure:"checkpoint_interval"`
}

// Input is a built-in format by its name, or, with Fields, a format of the user's own. In
// a configuration it is the name alone or a mapping.
type Input struct {
	// Name is that of a built-in format, or any other with Fields or Metrics.
	Name string `mapstructure:"name"`
	// Fields lists, by what is read (bytes, destination.port, …), the keys to try.
	Fields map[string][]string `mapstructure:"fields"`
	// Columns names the columns of a format that comes as lines, such as aws_vpc.
	Columns []string `mapstructure:"columns"`
	// Metrics names the metrics of a format of the user's own whose data points count bytes; Fields
	// then names their attributes.
	Metrics []string `mapstructure:"metrics"`
}

// UnmarshalText takes the name of a format for an input.
func (i *Input) UnmarshalText(text []byte) error {
	*i = Input{Name: string(text)}
	return nil
}

// Networks says what is inside.
type Networks struct {
	// Internal are CIDR prefixes, in addition to the private ranges.
	Internal []string `mapstructure:"internal"`
}

// Geo says what places addresses.
type Geo struct {
	// Database is the path of a city or country database (mmdb); empty: the embedded country table.
	Database string `mapstructure:"database"`
	// ASNDatabase is the path of a database of autonomous systems (mmdb); empty: none.
	ASNDatabase string `mapstructure:"asn_database"`
	// ReloadInterval is how often the files are looked at for a newer version; 0: never.
	ReloadInterval time.Duration `mapstructure:"reload_interval"`
}

// Alerts says how alerts look and how many may leave.
type Alerts struct {
	// Schema is how an alert is written: otel, ecs or ocsf.
	Schema string `mapstructure:"schema"`
	// SeverityByScore gives alerts the severity of the highest band that their score reaches, in the place of
	// their rule's; empty: all have their rule's.
	SeverityByScore []rule.SeverityBand `mapstructure:"severity_by_score"`
	// Drilldown is a template of the address at which an analyst goes on with an alert; empty: there is none.
	Drilldown string `mapstructure:"drilldown"`
	// Interval is the time that MaxPerInterval counts in.
	Interval time.Duration `mapstructure:"interval"`
	// MaxPerInterval is how many alerts may leave in an interval; what is above is summed up in one event.
	MaxPerInterval int `mapstructure:"max_per_interval"`
	// SuppressFor is how long a group that alerted stays silent; 0: not at all.
	SuppressFor time.Duration `mapstructure:"suppress_for"`
	// SuppressBy is what the alerts of a rule have in common that hold each other back: entity, source, names of fields; empty:
	// nothing but the rule.
	SuppressBy []string `mapstructure:"suppress_by"`
}

// Default returns what holds where nothing is configured.
func Default() *Config {
	return &Config{
		Inputs:          []Input{{Name: "auto"}},
		Geo:             Geo{ReloadInterval: 10 * time.Minute},
		Windows:         []time.Duration{3 * time.Hour},
		AllowedLateness: 5 * time.Minute,
		MaxClockSkew:    5 * time.Minute,
		WarmUp:          7 * 24 * time.Hour,
		MinBytes:        1_000_000,
		AlertBudget:     1,
		MaxEntities:     100_000,
		MaxTenants:      100,
		Contributors:    defaultContributors(),
		Alerts: Alerts{
			Schema:         "otel",
			Interval:       15 * time.Minute,
			MaxPerInterval: 100,
			SuppressFor:    24 * time.Hour,
			SuppressBy:     rule.DefaultGrouping(),
		},
		PassThrough: true,

		CheckpointInterval: time.Minute,
	}
}
