package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Shape is how the bytes of a theft lie in its time.
type Shape string

// The shapes.
const (
	Steady Shape = "steady" // evenly from start to end
	Burst  Shape = "burst"  // all at the start, within a second
	Ramp   Shape = "ramp"   // a little at first, ever more towards the end
	Office Shape = "office" // evenly, in working hours only

	Steps   Shape = "steps"   // twice as much in each fifth of the time as in the one before
	Night   Shape = "night"   // evenly, between ten in the evening and five only
	Weekend Shape = "weekend" // evenly, on Saturdays and Sundays only
	Trickle Shape = "trickle" // evenly over one working hour, another one each day
)

// Theft is one exfiltration.
type Theft struct {
	Name     string // of this part; unique in a plan
	Start    time.Time
	Duration time.Duration
	Bytes    int64  // in all, exactly
	Flows    int    // into which they are cut; 0: one for each 25 MB, 1000 at most
	Host     string // who steals: the name of a host of the plan
	Process  string // by what program
	Port     uint16
	Region   string // where to: the name of a region of the plan
	Shape    Shape

	// Label is what the flows are labelled with. Thefts with the same label are parts of
	// one, by several hosts. "": the name.
	Label string
	Kind  string // of the catalogue, if it comes from there
	// Days restricts a trickle to some days of the week; none: Monday to Friday.
	Days []time.Weekday
	// PortUse and RegionUse say how much the port and the region are used without it,
	// and Multiple how many times its yardstick (see Profile.Yardstick) the theft
	// as a whole takes in a window in which it is active. They inform; nothing here reads them.
	PortUse, RegionUse Rarity
	Multiple           float64
}

func (t *Theft) label() string {
	if t.Label != "" {
		return t.Label
	}
	return t.Name
}

// End is the instant at which the theft is over.
func (t Theft) End() time.Time { return t.Start.Add(t.Duration) }

const (
	flowBytes    = 25e6 // of a theft that does not say into how many flows it is cut
	mostFlows    = 1000
	leastPerFlow = 32 // bytes, so that the smallest part is not empty
	openingHour  = 8
	closingHour  = 18
	nightfall    = 22
	daybreak     = 5
	steps        = 5 // of a theft that grows by steps
)

func (t Theft) flows() int {
	if t.Flows > 0 {
		return t.Flows
	}
	return int(min(max(t.Bytes/flowBytes, 1), mostFlows))
}

func (t *Theft) validate(p *Plan, hosts map[string]bool, what string) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s %q: %s", ErrPlan, what, t.Name, fmt.Sprintf(format, args...))
	}
	if t.Name == "" {
		return wrong("it has no name; what it steals could not be told from ordinary flows")
	}
	if t.Start.Before(p.Start) || t.End().After(p.End()) || t.Duration <= 0 {
		return wrong("it runs from %s to %s; give a time within the plan's, %s to %s", t.Start, t.End(), p.Start, p.End())
	}
	if t.Bytes < int64(t.flows())*leastPerFlow {
		return wrong("%d bytes in %d flows; give at least %d for each", t.Bytes, t.flows(), leastPerFlow)
	}
	if t.Port == 0 {
		return wrong("it has no port")
	}
	if !hosts[t.Host] {
		return wrong("there is no host %q in the plan", t.Host)
	}
	if _, err := regionIndex(p.Regions, t.Region); err != nil {
		return wrong("%v", err)
	}
	if !slices.Contains(shapes(), t.Shape) {
		return wrong("shape %q; known are %v", t.Shape, shapes())
	}
	if t.choosy() && len(t.hours(p)) == 0 {
		return wrong("shape %q, but no hour between %s and %s fits it: there is no working hour, night or weekend in it", t.Shape, t.Start, t.End())
	}
	return nil
}

func shapes() []Shape { return []Shape{Steady, Burst, Ramp, Office, Steps, Night, Weekend, Trickle} }

// choosy reports whether the theft goes on in some hours only.
func (t *Theft) choosy() bool {
	switch t.Shape {
	case Office, Night, Weekend, Trickle:
		return true
	}
	return false
}

