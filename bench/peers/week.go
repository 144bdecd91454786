package peers

import (
	"fmt"
	"math"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// WeekOverWeek compares a window with the same one a week ago; the score is the ratio. It is what
// dashboards offer as a change alert: Datadog documentation, "Timeshift functions" (week_before) and
// "Change alert monitor"; Splunk documentation, "timewrap". Where less than Floor was sent a week
// ago, Floor stands for it, or every new entity would be infinitely more than before.
type WeekOverWeek struct {
	Span  time.Duration
	Floor int64 // bytes: windows with less never alarm
}

// New returns the method.
func (s WeekOverWeek) New() score.Method {
	name := fmt.Sprintf("week over week, %s, from %s", short(s.Span), megabytes(s.Floor))
	ago := int64(week / s.Span)
	return newWindowed(name, s.Span, s.Floor, func() judge { return &weekOverWeek{ago: ago, floor: s.Floor} })
}

type weekOverWeek struct {
	ago     int64 // windows
	floor   int64
	entries []history
}

func (j *weekOverWeek) judge(window, _ int64, readings []reading, say verdict) {
	for i := range readings {
		r := &readings[i]
		j.entries = sized(j.entries, r.id+1)
		h := &j.entries[r.id]
		before := max(h.at(window-j.ago), j.floor, 1)
		say(r, float64(r.bytes)/float64(before), math.NaN())
		h.add(window, r.bytes, j.ago)
	}
}
