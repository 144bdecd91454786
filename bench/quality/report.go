package main

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
)

// write puts the results and the charts into a directory.
func (m *measurement) write(dir string) error {
	files := m.charts()
	files["RESULTS.md"] = m.report()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fastTheft is the rate from which on delay and loss are promised, bytes an hour.
const fastTheft = 100e6

// report is the text of RESULTS.md.
func (m *measurement) report() []byte {
	var b bytes.Buffer
	m.introduction(&b)
	m.headline(&b)
	b.WriteString("![Recall against false alarms](recall.svg)\n\n![Delay against size](delay.svg)\n\n")
	m.overfit(&b)
	m.byKind(&b)
	m.bySampledKind(&b)
	m.parts(&b)
	m.onClean(&b)
	m.promises(&b)
	m.patience(&b)
	m.blindSpots(&b)
	return b.Bytes()
}

func (m *measurement) introduction(b *bytes.Buffer) {
	trials := m.heldOut[0].Curves
	thefts := 0
	for _, c := range trials {
		thefts += len(c.Trial.Thefts)
	}
	fmt.Fprintf(b, `# Does it detect?

`+"`make quality`"+` writes this file and its charts; the same source writes the same digits. The traffic is made by
`+"`bench/traffic`"+`, the figures are defined in `+"`bench/score`"+`, the other methods stand in `+"`bench/peers`"+`.

What was played, unless a table says otherwise: %d organisations of %d hosts (seeds %s, which nothing was tuned on), %d days each, with
%d thefts of the catalogue in all from day %d on. Methods learn for %d days; alarms count from then on. An alarm finds a theft if it names its port
or its region between its first byte and %s after its last; alarms about one entity within 24 h are one false alarm at most.
A figure in brackets is the spread over the organisations, lowest to highest.

`, len(trials), contestHosts, seedNames(trials), contestDays, thefts, int(theftsFrom/day), int(warmUp/day), short(score.Grace))
}

func seedNames(trials []score.Curve) string {
	names := make([]string, len(trials))
	for i, c := range trials {
		names[i] = strings.TrimPrefix(c.Trial.Name, "seed ")
	}
	return strings.Join(names, ", ")
}

func (m *measurement) headline(b *bytes.Buffer) {
	b.WriteString(`## Methods

*Tuned* methods have the settings and the threshold that did best on the tuning seeds; the others are as their description has them. The
product is not tuned. *As set* is at the threshold that the method comes with, or was tuned to.
The columns "at .5 … 5 a week" show the recall at the best threshold that an oracle could choose with so many false alarms
a week and rule.

| method | average precision | at .5 | at 1 | at 2 | at 5 a week and rule | at 1 a week, both rules | as set: recall | false alarms a week, both rules | delay | bytes lost | delay, ≥ 100 MB/h | lost, ≥ 100 MB/h | thief named |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`)
	for i := range m.heldOut {
		e := &m.heldOut[i]
		ap, spread := e.AveragePrecision()
		set := e.At(e.threshold)
		fmt.Fprintf(b, "| %s | %s [%s–%s] |", e.title(), share(ap), share(spread.Min), share(spread.Max))
		for _, rate := range []float64{0.5, 1, 2, 5} {
			fmt.Fprintf(b, " %s |", share(e.RecallAtRate(rate, score.EachRule).Mean))
		}
		fmt.Fprintf(b, " %s | %s | %s |", share(e.RecallAtRate(1, score.Together).Mean), withSpread(set.Recall(score.All), share), withSpread(set.FalseAlarms(), number))
		fmt.Fprintf(b, " %s | %s | %s | %s | %s |\n", delay(&set, score.All), lost(&set, score.All),
			delay(&set, score.Faster(fastTheft)), lost(&set, score.Faster(fastTheft)), thiefNamed(&set))
	}
	b.WriteString("\n")
	for i := range m.heldOut {
		if e := &m.heldOut[i]; e.degenerate {
			fmt.Fprintf(b, "**%s raised no two alarms of different scores in a trial.**\n\n", e.title())
		}
	}
}

// title names the entry in a table.
func (e *entry) title() string {
	switch {
	case e.threshold == engine.DefaultThreshold && e.name == productName:
		return "**" + e.name + "**"
	case e.tuned:
		return e.name + ", tuned"
	}
	return e.name
}

func (m *measurement) overfit(b *bytes.Buffer) {
	b.WriteString(`## Tuning seeds and held-out seeds

Whoever was fitted to the tuning seeds does better on them.

| method | average precision, tuning | held out | recall at 1 a week and rule, tuning | held out |
|---|---|---|---|---|
`)
	for i := range m.heldOut {
		t, h := &m.tuning[i], &m.heldOut[i]
		before, _ := t.AveragePrecision()
		after, _ := h.AveragePrecision()
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", h.title(), share(before), share(after),
			share(t.RecallAtRate(1, score.EachRule).Mean), share(h.RecallAtRate(1, score.EachRule).Mean))
	}
	b.WriteString("\n")
}

