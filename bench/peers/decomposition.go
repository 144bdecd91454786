package peers

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// Decomposition takes the hourly bytes of the last days apart into season, trend and residual, and says how far the
// newest residual lies beyond Tukey's fence. It is what Microsoft Sentinel's rule "Time series anomaly for
// data size transferred to public internet" does (14 days in bins of an hour, a linear trend, score threshold 5,
// at least 10 MB an hour), by the function series_decompose_anomalies of Kusto ("series_decompose_anomalies()",
// "series_decompose()", "series_outliers()", Microsoft Learn): the season is the median of the points of the same
// phase, the trend a line by least squares through what is left, the fence is by the 10th and 90th
// percentiles of the residuals.
//
// The rule runs once a day over one series; here it runs for each entity at each hour's end. Of the periods that the
// function can find by itself only the day and the week are tried, by their autocorrelation against the documented 0.6.
type Decomposition struct {
	Back  time.Duration
	Floor int64 // bytes: hours with less never alarm
	// Period in hours; 0: a week or a day, where the series repeats itself.
	Period int
	// Logs takes ln(1+bytes) in place of bytes, which the rule does not.
	Logs bool
	// Slack is added to the width between the percentiles, which is 0 for an entity that is new; in
	// bytes, or in ln bytes with Logs. The function has none; at least a byte, or the score would not be finite.
	Slack float64
}

const (
	binSpan   = time.Hour
	binsADay  = int(day / binSpan)
	binsAWeek = int(week / binSpan)
	// leastSeasonality is the documented default of series_decompose_anomalies' Seasonality_threshold.
	leastSeasonality = 0.6
)

// New returns the method.
func (s Decomposition) New() score.Method {
	period, scale := "found by itself", "bytes"
	if s.Period > 0 {
		period = fmt.Sprintf("%d h", s.Period)
	}
	slack := max(s.Slack, 1)
	if s.Logs {
		scale, slack = "ln bytes", max(s.Slack, 1e-3)
	}
	name := fmt.Sprintf("decomposition of %s, %s, period %s, from %s, slack %g", scale, short(s.Back), period, megabytes(s.Floor), slack)
	return newWindowed(name, binSpan, s.Floor, func() judge {
		return &decomposition{back: int64(s.Back / binSpan), period: s.Period, logs: s.Logs, slack: slack}
	})
}

type decomposition struct {
	back                     int64 // windows, with the newest
	period                   int
	logs                     bool
	slack                    float64
	entries                  []history
	series, residual, sorted []float64 // scratch
}

func (j *decomposition) judge(window, first int64, readings []reading, say verdict) {
	from := max(window-j.back+1, first)
	for i := range readings {
		r := &readings[i]
		j.entries = sized(j.entries, r.id+1)
		h := &j.entries[r.id]
		h.add(window, r.bytes, j.back)
		if !r.wanted {
			continue
		}
		j.fill(h, from, window)
		period := j.period
		if period == 0 {
			period = seasonality(j.series)
		}
		j.residual = append(j.residual[:0], j.series...)
		j.sorted = decompose(j.residual, period, j.sorted)
		last := j.residual[len(j.residual)-1]
		slices.Sort(j.sorted)
		say(r, fence(last, j.sorted, j.slack), math.NaN())
	}
}

// fill writes the windows from one to another, both included, as a series.
func (j *decomposition) fill(h *history, from, to int64) {
	j.series = slices.Grow(j.series[:0], int(to-from+1))[:to-from+1]
	clear(j.series)
	for _, p := range h.between(from, to+1) {
		y := float64(p.bytes)
		if j.logs {
			y = math.Log1p(y)
		}
		j.series[p.window-from] = y
	}
}

// seasonality returns the longer of a week and a day that the series correlates with itself at, 0 for none.
func seasonality(x []float64) int {
	for _, period := range [...]int{binsAWeek, binsADay} {
		if len(x) >= 2*period && autocorrelation(x, period) >= leastSeasonality {
			return period
		}
	}
	return 0
}

// autocorrelation is Pearson's correlation of the series with itself lag bins before, 0 where one is constant.
func autocorrelation(x []float64, lag int) float64 {
	a, b := x[lag:], x[:len(x)-lag]
	meanA, meanB := mean(a), mean(b)
	var ab, aa, bb float64
	for i := range a {
		da, db := a[i]-meanA, b[i]-meanB
		ab, aa, bb = ab+da*db, aa+da*da, bb+db*db
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// decompose takes season (none at period 0) and then trend out of x, in place, and returns a copy of the residuals
// in scratch's memory.
func decompose(x []float64, period int, scratch []float64) []float64 {
	if period > 0 && len(x) >= 2*period {
		for phase := range period {
			scratch = scratch[:0]
			for i := phase; i < len(x); i += period {
				scratch = append(scratch, x[i])
			}
			slices.Sort(scratch)
			median := quantile(scratch, 0.5)
			for i := phase; i < len(x); i += period {
				x[i] -= median
			}
		}
	}
	detrend(x)
	return append(scratch[:0], x...)
}

// detrend takes the line of least squares out of x.
func detrend(x []float64) {
	middle, level := float64(len(x)-1)/2, mean(x)
	var xy, xx float64
	for i, v := range x {
		d := float64(i) - middle
		xy, xx = xy+d*(v-level), xx+d*d
	}
	slope := 0.0
	if xx > 0 {
		slope = xy / xx
	}
	for i := range x {
		x[i] -= level + slope*(float64(i)-middle)
	}
}

const (
	lowFence, highFence = 0.1, 0.9 // the documented percentiles
	// fenceScale makes a score of 1.5 the edge of a mild outlier, as documented. The number is not; it is the quotient that
	// Microsoft's own scores of a public series (hourly bytes sent, in the documentation of msticpy) have to
	// the distance beyond the percentile over the width between them, the same in all hours to seven digits.
	fenceScale = 2.7726056
)

// fence says how far above the upper percentile of the sorted residuals a residual lies, 0 if it does not.
func fence(residual float64, sorted []float64, slack float64) float64 {
	low, high := quantile(sorted, lowFence), quantile(sorted, highFence)
	return fenceScale * max(residual-high, 0) / (high - low + slack)
}

// quantile interpolates linearly between the order statistics (type 7 of Hyndman and Fan 1996).
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
