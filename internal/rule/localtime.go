package rule

import (
	"fmt"
	"time"
)

// LocalTime is a date and a time of day as clocks show them, wherever these are. The zero LocalTime is none.
type LocalTime struct{ wall time.Time } // as if the clock's zone were UTC

// localLayouts are how a LocalTime may be written. A date alone is the moment at which that day begins.
var localLayouts = [...]string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// UnmarshalText implements encoding.TextUnmarshaler for times such as 2027-03-26T22:00; the empty text is none.
func (l *LocalTime) UnmarshalText(text []byte) error {
	*l = LocalTime{}
	if len(text) == 0 {
		return nil
	}
	for _, layout := range localLayouts {
		if wall, err := time.Parse(layout, string(text)); err == nil {
			l.wall = wall.Truncate(time.Second)
			return nil
		}
	}
	return fmt.Errorf("%w: %q is not a date and a time of day; write it as 2027-03-26T22:00, without a zone, which time_zone names",
		ErrInvalid, text)
}

// MarshalText implements encoding.TextMarshaler.
func (l LocalTime) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// String returns the time as 2027-03-26T22:00:00, "" for none.
func (l LocalTime) String() string {
	if l.IsZero() {
		return ""
	}
	return l.wall.Format(localLayouts[0])
}

// IsZero says whether there is none.
func (l LocalTime) IsZero() bool { return l.wall.IsZero() }

// in returns the instant, in UTC, at which clocks of the zone show l. Where they do so twice, it is the first time; where
// they never do, because they are set forward, it is what it would be without that (RFC 5545, section 3.3.5).
func (l LocalTime) in(zone *time.Location) time.Time {
	// No zone is more than 14 hours from UTC, so that a day is beyond whatever the clocks are set for at about that time.
	before, after := offset(l.wall.Add(-day), zone), offset(l.wall.Add(day), zone)
	at := l.wall.Add(-before)
	if offset(at, zone) == before {
		return at
	}
	if late := l.wall.Add(-after); offset(late, zone) == after {
		return late
	}
	return at
}

// localTimeAt returns what clocks of the zone show at an instant.
func localTimeAt(at time.Time, zone *time.Location) LocalTime {
	return LocalTime{at.UTC().Add(offset(at, zone))}
}

// offset is how far the zone's clocks are ahead of UTC at an instant.
func offset(at time.Time, zone *time.Location) time.Duration {
	_, seconds := at.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
