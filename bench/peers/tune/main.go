// Command tune finds the best fixed setting of every peer on traffic that is kept for tuning: the
// organisations of seeds 1 to 3, over six weeks each, with thefts of the whole catalogue. It prints a table of what peers.All holds as tuned.
//
//	go run ./bench/peers/tune [peer]
//
// Best is the highest recall at one false alarm a week and rule, at equal recall the highest average precision, at
// equal precision the setting that is listed first.
package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/flow"
)

const seeds = 3

func main() {
	if err := run(strings.Join(os.Args[1:], " ")); err != nil {
		fmt.Fprintln(os.Stderr, "tune:", err)
		os.Exit(1)
	}
}

func run(peer string) error {
	var plays []*play
	for s := range uint64(seeds) {
		p, err := newPlay(s + 1)
		if err != nil {
			return err
		}
		plays = append(plays, p)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "peer\tsettings tried\tbest\tthreshold\trecall at 1 a week and rule\taverage precision\tns a flow")
	for _, c := range grid() {
		if peer != "" && c.peer != peer {
			continue
		}
		best, cost := search(plays, c.all)
		fmt.Fprintf(w, "%s\t%d\t%s\t%.6g\t%.3f\t%.3f\t%d\n",
			c.peer, len(c.all), best.name, best.threshold, best.recall, best.precision, cost.Nanoseconds())
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// outcome is how well one setting does over all plays.
type outcome struct {
	name      string
	threshold float64 // the highest of those that find most within the budget; 0 where none is
	recall    float64 // at it
	precision float64 // average
}

func (o outcome) better(than outcome) bool {
	return cmp.Or(cmp.Compare(o.recall, than.recall), cmp.Compare(o.precision, than.precision)) > 0
}

// search tries all settings and returns the best, and the mean cost of a flow.
func search(plays []*play, all []func() score.Method) (best outcome, cost time.Duration) {
	best.recall = -1
	flows := 0
	for _, newMethod := range all {
		var curves []score.Curve
		name := ""
		for _, p := range plays {
			m := newMethod()
			began := time.Now()
			m.Observe(p.flows)
			m.Finish(p.plan.End())
			cost += time.Since(began)
			flows += len(p.flows)
			curves, name = append(curves, score.Sweep(m, p.trial())), m.Name()
		}
		if o := measure(name, score.NewResult(curves)); o.better(best) {
			best = o
		}
	}
	return best, cost / time.Duration(max(flows, 1))
}

// budget is the false alarms a week of each rule.
const budget = 1

func measure(name string, r *score.Result) outcome {
	o := outcome{name: name}
	o.precision, _ = r.AveragePrecision()
	if s, ok := r.AtRate(budget, score.EachRule); ok {
		o.threshold, o.recall = s.Threshold, s.Recall(score.All).Mean
	}
	return o
}

// play is one organisation's flows and what was stolen from it.
type play struct {
	plan   traffic.Plan
	flows  []flow.Flow
	labels score.Labels
}

func newPlay(seed uint64) (*play, error) {
	monday := time.Date(2025, 3, 3, 0, 0, 0, 0, time.UTC)
	plan, err := traffic.Organisation(seed, traffic.Options{Start: monday, Days: days})
	if err != nil {
		return nil, err
	}
	kinds, err := traffic.Catalogue()
	if err != nil {
		return nil, err
	}
	p := &play{}
	p.plan, _, err = traffic.Place(plan, kinds, monday.Add(quiet), plan.End(), thefts, seed)
	if err != nil {
		return nil, err
	}
	records, err := p.plan.Flows()
	if err != nil {
		return nil, err
	}
	scope := flow.NewScope(nil)
	for l := range records {
		var f flow.Flow
		if scope.Resolve(&l.Record, &f) != flow.Leaves {
			continue
		}
		p.flows = append(p.flows, f)
		if l.Theft != "" {
			p.labels.Add(l.Theft, &f)
		}
	}
	return p, nil
}

const (
	days   = 42
	quiet  = 14 * day // at the beginning, without thefts
	thefts = 32       // as many as a plan may have
	warmUp = 7 * day
)

func (p *play) trial() *score.Trial {
	return &score.Trial{From: p.plan.Start.Add(warmUp).UnixNano(), To: p.plan.End().UnixNano(), Thefts: p.labels.Truths()}
}
