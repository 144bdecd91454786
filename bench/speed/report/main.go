// Command report makes bench/SPEED.md of what the benchmarks of package speed print, several runs of which it reads from its standard
// input. Ratios are those within a run: what else the machine does then weighs on both of their parts.
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// fewest is how many runs make a table: with fewer there is no interval of 95 % confidence.
const fewest = 6

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	m, err := read(in)
	if err != nil {
		return err
	}
	text, err := m.tables()
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}

// measured is what was measured, by the names of benchmarks without what stands before the first slash.
type measured struct {
	names  []string             // in the order in which they ran
	times  map[string][]float64 // seconds a record
	allocs map[string][]float64 // a record
	bytes  map[string][]float64 // an entity
}

func read(in io.Reader) (*measured, error) {
	m := &measured{times: map[string][]float64{}, allocs: map[string][]float64{}, bytes: map[string][]float64{}}
	r := benchfmt.NewReader(in, "standard input")
	for r.Scan() {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		name := nameOf(result)
		if bytes, ok := result.Value("B/entity"); ok {
			m.bytes[name] = append(m.bytes[name], bytes)
			continue
		}
		time, timed := result.Value("sec/record")
		if !timed {
			return nil, fmt.Errorf("%s tells no ns/record", name)
		}
		allocs, _ := result.Value("allocs/record")
		if !slices.Contains(m.names, name) {
			m.names = append(m.names, name)
		}
		m.times[name] = append(m.times[name], time)
		m.allocs[name] = append(m.allocs[name], allocs)
	}
	return m, r.Err()
}

// nameOf leaves out the number of processors.
func nameOf(r *benchfmt.Result) string {
	_, parts := r.Name.Parts()
	var kept []string
	for _, p := range parts {
		if p[0] == '/' {
			kept = append(kept, string(p[1:]))
		}
	}
	return strings.Join(kept, "/")
}

// table is one of the report: rows of benchmarks, all held against one of them.
type table struct {
	title, text string
	column      string // what the rows are called
	rows        []row
}

type row struct {
	label     string
	name      string
	against   []string // benchmarks that it is divided by, one for each column of ratios
	highlight bool
}

func (m *measured) tables() (string, error) {
	var b strings.Builder
	b.WriteString(preface)
	if err := m.writeGoals(&b); err != nil {
		return "", err
	}
	for _, t := range layout() {
		if err := m.write(&b, &t); err != nil {
			return "", err
		}
	}
	if err := m.writeMemory(&b); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (m *measured) write(b *strings.Builder, t *table) error {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| %s | ns a record | allocations a record |", t.title, t.text, t.column)
	for _, against := range t.rows[0].against {
		fmt.Fprintf(b, " × %s |", lastValue(against))
	}
	fmt.Fprintf(b, "\n|---|---|---|%s\n", strings.Repeat("---|", len(t.rows[0].against)))
	for _, r := range t.rows {
		times, err := enough(m.times, r.name)
		if err != nil {
			return err
		}
		cells := []string{r.label, interval(scaled(times, 1e9), 0), fmt.Sprintf("%.2f", summary(m.allocs[r.name]).Center)}
		for _, against := range r.against {
			ratios, err := quotients(times, m.times[against])
			if err != nil {
				return fmt.Errorf("%s against %s: %w", r.name, against, err)
			}
			cells = append(cells, interval(ratios, 3))
		}
		if r.highlight {
			for i := range cells {
				cells[i] = "**" + cells[i] + "**"
			}
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
	return nil
}

// enough returns what was measured of a benchmark, if it was measured often enough.
func enough(all map[string][]float64, name string) ([]float64, error) {
	values := all[name]
	if len(values) < fewest {
		return nil, fmt.Errorf("%s was measured %d times; %d are needed", name, len(values), fewest)
	}
	return values, nil
}

// writeMemory writes the table of what an entity takes.
func (m *measured) writeMemory(b *strings.Builder) error {
	b.WriteString(memoryPreface)
	for _, r := range memory() {
		bytes, err := enough(m.bytes, r.name)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "| %s | %s |\n", r.label, interval(bytes, 0))
	}
	return nil
}

func lastValue(name string) string {
	return strings.ReplaceAll(name[strings.LastIndexByte(name, '=')+1:], "_", " ")
}

func summary(values []float64) benchmath.Summary {
	return benchmath.AssumeNothing.Summary(benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds), 0.95)
}

// interval is the median and the bounds of its interval of 95 % confidence.
func interval(values []float64, digits int) string {
	s := summary(values)
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, s.Center, digits, s.Lo, digits, s.Hi)
}

func scaled(values []float64, by float64) []float64 {
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = v * by
	}
	return all
}

// quotients divides run by run.
func quotients(of, by []float64) ([]float64, error) {
	if len(of) != len(by) {
		return nil, fmt.Errorf("%d runs and %d", len(of), len(by))
	}
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / by[i]
	}
	return all, nil
}