// leaders are the product and the best of the others by average precision.
func leaders(entries []entry, n int) []*entry {
	var others []*entry
	for i := 1; i < len(entries); i++ {
		others = append(others, &entries[i])
	}
	slices.SortStableFunc(others, func(a, b *entry) int {
		x, _ := a.AveragePrecision()
		y, _ := b.AveragePrecision()
		return cmp.Compare(y, x)
	})
	return append([]*entry{&entries[0]}, others[:min(n, len(others))]...)
}

func (m *measurement) byKind(b *bytes.Buffer) {
	best := leaders(m.heldOut, 3)
	fmt.Fprintf(b, "## Kinds of theft\n\nRecall, with the median delay and the median of the bytes lost until then. The product stands as set, at %d, and at its own "+
		"best threshold with one false alarm a week and rule, as do the best three of the others.\n\n| kind | thefts | %s, as set | lost |", engine.DefaultThreshold, productName)
	for _, e := range best {
		fmt.Fprintf(b, " %s |", e.title())
	}
	b.WriteString("\n|---|---|---|---|" + strings.Repeat("---|", len(best)) + "\n")
	set := best[0].At(best[0].threshold)
	for _, kind := range kinds(&set) {
		pick := score.Kind(kind)
		_, of := set.Count(pick)
		fmt.Fprintf(b, "| %s | %d | %s | %s |", strings.ReplaceAll(kind, "_", " "), of, recallAndDelay(&set, pick), lost(&set, pick))
		for _, e := range best {
			if s, ok := e.AtRate(1, score.EachRule); ok {
				fmt.Fprintf(b, " %s |", recallAndDelay(&s, pick))
			} else {
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

func recallAndDelay(s *score.Setting, pick score.Filter) string {
	found, of := s.Count(pick)
	if found == 0 {
		return share(0)
	}
	return share(float64(found)/float64(of)) + ", " + delay(s, pick)
}

// kinds lists the kinds of the thefts, sorted.
func kinds(s *score.Setting) []string {
	var all []string
	s.Each(func(t *score.Truth, _ *score.Detection) { all = append(all, t.Kind) })
	slices.Sort(all)
	return slices.Compact(all)
}

func (m *measurement) onClean(b *bytes.Buffer) {
	fmt.Fprintf(b, `## Traffic without thefts

False alarms a week and rule of the product at %d, after the warm-up. The budget, one a week and rule, is what the score promises; the aim is a
third of it to the whole of it. Harmless look-alikes (travel, video calls, full backups, new services) are part of the traffic. *Entities* are those that the
product held at the end, of both rules' keys and of the finer ones.

| organisation | seeds | entities | a week and rule | port | region |
|---|---|---|---|---|---|
`, engine.DefaultThreshold)
	for i := range m.clean {
		q := &m.clean[i]
		mean, by := q.rate()
		fmt.Fprintf(b, "| %s | %d | %s | %s | %s | %s |\n", q.name, len(q.Curves), withSpread(q.held(), count), withSpread(mean, number), number(by[0].Mean), number(by[1].Mean))
	}
	b.WriteString("\n")
}

func (m *measurement) promises(b *bytes.Buffer) {
	b.WriteString(`## What a score promises

The false alarms a week and rule that the product states for a score, and those that came from the organisations of 60 hosts without thefts.

| score | stated | came | alarms |
|---|---|---|---|
`)
	for _, p := range m.calibration() {
		fmt.Fprintf(b, "| %g | %s | %s | %d |\n", p.Threshold, number(p.Stated), number(p.Observed), p.Count)
	}
	b.WriteString("\n![What a score promises](calibration.svg)\n\n")
}

// calibration is that of the plain organisations.
func (m *measurement) calibration() []score.Promise {
	i := slices.IndexFunc(m.clean, func(q quiet) bool { return q.name == plainClean })
	return score.Promises(m.clean[i].Result, engine.Stated)
}

func (m *measurement) patience(b *bytes.Buffer) {
	fmt.Fprintf(b, `## Patience, poison and change

The product at %d. Each situation is played in every held-out organisation, from its fourth week on. Delays count from the first byte of what is
stolen, or changes.

| what happens | wanted | found | median delay | longest | alerts, most | last alert after, most |
|---|---|---|---|---|---|---|
`, engine.DefaultThreshold)
	for i, s := range m.situations {
		var delays []time.Duration
		alerts, last := 0, time.Duration(0)
		for _, o := range m.outcomes[i] {
			if o.Found {
				delays = append(delays, o.Delay)
			}
			alerts, last = max(alerts, o.alerts), max(last, o.last)
		}
		middle, longest := "–", "–"
		if len(delays) > 0 {
			slices.Sort(delays)
			middle, longest = short(delays[(len(delays)-1)/2]), short(delays[len(delays)-1])
		}
		fmt.Fprintf(b, "| %s | %s | %d of %d | %s | %s | %d | %s |\n", s.name, s.want, len(delays), len(m.outcomes[i]), middle, longest, alerts, short(last))
	}
	b.WriteString("\n")
}

func withSpread(s score.Spread, text func(float64) string) string {
	if s.Min == s.Max {
		return text(s.Mean)
	}
	return fmt.Sprintf("%s [%s–%s]", text(s.Mean), text(s.Min), text(s.Max))
}

// share writes a figure of 0..1.
func share(v float64) string { return fmt.Sprintf("%.3f", v) }

// number writes a figure to two significant digits or two decimals.
func number(v float64) string {
	if v >= 10 {
		return fmt.Sprintf("%.0f", v)
	}
	if v > 0 && v < 0.1 {
		return fmt.Sprintf("%.2g", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// count writes a number of things.
func count(v float64) string {
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func delay(s *score.Setting, pick score.Filter) string {
	d, ok := s.MedianDelay(pick)
	if !ok {
		return "–"
	}
	return short(d)
}

func lost(s *score.Setting, pick score.Filter) string {
	v, ok := s.MedianLost(pick)
	if !ok {
		return "–"
	}
	return size(v)
}

func thiefNamed(s *score.Setting) string {
	v, ok := s.HostAccuracy()
	if !ok {
		return "–"
	}
	return share(v)
}

// short writes a duration in the largest unit that leaves two digits.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 2*day:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
	return fmt.Sprintf("%.1f d", d.Hours()/24)
}

// size writes bytes.
func size(v float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for v >= 999.5 && i < len(units)-1 {
		v /= 1000
		i++
	}
	if v < 9.95 && i > 0 {
		return fmt.Sprintf("%.1f %s", v, units[i])
	}
	return fmt.Sprintf("%.0f %s", math.Round(v), units[i])
}