// hours lists the beginnings of the hours of the clock that lie wholly in the theft and
// suit its shape.
func (t *Theft) hours(p *Plan) []time.Time {
	var hours []time.Time
	first := p.Start.Add(t.Start.Sub(p.Start).Truncate(time.Hour))
	for at := first; !at.Add(time.Hour).After(t.End()); at = at.Add(time.Hour) {
		if !at.Before(t.Start) && t.suits(at) {
			hours = append(hours, at)
		}
	}
	return hours
}

func (t *Theft) suits(at time.Time) bool {
	hour, weekend := at.Hour(), at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
	switch t.Shape {
	case Night:
		return hour >= nightfall || hour < daybreak
	case Weekend:
		return weekend
	case Trickle:
		// Which hour of a day it is follows from the name, and nothing else of the plan.
		return t.trickles(at.Weekday()) && hour == openingHour+
			int((streamID(t.Name)+uint64(at.YearDay()))*trickleStep%(closingHour-openingHour))
	}
	return !weekend && hour >= openingHour && hour < closingHour
}

// trickleStep takes the hour of a trickle from one day to the next: coprime to the
// number of working hours, so that each has its turn.
const trickleStep = 7

func (t *Theft) trickles(day time.Weekday) bool {
	if len(t.Days) == 0 {
		return day != time.Saturday && day != time.Sunday
	}
	return slices.Contains(t.Days, day)
}

// theft makes all flows of a theft in the hour in which it begins.
func (s *stage) theft(t *Theft, hour time.Time) {
	if t.Start.Before(hour) || !t.Start.Before(hour.Add(time.Hour)) {
		return
	}
	i := slices.IndexFunc(s.hosts, func(h *host) bool { return h.name == t.Host })
	region, _ := regionIndex(s.plan.Regions, t.Region)
	s.pcg.Seed(s.plan.Seed^streamID(t.Name), 0)
	n, first := t.flows(), len(s.flows)
	// One destination: who steals has a place to put it.
	destination := site(s.rng, region, t.Port, false)
	times, parts := t.times(s.plan, n, s.rng), t.parts(n, s.rng)
	for k := range n {
		r := s.opened(s.hosts[i], call{
			time: times[k], region: region,
			service:  Service{Port: t.Port, Process: t.Process},
			sent:     parts[k],
			received: parts[k] / 50, // acknowledgements
		})
		r.Destination = destination
		s.add(r, "")
	}
	for k := first; k < len(s.flows); k++ {
		s.flows[k].Theft = t.label()
	}
}

// times places n flows in the theft's time, in Unix nanoseconds, ascending.
func (t *Theft) times(p *Plan, n int, rng *rand.Rand) []int64 {
	var hours []time.Time
	if t.choosy() {
		hours = t.hours(p)
	}
	times := make([]int64, n)
	for k := range n {
		at := (float64(k) + rng.Float64()) / float64(n) // 0..1 of the time there is
		var when time.Time
		switch t.Shape {
		case Burst:
			when = t.Start.Add(time.Duration(at * float64(min(t.Duration, time.Second))))
		case Office, Night, Weekend, Trickle:
			pos := at * float64(len(hours))
			when = hours[int(pos)].Add(time.Duration((pos - float64(int(pos))) * float64(time.Hour)))
		default:
			when = t.Start.Add(time.Duration(at * float64(t.Duration)))
		}
		times[k] = when.UnixNano()
	}
	return times
}

// parts cuts the theft's bytes into n unequal parts that add up to them.
func (t *Theft) parts(n int, rng *rand.Rand) []int64 {
	weights, sum := make([]float64, n), 0.0
	for k := range n {
		w := 0.5 + rng.Float64()
		switch t.Shape {
		case Ramp:
			w *= 0.1 + 0.9*float64(k)/float64(n)
		case Steps:
			w *= math.Exp2(float64(k * steps / n))
		}
		sum += w
		weights[k] = sum
	}
	parts, before := make([]int64, n), int64(0)
	for k := range n {
		upTo := t.Bytes
		if k < n-1 {
			upTo = int64(float64(t.Bytes) * (weights[k] / sum))
		}
		parts[k], before = upTo-before, upTo
	}
	return parts
}
