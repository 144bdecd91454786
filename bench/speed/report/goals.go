package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// goal is what exfil is to keep to, and where that is measured.
type goal struct {
	text    string
	bound   float64
	least   bool // the bound is the least that is well, not the most
	digits  int
	measure func(m *measured) ([]float64, error) // run by run
}

// ecsUnmarshal is what the cost of anything is held against.
const ecsUnmarshal = "format=ecs/way=unmarshal"

func goals() []goal {
	var all []goal
	for _, way := range []struct{ name, text string }{
		{"exfil", "both rules with their keys, ECS, 10,000 entities"},
		{"exfil_learned", "the same, learned"},
	} {
		of := "format=ecs/way=" + way.name
		all = append(all,
			goal{way.text + ": at most 1.5 × one bare pass over the attributes", 1.5, false, 3, ratio(of, "format=ecs/way=pass")},
			goal{way.text + ": at most 0.08 × the OTLP unmarshal", 0.08, false, 3, ratio(of, ecsUnmarshal)})
		for _, rival := range []string{"attributes", "transform", "group_by_attrs"} {
			all = append(all, goal{way.text + ": less than " + rival, 1, false, 3, ratio(of, "format=ecs/way="+rival)})
		}
	}
	return append(all,
		goal{"OBI's counters: less than cumulative_to_delta", 1, false, 3, ratio("format=obi/way=exfil", "format=obi/way=cumulative_to_delta")},
		goal{"a region from the database, Zipf addresses: adds at most 0.03 × the unmarshal", 0.03, false, 3, added("with=city_database_zipf", "with=city_of_event_zipf")},
		goal{"a third rule: adds at most 0.02 × the unmarshal", 0.02, false, 3, added("with=third_rule", "with=nothing")},
		goal{"a fourth rule: adds at most 0.02 × the unmarshal", 0.02, false, 3, added("with=third_and_fourth_rule", "with=third_rule")},
		// What is pooled is made anew when the collector of garbage has taken it: some allocations a batch at worst.
		goal{"no allocations a record, in any format and with all that is configured: 0.00", 0.005, false, 4, mostAllocations},
		goal{"1,000,000 entities: at most 3 × 1,000", 3, false, 2, ratio("entities=1000000", "entities=1000")},
		goal{"two senders on two cores: at least 1.8 × one", 1.8, true, 2, ratio("senders=1", "senders=2")},
		goal{"the same, held against two senders that share nothing: at least 0.9 ×", 0.9, true, 2, ratio("senders=2_apart", "senders=2")},
		goal{"a million entities without season table: at most 150 bytes each", 150, false, 0, func(m *measured) ([]float64, error) {
			return enough(m.bytes, memory()[0].name)
		}},
	)
}

// ratio is how many times as long a record takes as in another benchmark.
func ratio(of, by string) func(m *measured) ([]float64, error) {
	return func(m *measured) ([]float64, error) {
		a, errA := enough(m.times, of)
		b, errB := enough(m.times, by)
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		return quotients(a, b)
	}
}

// added is how much longer a record takes than in another benchmark, as a share of what unmarshal takes.
func added(of, to string) func(m *measured) ([]float64, error) {
	return func(m *measured) ([]float64, error) {
		a, errA := ratio(of, ecsUnmarshal)(m)
		b, errB := ratio(to, ecsUnmarshal)(m)
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		all := make([]float64, len(a))
		for i := range a {
			all[i] = a[i] - b[i]
		}
		return all, nil
	}
}

// mostAllocations is, run by run, that of all benchmarks of exfil which allocates most a record.
func mostAllocations(m *measured) ([]float64, error) {
	var most []float64
	for _, t := range layout() {
		for _, r := range t.rows {
			if strings.Contains(r.name, "way=") && !strings.Contains(r.name, "way=exfil") {
				continue
			}
			allocs, err := enough(m.allocs, r.name)
			if err != nil {
				return nil, err
			}
			if most == nil {
				most = slices.Clone(allocs)
			}
			if len(allocs) != len(most) {
				return nil, fmt.Errorf("%s: %d runs, and %d of others", r.name, len(allocs), len(most))
			}
			for i := range most {
				most[i] = max(most[i], allocs[i])
			}
		}
	}
	return most, nil
}

// verdict says whether the median keeps to the goal, and whether its interval leaves that open.
func (g *goal) verdict(values []float64) string {
	s := summary(values)
	keeps := func(v float64) bool { return v <= g.bound && !g.least || v >= g.bound && g.least }
	answer := "no"
	if keeps(s.Center) {
		answer = "yes"
	}
	if keeps(s.Lo) != keeps(s.Hi) {
		answer += ", narrowly"
	}
	return answer
}

// writeGoals writes each goal, what was measured, and whether it is kept.
func (m *measured) writeGoals(b *strings.Builder) error {
	b.WriteString(goalsPreface)
	for _, g := range goals() {
		values, err := g.measure(m)
		if err != nil {
			return fmt.Errorf("%s: %w", g.text, err)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", g.text, interval(values, g.digits), g.verdict(values))
	}
	return nil
}
