package main

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/bench/load"
)

// goal is how many per cent exfil may add to the processor time that a record takes at saturation.
const goal = 5

// figure is a row of the table: one thing that was measured of each collector in each round.
type figure struct {
	label  string
	digits int
	of     func(r *result) float64
}

func figures(rate int) []figure {
	fixed := fmt.Sprintf("at %s records a second", thousands(int64(rate)*load.BatchRecords))
	return []figure{
		{"processor time a record at saturation, µs", 2, func(r *result) float64 { return r.saturated.perRecord() }},
		{"records a second and core at saturation", 0, func(r *result) float64 { return 1e6 / r.saturated.perRecord() }},
		{"records a second at saturation, beside the sender", 0, perSecond},
		{"processor time a record " + fixed + ", µs", 2, func(r *result) float64 { return r.paced.perRecord() }},
		{"a batch " + fixed + ", median, ms", 2, func(r *result) float64 { return milliseconds(percentile(r.latencies, 0.5)) }},
		{"p99, ms", 2, func(r *result) float64 { return milliseconds(percentile(r.latencies, 0.99)) }},
		{"resident memory in the end, MB", 0, func(r *result) float64 { return float64(r.memory.resident) / 1e6 }},
		{"resident memory at most, MB", 0, func(r *result) float64 { return float64(r.memory.peak) / 1e6 }},
	}
}

// perRecord is microseconds of processor time.
func (w *work) perRecord() float64 {
	return float64(w.processor.Nanoseconds()) / 1e3 / float64(w.records)
}

// perSecond is records a second by the clock.
func (w *work) perSecond() float64 { return float64(w.records) / w.elapsed.Seconds() }

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

// table is the report.
func (m *measurement) table() string {
	var b strings.Builder
	b.WriteString(preface)
	b.WriteString("| | without exfil | with exfil | with ÷ without |\n|---|---|---|---|\n")
	for _, f := range figures(m.rate) {
		without, with := values(m.without, f.of), values(m.with, f.of)
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.label,
			spread(without, f.digits), spread(with, f.digits), spread(quotients(with, without), 3))
	}
	without, with := milliseconds(together(m.without)), milliseconds(together(m.with))
	fmt.Fprintf(&b, "| p99.9 of the batches of all rounds, ms | %.2f | %.2f | %.3f |\n", without, with, with/without)
	fmt.Fprintf(&b, "\n%s\n\n%s", m.verdict(), m.circumstances())
	return b.String()
}

const preface = `# The whole collector

What exfil costs a collector that takes records over OTLP/gRPC and delivers them nowhere: one with exfil and one without, which run at a
time and are sent the same records in turn. Written by ` + "`make bench-collector`" + `. Each figure is the median of the rounds, in brackets the least and the
most; ratios are those within a round.

`

// verdict says whether the goal is met.
func (m *measurement) verdict() string {
	perRecord := func(r *result) float64 { return r.saturated.perRecord() }
	added := quotients(values(m.with, perRecord), values(m.without, perRecord))
	for i := range added {
		added[i] = (added[i] - 1) * 100
	}
	answer := "does not hold"
	if median(added) <= goal {
		answer = "holds"
	}
	return fmt.Sprintf("Goal: exfil adds at most %d %% to the processor time of a record at saturation. It adds %s %%: **%s**.", goal, spread(added, 1), answer)
}

// circumstances say what ran, and how it was measured.
func (m *measurement) circumstances() string {
	var sum counts
	for i := range m.with {
		sum.received += m.with[i].counts.received + m.without[i].counts.received
		sum.windows += m.with[i].counts.windows - int64(m.learned)
		sum.alerts += m.with[i].counts.alerts
		sum.late += m.with[i].counts.late
	}
	least := slices.Min(append(values(m.with, perSecond), values(m.without, perSecond)...))
	var b strings.Builder
	fmt.Fprintf(&b, "## How\n\n- %d rounds in %s on %s/%s with %d cores; the collector is built with %s.\n",
		m.rounds, m.took.Round(time.Second), runtime.GOOS, runtime.GOARCH, m.cores, m.built)
	fmt.Fprintf(&b, turnsText, m.duration, 2*m.cores, float64(m.rate*load.BatchRecords)/least*100, turns)
	b.WriteString(measuresText)
	fmt.Fprintf(&b, recordsText, thousands(sum.received), thousands(load.BatchRecords), thousands(int64(len(m.batches[0].encoded))))
	fmt.Fprintf(&b, exfilText, thousands(entities), m.learned, perWindow, sum.windows, sum.alerts, sum.late)
	return b.String()
}

const turnsText = `- In each round both collectors are started anew, and each is measured for %s: a third of it at saturation, that is %d senders that wait for
  nothing but their answers, and the rest at the fixed load, which is %.0f %% of the least that one took at saturation in a round. They take
  turns, %d times at either, and who is first changes. The senders run on the same cores.
`

const measuresText = `- Processor time is the user's and the system's of the collector's process (/proc/PID/stat), of which a core has a second each second: records a
  second and core are its reciprocal.
- The latency of a batch counts from the moment at which it was due, not from that at which it was sent: what stalls is not hidden by
  who waits for it.
- Memory is VmRSS when all is sent, and VmHWM.
`

const recordsText = `- %s records were sent in batches of %s, encoded before (%s bytes a batch, not compressed), of fifteen ECS attributes that bring
  their region. Every record was accepted, and read by exfil.
`

const exfilText = `- exfil has its defaults, knows some %s entities and has learned %d windows before it is measured. Event time runs faster than the clock: three
  hours, which are a window, are %d batches. Measured were the ends of %d windows; %d alerts; %d flows too late to count.
`

func perSecond(r *result) float64 { return r.saturated.perSecond() }

func values(results []result, of func(r *result) float64) []float64 {
	all := make([]float64, len(results))
	for i := range results {
		all[i] = of(&results[i])
	}
	return all
}

// quotients divides round by round.
func quotients(of, by []float64) []float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / by[i]
	}
	return all
}

// spread is the median, the least and the most.
func spread(values []float64, digits int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, median(values), digits, slices.Min(values), digits, slices.Max(values))
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// together is the latency that one batch in a thousand of all rounds exceeds: one round has too few to say.
func together(results []result) time.Duration {
	var all []time.Duration
	for i := range results {
		all = append(all, results[i].latencies...)
	}
	return percentile(all, 0.999)
}

// percentile is the least value that a share of all does not exceed.
func percentile(values []time.Duration, share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, int(math.Ceil(share*float64(len(sorted))))-1)]
}

// thousands is a number with a comma before each three digits.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
