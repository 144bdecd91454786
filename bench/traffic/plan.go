// Package traffic plays an organisation: it makes the flows that its hosts would
// have with the world over days and weeks, and the thefts that somebody hid among
// them, each labelled. It is what the demo shows and what quality is measured on.
//
// [SmallOffice] is enough to show what an alert looks like. [Organisation] is what quality is
// measured on, with thefts of the [Catalogue] that [Place] puts there; and [Inject] puts
// thefts into a series that was measured somewhere real.
//
// Everything is data: a [Plan] lists groups of hosts, each group its habits and its
// jobs. A plan makes the same flows whenever it is asked, flow by flow in the order
// of time and in bounded memory. Every host draws from a stream of random numbers of
// its own, so that adding a host or a theft leaves the flows of the others as they
// were, and two plans that differ in one thing can be compared.
//
// The addresses outside are those that are reserved for benchmarks and
// documentation (RFC 2544, RFC 3849). They belong to nobody, so that no
// geographical database knows them: a record says itself where its far end is.
package traffic

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Plan says what organisation to play, for how long, and what is stolen from it.
type Plan struct {
	Seed    uint64
	Start   time.Time // a midnight; rhythms follow the clock of its location
	Days    int
	Regions []Region
	Groups  []Group
	// Probes is how many scanners a day knock from outside on a host that serves
	// clients, each on a port of its own, and are told to go away in a few bytes.
	Probes float64
	// IPv6 is the share of flows that use IPv6, 0..1.
	IPv6   float64
	Thefts []Theft
	// Errands are harmless uploads that look like thefts.
	Errands []Errand
	Trips   []Trip
	// Holidays are days on which people do as at a weekend: any instant of each day.
	Holidays []time.Time
	// Growth is by how much bytes grow a week, as a share: 0.02 is two per cent.
	Growth float64
	// Drift lets the bytes of each service wander from day to day.
	Drift Drift
}

// Labelled is a record of which it is known whether it belongs to a theft.
type Labelled struct {
	flow.Record
	Theft string // label of the theft, "" for an ordinary flow
	// Benign says why an ordinary flow may look like part of a theft: "video call",
	// "month-end job", … It is "" where nothing about the flow is out of the ordinary.
	Benign string
}

// ErrPlan is wrapped by every error about a plan that cannot be played.
var ErrPlan = errors.New("traffic plan")

// Flows returns the plan's flows in the order of their time, from Start until Days
// later. A plan that cannot be played gives an error that wraps [ErrPlan].
// The sequence may be walked through any number of times. It holds an hour's flows in
// memory, and those of the jobs and thefts that are under way.
func (p Plan) Flows() (iter.Seq[Labelled], error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	hosts := p.hosts()
	return func(yield func(Labelled) bool) {
		s := newStage(&p, hosts)
		for hour := range p.Days * hoursPerDay {
			for _, l := range s.hour(hour) {
				if !yield(l) {
					return
				}
			}
		}
	}, nil
}

const hoursPerDay = 24

// End is the instant at which the plan is over: the first that has no flow.
func (p Plan) End() time.Time { return p.Start.Add(time.Duration(p.Days) * hoursPerDay * time.Hour) }

