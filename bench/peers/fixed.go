package peers

import (
	"fmt"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// FixedBytes alarms when an entity's bytes in a window reach a number; the score is the bytes. It is
// the threshold rule of every log product: Splunk documentation, "Configure trigger conditions for
// alerts"; Elastic Security documentation, "Create a threshold rule"; Grafana documentation, "Alert rules".
//
// A score is rounded down to one of twenty levels a decade. Alarms leave with the flow that crosses.
type FixedBytes struct {
	Span time.Duration // of the tumbling window
}

// New returns the method.
func (s FixedBytes) New() score.Method {
	m := newRunning("fixed bytes, "+short(s.Span), s.Span)
	return &m
}

// short writes a whole number of hours or minutes as one would say it.
func short(d time.Duration) string {
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%d d", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return d.String()
}

// megabytes writes bytes as MB, a few as bytes.
func megabytes(b int64) string {
	if b < 1000 {
		return fmt.Sprintf("%d B", b)
	}
	return fmt.Sprintf("%g MB", float64(b)/1e6)
}
