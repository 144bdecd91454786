package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/bytesize"
)

// report prints the alerts, one of them in full, and where to go from here.
func report(out io.Writer, f files, alerts []alert, all []sought) {
	fmt.Fprintf(out, "\nTwo thefts were hidden among the flows:\n")
	for _, s := range all {
		t := s.theft
		fmt.Fprintf(out, "  %s  %s sends %s to port %d in %s, %s: %s\n",
			t.Start.Format(clock), t.Host, human(t.Bytes), t.Port, t.Region, t.Name, noticed(alerts, s))
	}
	if len(alerts) == 0 {
		fmt.Fprintf(out, "\nThe collector raised no alert.\n")
		return
	}
	fmt.Fprintf(out, "\nThe collector's alerts, each sent with the record that made it too much; bytes are those until then:\n\n")
	table(out, alerts)
	fmt.Fprintf(out, "\nOne of them in full:\n\n")
	inFull(out, alerts, all)
	fmt.Fprintf(out, next, f.alerts(), f.flows(), f.config)
}

const (
	clock = "Mon 2006-01-02 15:04"
	next  = `
Next:
  %s has every alert as OTLP JSON; %s has the flows.
  Your own logs: copy %s, point file_log at them, and run
    .build/collector/otelcol-exfil-minimal --config <your copy>
  It recognises the common flow formats by itself; examples/ has a configuration for each.
  A collector with more receivers and exporters: make build
`
)

// noticed says how long after its start a theft was noticed.
func noticed(alerts []alert, s sought) string {
	i := slices.IndexFunc(alerts, func(a alert) bool { return a.answers(s) })
	if i < 0 {
		return "not noticed"
	}
	return "noticed after " + alerts[i].time.Sub(s.theft.Start).Round(time.Second).String()
}

func human(bytes int64) string { return bytesize.Size(bytes).Human() }

func table(out io.Writer, alerts []alert) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  time\trule\tunusual\tbytes\tusual at most\tratio\tscore\twho")
	for _, a := range alerts {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t%s\t%.0f\t%s\n",
			a.time.Format(clock), ruleOf(a), a.entity, human(a.actual), human(a.usual), times(float64(a.actual)/float64(max(a.usual, 1))), a.score, who(a.hosts))
	}
	_ = w.Flush() // out's own errors would have shown before
}

func ruleOf(a alert) string {
	if a.update {
		return a.rule + " (update)"
	}
	return a.rule
}

func times(ratio float64) string {
	if ratio < 10 {
		return fmt.Sprintf("%.1f×", ratio)
	}
	return fmt.Sprintf("%.0f×", ratio)
}

func who(hosts []string) string {
	switch len(hosts) {
	case 0:
		return "?"
	case 1:
		return hosts[0]
	default:
		return fmt.Sprintf("%s and %d more", hosts[0], len(hosts)-1)
	}
}

// inFull prints the first alert that was sought, or else the first of all.
func inFull(out io.Writer, alerts []alert, all []sought) {
	i := slices.IndexFunc(alerts, func(a alert) bool {
		return slices.ContainsFunc(all, a.answers)
	})
	a := alerts[max(i, 0)]
	r := a.record
	fmt.Fprintf(out, "  %s\n\n", a.sentence)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  EventName\t%s\n", r.EventName())
	fmt.Fprintf(w, "  Timestamp\t%s\n", a.time.Format(time.RFC3339Nano))
	fmt.Fprintf(w, "  Severity\t%s (%s)\n", r.SeverityText(), r.SeverityNumber())
	_ = w.Flush()
	attributes(out, r.Attributes())
}

// textWidth is how many columns a line of text may take.
const textWidth = 100

// attributes prints a record's attributes by their names. A long text starts on a line of
// its own.
func attributes(out io.Writer, m pcommon.Map) {
	keys := make([]string, 0, m.Len())
	width := 0
	for key := range m.All() {
		keys = append(keys, key)
		width = max(width, len(key))
	}
	slices.Sort(keys)
	for _, key := range keys {
		v, _ := m.Get(key)
		text := v.AsString()
		if v.Type() != pcommon.ValueTypeStr || len(text) <= textWidth && !strings.Contains(text, "\n") {
			fmt.Fprintf(out, "  %-*s  %s\n", width, key, text)
			continue
		}
		fmt.Fprintf(out, "  %s\n", key)
		for line := range strings.Lines(text) {
			wrap(out, "      ", line)
		}
	}
}

// wrap prints a paragraph in lines of at most textWidth columns, unless a word is longer.
func wrap(out io.Writer, indent, paragraph string) {
	line := indent
	for _, word := range strings.Fields(paragraph) {
		if line != indent && len(line)+1+len(word) > textWidth {
			fmt.Fprintln(out, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}
