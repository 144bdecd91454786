package rule

import (
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-exfil/exfil/internal/bytesize"
)

// ExceptionConfig is one entry of the configuration's exceptions.
type ExceptionConfig struct {
	// Name tells it from the others, in telemetry and logs.
	Name string `mapstructure:"name"`
	// Owner says whom to ask about it. Telemetry and logs show it.
	Owner string `mapstructure:"owner"`
	// Reason says why it is there. Telemetry and logs show it.
	Reason string               `mapstructure:"reason"`
	Match  ExceptionMatchConfig `mapstructure:"match"`
	// Action is what the traffic does not do: skip_alert, skip_learning; nil: both.
	Action []string `mapstructure:"action"`
	// Rules are the ids of those it holds for; nil: for all.
	Rules []string `mapstructure:"rules"`
	// MaxBytes is how much of the traffic is excepted in a window of ExceptionSpan; nil: all.
	MaxBytes *bytesize.Size `mapstructure:"max_bytes"`
	// Expires is the last day on which it holds; the zero Date: it holds for ever.
	Expires Date `mapstructure:"expires"`
}

// ExceptionMatchConfig says which traffic is excepted: all parts that are named must match,
// a part by any one of its values. At least one part beside Side must be named. Networks and NetworkFiles are one part.
type ExceptionMatchConfig struct {
	Networks     []string `mapstructure:"networks"`      // in CIDR notation or single addresses
	NetworkFiles []string `mapstructure:"network_files"` // paths of files with one of those a line
	ASNs         []any    `mapstructure:"asns"`          // numbers of autonomous systems, such as 64496 or AS64496
	// Side is the end of the flow that Networks and ASNs are about: source or destination; "": destination.
	Side       string   `mapstructure:"side"`
	Ports      []any    `mapstructure:"ports"`      // service ports, such as 443, and ranges, such as 6000-6010
	Regions    []string `mapstructure:"regions"`    // names, * for any characters and ? for one
	Countries  []string `mapstructure:"countries"`  // ISO 3166-1 alpha-2
	Hosts      []string `mapstructure:"hosts"`      // patterns like those of Regions; of a host without a name, its address
	Users      []string `mapstructure:"users"`      // patterns like those of Regions
	Processes  []string `mapstructure:"processes"`  // patterns like those of Regions
	Conditions []string `mapstructure:"conditions"` // OTTL conditions on the log record
}

// What an exception's traffic may be kept from.
const (
	SkipAlert    = "skip_alert"    // it does not count towards alerts
	SkipLearning = "skip_learning" // it does not become part of the baselines
)

// The ends of a flow, as ExceptionMatchConfig.Side names them.
const (
	SourceSide      = "source"
	DestinationSide = "destination"
)

// Unmarshal implements confmap.Unmarshaler: an unquoted date, which YAML reads as an
// instant, is taken like the quoted one.
func (c *ExceptionConfig) Unmarshal(conf *confmap.Conf) error {
	if instant, ok := conf.Get("expires").(time.Time); ok {
		text := map[string]any{"expires": instant.Format(time.DateOnly)}
		if err := conf.Merge(confmap.NewFromStringMap(text)); err != nil {
			return err
		}
	}
	return conf.Unmarshal(c)
}
