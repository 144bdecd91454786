package rule

import (
	"fmt"
	"time"
)

// Date is a calendar day in UTC. The zero Date is no day.
type Date struct{ day time.Time }

// UnmarshalText implements encoding.TextUnmarshaler for days such as 2027-06-30; the empty
// text is no day.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	day, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return fmt.Errorf("%w: %q is not a day; write it as 2027-06-30", ErrInvalid, text)
	}
	*d = Date{day: day}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String returns the day as 2027-06-30, "" for no day.
func (d Date) String() string {
	if d.day.IsZero() {
		return ""
	}
	return d.day.Format(time.DateOnly)
}

// end returns the first nanosecond since the Unix epoch after the day, 0 for no day.
func (d Date) end() int64 {
	if d.day.IsZero() {
		return 0
	}
	return d.day.AddDate(0, 0, 1).UnixNano()
}
