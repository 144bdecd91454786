package rule

import (
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/otel-exfil/exfil/internal/bytesize"
)

// CalendarConfig is one entry of the configuration's calendars: times at which traffic is expected.
type CalendarConfig struct {
	// Name tells it from the others, in telemetry and logs.
	Name string `mapstructure:"name"`
	// Owner says whom to ask about it. Telemetry and logs show it.
	Owner string `mapstructure:"owner"`
	// Reason says why it is there. Telemetry and logs show it.
	Reason string `mapstructure:"reason"`
	// When are its windows, of which at least one is needed. They may overlap.
	When []WhenConfig `mapstructure:"when"`
	// TimeZone is that of the windows that name none, by its IANA name; "": UTC.
	TimeZone string `mapstructure:"time_zone"`
	// Match says which traffic is expected then; where it names nothing: all of it.
	Match ExceptionMatchConfig `mapstructure:"match"`
	// Action is what the traffic does not do: skip_alert, skip_learning; nil: both.
	Action []string `mapstructure:"action"`
	// Rules are the ids of those it holds for; nil: for all.
	Rules []string `mapstructure:"rules"`
	// MaxBytes is how much of the traffic is expected in a window of ExceptionSpan; nil: all.
	MaxBytes *bytesize.Size `mapstructure:"max_bytes"`
}

// WhenConfig is a window of a calendar. It happens once, from Start to End, or, with RRule, begins again and again, first
// at Start or later, and lasts for Duration each time.
type WhenConfig struct {
	Start LocalTime `mapstructure:"start"`
	// End is the moment at which it is over.
	End LocalTime `mapstructure:"end"`
	// RRule is a recurrence rule of RFC 5545, such as FREQ=MONTHLY;BYDAY=-1FR.
	RRule string `mapstructure:"rrule"`
	// Duration is time that passes, whatever clocks are set to meanwhile.
	Duration time.Duration `mapstructure:"duration"`
	// TimeZone is that of Start, End and RRule, by its IANA name; "": the calendar's.
	TimeZone string `mapstructure:"time_zone"`
}

// Unmarshal implements confmap.Unmarshaler: an unquoted time, which YAML reads as an instant, is taken like the quoted one.
func (c *WhenConfig) Unmarshal(conf *confmap.Conf) error {
	for _, key := range [...]string{"start", "end"} {
		instant, ok := conf.Get(key).(time.Time)
		if !ok {
			continue
		}
		text := instant.Format("2006-01-02T15:04:05")
		if _, ahead := instant.Zone(); ahead != 0 {
			text = instant.Format(time.RFC3339) // which is refused like the quoted one
		}
		if err := conf.Merge(confmap.NewFromStringMap(map[string]any{key: text})); err != nil {
			return err
		}
	}
	return conf.Unmarshal(c)
}
