package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
)

// wrongAlarm is a false alarm of the product.
type wrongAlarm struct {
	rule int // index in score.Rules
	engine.Reason
}

// wrongAlarms lists the false alarms of an engine at a threshold, as the trial counts them: an alarm is
// one if there is one more with it than there was before it came.
func wrongAlarms(e *engine.Engine, trial *score.Trial, threshold float64) []wrongAlarm {
	alarms, reasons := e.Alarms(threshold), e.Reasons(threshold)
	var wrong []wrongAlarm
	before := [2]int{}
	for i := range alarms {
		v := trial.Judge(alarms[:i+1])
		for rule := range v.False {
			if v.False[rule] > before[rule] {
				wrong = append(wrong, wrongAlarm{rule, reasons[i]})
			}
		}
		before = v.False
	}
	return wrong
}

// missed is a theft that the product did not find as set.
type missed struct {
	*score.Truth
	seed         string
	port, region traffic.Rarity
	found        string // the threshold at which it is found
}

// missedThefts lists what an entry did not find at its threshold, by kind and size. Where found
// at another threshold, that is told: the next below, or else the next above, whose engine has learned something else.
func missedThefts(e *entry) []missed {
	var all []missed
	for i := range e.Curves {
		c := &e.Curves[i]
		set := slices.IndexFunc(c.Points, func(p score.Point) bool { return p.Threshold <= e.threshold })
		if set < 0 {
			continue
		}
		for k := range c.Trial.Thefts {
			if c.Points[set].Detections[k].Found {
				continue
			}
			m := missed{Truth: &c.Trial.Thefts[k], seed: strings.TrimPrefix(c.Trial.Name, "seed "), found: "never"}
			for _, t := range e.thefts[i] {
				if label(&t) == m.Name {
					m.port, m.region = t.PortUse, t.RegionUse
				}
			}
			if p, ok := nextThatFinds(c.Points, set, k); ok {
				m.found = fmt.Sprintf("%g", p.Threshold)
			}
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b missed) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Bytes, b.Bytes)) })
	return all
}

// nextThatFinds is the point nearest to the one at set that finds the k-th theft, lower thresholds first.
func nextThatFinds(points []score.Point, set, k int) (score.Point, bool) {
	for _, p := range points[set:] {
		if p.Detections[k].Found {
			return p, true
		}
	}
	for _, p := range slices.Backward(points[:set]) {
		if p.Detections[k].Found {
			return p, true
		}
	}
	return score.Point{}, false
}

// blindSpots tells what the product cannot see, with the evidence.
func (m *measurement) blindSpots(b *bytes.Buffer) {
	b.WriteString(`## What it cannot see

- **Theft within what is usual.** Only bytes are looked at. Who takes no more in three hours than the port, the region, and his own share of both
  may well move at that time is not told apart from who works.
- **Theft below ` + "`min_bytes`" + ` in each window**, 1 MB by default: it never alerts, however long it goes on.
- **The hour alone.** How far ordinary windows go is calibrated over all keys of an age. Where large uploads are rare but known, those tails
  are wide, and what would be little by day does not reach 75 at night or on a Sunday, many times what the hour usually brings though it is.
- **A ramp that begins small and grows slowly.** What is not unusual is learned, and is the measure of the next step. One sender's new key is
  withheld from learning for two weeks; after that, or behind a key that others use too, a patient thief raises his own threshold.
- **A harmless newcomer from a thief.** A new service, a journey, a backup to a new place: by bytes, first uploads to places nobody went to
  before are the same thing as a theft to there. A threshold that finds all of the latter tells of the former. That
  is what most of the false alarms below are, and an exception, not a better statistic, is the remedy.
- **What was there when it came.** A theft that goes on during the warm-up is part of what is usual.
- **What carries few bytes or another label.** Tunnels over DNS or ICMP, and flows whose addresses are inside.

`)
	m.missedTable(b)
	m.wrongTable(b)
}

func (m *measurement) missedTable(b *bytes.Buffer) {
	e := &m.heldOut[0]
	all, thefts := missedThefts(e), 0
	for _, c := range e.Curves {
		thefts += len(c.Trial.Thefts)
	}
	fmt.Fprintf(b, "Of the %d held-out thefts, %d are missed at %g. *Multiple* is the busiest window over the p99 of the quieter of port and region (1 MB at least). "+
		"*Found at* is the next threshold that finds it: the highest below %g, or, where none below does, the lowest above, since each threshold learns from what it does not tell.\n\n"+
		"| kind | seed | bytes | multiple | lasts | port is | region is | found at |\n|---|---|---|---|---|---|---|---|\n", thefts, len(all), e.threshold, e.threshold)
	for _, t := range all {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", strings.ReplaceAll(t.Kind, "_", " "), t.seed, size(float64(t.Bytes)), number(t.Multiple),
			short(time.Duration(t.Last-t.First)), cmp.Or(string(t.port), "–"), cmp.Or(string(t.region), "–"), t.found)
	}
	b.WriteString("\n")
}

// young is how many windows make a key that is no newcomer any more: two days of three-hour windows.
const young = 16

// experience says how well a false alarm's key was known.
func (w wrongAlarm) experience() int {
	switch {
	case w.FirstSeen:
		return 0
	case w.Windows < young:
		return 1
	}
	return 2
}

func (m *measurement) wrongTable(b *bytes.Buffer) {
	e := &m.heldOut[0]
	wrong := slices.Clone(e.wrong)
	slices.SortStableFunc(wrong, func(a, b wrongAlarm) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(len(a.Detail), len(b.Detail)), cmp.Compare(a.key(), b.key()))
	})
	var rows []string
	counts := map[string]*[3]int{} // by row
	for _, w := range wrong {
		name := fmt.Sprintf("| %v | %s |", score.Rules()[w.rule], w.key())
		if counts[name] == nil {
			counts[name] = &[3]int{}
			rows = append(rows, name)
		}
		counts[name][w.experience()]++
	}
	fmt.Fprintf(b, "The %d false alarms at %g on the same seeds, by what was unusual: the rule's own key or a finer one, never seen before, a newcomer that was "+
		"active in fewer than %d windows, or established.\n\n"+
		"| rule | key | first seen | newcomer | established |\n|---|---|---|---|---|\n", len(wrong), e.threshold, young)
	var sum [3]int
	for _, name := range rows {
		n := counts[name]
		fmt.Fprintf(b, "%s %d | %d | %d |\n", name, n[0], n[1], n[2])
		for i := range sum {
			sum[i] += n[i]
		}
	}
	fmt.Fprintf(b, "| all | | %d | %d | %d |\n\n", sum[0], sum[1], sum[2])
}

// key names what was unusual.
func (w wrongAlarm) key() string {
	if len(w.Detail) == 0 {
		return "its own"
	}
	names := make([]string, len(w.Detail))
	for i, field := range w.Detail {
		names[i] = field.String()
	}
	return strings.Join(names, " × ")
}
