package alert

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/detector"
)

const (
	// scaleOffset is the baselines' c in ln(bytes + c), bytes.
	scaleOffset = 1000
	// usualDeviation is the 95th percentile of Student's t distribution with the baselines' five
	// degrees of freedom.
	usualDeviation = 2.0150
	// leastDeviation is the smallest deviation that a scale can be told from.
	leastDeviation = 0.05
)

// usual returns the bytes that 95 of 100 active windows stay below, which a sentence may call
// usual at most. It is told from the finding's own numbers: the actual bytes are Deviation scales
// above the typical ones, in ln(bytes + 1000). ok is false where these say nothing.
func usual(f *detector.Finding) (bytes int64, ok bool) {
	if !(f.Why.Deviation >= leastDeviation) || f.Actual <= f.Typical || f.Typical < 0 {
		return 0, false
	}
	centre := math.Log(float64(f.Typical) + scaleOffset)
	scale := (math.Log(float64(f.Actual)+scaleOffset) - centre) / f.Why.Deviation
	estimate := math.Exp(centre+usualDeviation*scale) - scaleOffset
	if !(estimate < math.MaxInt64) {
		return 0, false
	}
	return int64(max(estimate, 0)), true
}

// ratio returns actual / typical; a typical number below one byte counts as one.
func ratio(f *detector.Finding) float64 {
	return float64(f.Actual) / float64(max(f.Typical, 1))
}

func size(bytes int64) string { return bytesize.Size(bytes).Human() }

// digits writes a number that is not negative with two significant digits, without an exponent.
func digits(x float64) string {
	if !(x > 0) || math.IsInf(x, 1) {
		return "0"
	}
	decimals := 1 - int(math.Floor(math.Log10(x)))
	if decimals <= 0 {
		unit := math.Pow10(-decimals)
		return strconv.FormatFloat(math.Round(x/unit)*unit, 'f', 0, 64)
	}
	text := strconv.FormatFloat(x, 'f', decimals, 64)
	if decimals > 1 || strings.HasSuffix(text, ".0") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// percent writes a share of 0..1.
func percent(share float64) string {
	switch p := 100 * share; {
	case p < 0.1:
		return "less than 0.1 %"
	case p >= 10:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	default:
		return digits(p) + " %"
	}
}

// elapsed writes a duration for a sentence: 20 s, 40 min, 2.5 h.
func elapsed(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return strconv.FormatFloat(math.Max(1, math.Round(d.Seconds())), 'f', 0, 64) + " s"
	case d < 90*time.Minute:
		return strconv.FormatFloat(math.Round(d.Minutes()), 'f', 0, 64) + " min"
	}
	return strings.TrimSuffix(strconv.FormatFloat(d.Hours(), 'f', 1, 64), ".0") + " h"
}

// finite keeps a number that is none, or has no end, out of a record.
func finite(x float64) float64 {
	if math.IsNaN(x) {
		return 0
	}
	return min(max(x, -math.MaxFloat64), math.MaxFloat64)
}
