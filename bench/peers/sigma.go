package peers

import (
	"fmt"
	"math"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// Sigma says how many standard deviations a window's bytes lie above the mean of the days before. It is
// the control chart of W. Shewhart (Economic Control of Quality of Manufactured Product, 1931) as
// log products teach it: Splunk documentation, "Finding and removing outliers" (avg and stdev of a
// streamstats window); Elastic's "Detecting unusual network activity" uses it as the example to improve on.
// Windows without traffic count as zero bytes.
type Sigma struct {
	Span  time.Duration
	Back  time.Duration // how far the mean and the deviation reach back
	Floor int64         // bytes: windows with less never alarm
	// Slack, in bytes, is added to the deviation, which is 0 for an entity that is new. At least 1.
	Slack float64
}

// New returns the method.
func (s Sigma) New() score.Method {
	name := fmt.Sprintf("sigma, %s over %s, from %s, slack %s", short(s.Span), short(s.Back), megabytes(s.Floor), megabytes(int64(s.Slack)))
	back := int64(s.Back / s.Span)
	return newWindowed(name, s.Span, s.Floor, func() judge { return &sigma{back: back, slack: max(s.Slack, 1)} })
}

type sigma struct {
	back    int64 // windows
	slack   float64
	entries []history
}

func (j *sigma) judge(window, first int64, readings []reading, say verdict) {
	from := max(window-j.back, first)
	for i := range readings {
		r := &readings[i]
		j.entries = sized(j.entries, r.id+1)
		h := &j.entries[r.id]
		if r.wanted {
			mean, deviation := zeroFilled(h.between(from, window), window-from)
			say(r, (float64(r.bytes)-mean)/(deviation+j.slack), math.NaN())
		}
		h.add(window, r.bytes, j.back)
	}
}

// zeroFilled returns the mean and the sample standard deviation of n windows' bytes, those
// that are not among the points having none.
func zeroFilled(points []point, n int64) (mean, deviation float64) {
	if n < 2 {
		return 0, 0
	}
	for _, p := range points {
		mean += float64(p.bytes) / float64(n)
	}
	squares := float64(n-int64(len(points))) * mean * mean
	for _, p := range points {
		d := float64(p.bytes) - mean
		squares += d * d
	}
	return mean, math.Sqrt(squares / float64(n-1))
}