func (p Plan) validate() error {
	switch {
	case p.Days < 1:
		return fmt.Errorf("%w: days is %d; give at least 1", ErrPlan, p.Days)
	case len(p.Regions) == 0:
		return fmt.Errorf("%w: it has no regions; give at least one", ErrPlan)
	case len(p.Regions) > maxRegions:
		return fmt.Errorf("%w: it has %d regions; the addresses suffice for %d", ErrPlan, len(p.Regions), maxRegions)
	case p.IPv6 < 0 || p.IPv6 > 1:
		return fmt.Errorf("%w: ipv6 is %g; give a share from 0 to 1", ErrPlan, p.IPv6)
	case !(p.Growth > -1):
		return fmt.Errorf("%w: growth is %g; give a share a week above -1", ErrPlan, p.Growth)
	}
	if err := p.Drift.validate(); err != nil {
		return err
	}
	if _, m, s := p.Start.Clock(); m != 0 || s != 0 || p.Start.Nanosecond() != 0 || p.Start.Hour() != 0 {
		return fmt.Errorf("%w: start is %s; give a midnight", ErrPlan, p.Start)
	}
	for _, g := range p.Groups {
		if err := g.validate(p); err != nil {
			return err
		}
	}
	names := map[string]bool{}
	for _, h := range p.hosts() {
		names[h.name] = true
	}
	for i := range p.Thefts {
		if err := p.Thefts[i].validate(&p, names, "theft"); err != nil {
			return err
		}
	}
	for i := range p.Errands {
		errand := Theft(p.Errands[i])
		if err := errand.validate(&p, names, "errand"); err != nil {
			return err
		}
	}
	for _, t := range p.Trips {
		if err := t.validate(p.Regions, names); err != nil {
			return err
		}
	}
	return nil
}

// stage is where a plan is being played: it makes one hour after the other.
type stage struct {
	plan  *Plan
	hosts []*host
	pcg   *rand.PCG
	rng   *rand.Rand
	// flows holds what this hour makes and what reaches into later ones, of which
	// the first done are this hour's and have been handed out.
	flows []Labelled
	done  int
	// order and sorted are the workspace of sort.
	order  []turn
	sorted []Labelled

	day     int  // of the plan, of the hour that is being made
	holiday bool // is that day one?
	// drifting is the factor of each service's bytes by day, for services that drift.
	drifting map[string][]float64
}

func newStage(p *Plan, hosts []*host) *stage {
	pcg := rand.NewPCG(p.Seed, 0)
	return &stage{plan: p, hosts: hosts, pcg: pcg, rng: rand.New(pcg), drifting: p.drifting()}
}

// hour returns the flows of the plan's n-th hour, sorted. They are valid until the next call.
func (s *stage) hour(n int) []Labelled {
	s.flows = append(s.flows[:0], s.flows[s.done:]...)
	start := s.plan.Start.Add(time.Duration(n) * time.Hour)
	s.day, s.holiday = n/hoursPerDay, s.plan.holiday(start)
	for _, h := range s.hosts {
		if h.away(s, start) {
			continue
		}
		s.pcg.Seed(s.plan.Seed^h.id, uint64(n))
		s.habits(h, start)
		s.jobs(h, start)
		s.probes(h, start)
	}
	for i := range s.plan.Thefts {
		s.theft(&s.plan.Thefts[i], start)
	}
	for i := range s.plan.Errands {
		s.errand(&s.plan.Errands[i], start)
	}
	s.sort()
	end := start.Add(time.Hour).UnixNano()
	s.done, _ = slices.BinarySearchFunc(s.flows, end, func(l Labelled, t int64) int { return cmp.Compare(l.Time, t) })
	return s.flows[:s.done]
}

// turn is a flow's time and its place before sorting.
type turn struct {
	time int64
	at   int
}

// sort orders the flows by time, and those of the same time as they were made. A flow is
// a large thing to move about, so each is moved once only.
func (s *stage) sort() {
	s.order, s.sorted = s.order[:0], s.sorted[:0]
	for i := range s.flows {
		s.order = append(s.order, turn{s.flows[i].Time, i})
	}
	slices.SortFunc(s.order, func(a, b turn) int {
		if a.time != b.time {
			return cmp.Compare(a.time, b.time)
		}
		return a.at - b.at
	})
	for _, t := range s.order {
		s.sorted = append(s.sorted, s.flows[t.at])
	}
	s.flows, s.sorted = s.sorted, s.flows
}

func (s *stage) add(r flow.Record, benign string) {
	s.flows = append(s.flows, Labelled{Record: r, Benign: benign})
}

// within returns a random instant of the span that begins at start, in Unix nanoseconds.
func (s *stage) within(start time.Time, span time.Duration) int64 {
	return start.UnixNano() + s.rng.Int64N(int64(max(span, 1)))
}
