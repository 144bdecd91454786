package traffic

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// MostThefts is how many thefts a week a plan may have, so that what is unusual in it is
// not mostly theft.
const MostThefts = 8

const (
	placeDraws   = 200 // for a time and a target that no other theft is near
	apart        = 48 * time.Hour
	perFlow      = time.Minute // as a flow that goes on is reported
	leastFlow    = 200e3       // bytes
	mostParts    = 2000        // flows of one part of a theft
	registeredTo = 32767       // ports that systems give to no client
)

// Place puts n thefts of the given kinds on a plan, between two instants: each kind
// equally often, at random times, by random hosts, to random ports and regions
// of the rarity that the kind asks for. It returns the plan with them, and them alone.
// A theft by several hosts has several parts with one Label. Kinds that last longer than
// there is time are left out.
//
// More than [MostThefts] a week, or no kind that fits, is an error that wraps [ErrPlan].
// The plan is played once, to measure it; see [Profile.Place] where that has been done.
func Place(p Plan, kinds []Kind, from, to time.Time, n int, seed uint64) (Plan, []Theft, error) {
	profile, err := Measure(p)
	if err != nil {
		return Plan{}, nil, err
	}
	return profile.Place(p, kinds, from, to, n, seed)
}

// Place is as the function of that name, for a plan that has been measured.
func (p *Profile) Place(plan Plan, kinds []Kind, from, to time.Time, n int, seed uint64) (Plan, []Theft, error) {
	weeks := to.Sub(from).Hours() / weekLong.Hours()
	if float64(n) > math.Ceil(MostThefts*weeks) {
		return Plan{}, nil, fmt.Errorf("%w: %d thefts in %.1f weeks; give %d a week at most", ErrPlan, n, weeks, MostThefts)
	}
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k Kind) bool { return k.Duration > to.Sub(from) })
	if len(kinds) == 0 {
		return Plan{}, nil, fmt.Errorf("%w: no kind of theft fits between %s and %s", ErrPlan, from, to)
	}
	c := newChooser(p, &plan, from, to, seed)
	var placed []Theft
	for i, k := range c.mix(kinds, n) {
		parts, err := c.theft(i, k)
		if err != nil {
			return Plan{}, nil, err
		}
		placed = append(placed, parts...)
	}
	slices.SortStableFunc(placed, func(a, b Theft) int { return a.Start.Compare(b.Start) })
	plan.Thefts = append(slices.Clone(plan.Thefts), placed...)
	return plan, placed, plan.validate()
}

// chooser draws thefts.
type chooser struct {
	profile  *Profile
	plan     *Plan
	from, to time.Time
	rng      *rand.Rand
	ports    map[Rarity][]uint16
	regions  map[Rarity][]string
	people   []string
	servers  []string
	taken    []Theft
}

func newChooser(pr *Profile, p *Plan, from, to time.Time, seed uint64) *chooser {
	c := &chooser{
		profile: pr, plan: p, from: from, to: to, rng: rand.New(rand.NewPCG(seed, streamID("thefts"))),
		ports: map[Rarity][]uint16{}, regions: map[Rarity][]string{},
	}
	for _, r := range []Rarity{Rare, Quiet, Busy} {
		c.ports[r], c.regions[r] = keysOf(pr.Ports, r), keysOf(pr.Regions, r)
	}
	for _, r := range p.Regions {
		if _, used := pr.Regions[r.Region]; !used {
			c.regions[Unused] = append(c.regions[Unused], r.Region)
		}
	}
	for _, h := range p.hosts() {
		if h.group.People || h.group.Shared {
			c.people = append(c.people, h.name)
		} else {
			c.servers = append(c.servers, h.name)
		}
	}
	return c
}

// mix draws n kinds: every name as often as any other, give or take one.
func (c *chooser) mix(kinds []Kind, n int) []Kind {
	byName := map[string][]Kind{}
	var names []string
	for _, k := range kinds {
		if byName[k.Name] == nil {
			names = append(names, k.Name)
		}
		byName[k.Name] = append(byName[k.Name], k)
	}
	mixed := make([]Kind, n)
	for i := range mixed {
		if i%len(names) == 0 {
			c.rng.Shuffle(len(names), func(a, b int) { names[a], names[b] = names[b], names[a] })
		}
		of := byName[names[i%len(names)]]
		mixed[i] = of[c.rng.IntN(len(of))]
	}
	return mixed
}

// theft draws the i-th theft and returns its parts.
func (c *chooser) theft(i int, k Kind) ([]Theft, error) {
	var t Theft
	for draw := range placeDraws {
		// Once nothing is free, thefts may come near each other.
		if t = c.draw(k); t.feasible(c.plan) && (c.free(&t) || draw > placeDraws*3/4) {
			break
		}
	}
	if !t.feasible(c.plan) {
		return nil, fmt.Errorf("%w: a theft of kind %s and shape %q finds no fitting hour between %s and %s", ErrPlan, k.Name, k.Shape, c.from, c.to)
	}
	t.Label = fmt.Sprintf("%s %d", k.Name, i+1)
	c.weigh(&t, k)
	c.taken = append(c.taken, t)
	return c.split(&t, k), nil
}

// draw draws when a theft is, and where it goes.
func (c *chooser) draw(k Kind) Theft {
	t := Theft{
		Kind: k.Name, Shape: k.Shape, Duration: k.Duration, Days: k.Days, Process: cmp.Or(k.Process, "rclone"),
		Start: c.from.Add(time.Duration(c.rng.Int64N(int64(c.to.Sub(c.from)-k.Duration) + 1)).Truncate(time.Second)),
	}
	t.Port = k.PortNumber
	if t.Port == 0 {
		t.Port = c.port(k.Port)
	}
	t.Region = c.region(k.Region)
	t.PortUse, t.RegionUse = rarityOf(c.profile.Ports, t.Port), rarityOf(c.profile.Regions, t.Region)
	return t
}

func rarityOf[K comparable](all map[K]Usage, key K) Rarity {
	if u, used := all[key]; used {
		return u.Rarity
	}
	return Unused
}

// port draws a port of the rarity; an unused one where there is none.
func (c *chooser) port(r Rarity) uint16 {
	if of := c.ports[r]; len(of) > 0 {
		return of[c.rng.IntN(len(of))]
	}
	for {
		port := uint16(registered + c.rng.IntN(registeredTo-registered))
		if _, used := c.profile.Ports[port]; !used {
			return port
		}
	}
}

// region draws a region of the rarity, or of the next one that there is.
func (c *chooser) region(r Rarity) string {
	for _, r := range append([]Rarity{r}, Rare, Unused, Quiet, Busy) {
		if of := c.regions[r]; len(of) > 0 {
			return of[c.rng.IntN(len(of))]
		}
	}
	return c.plan.Regions[0].Region
}

// feasible reports whether there is an hour for the theft: a weekend for one at weekends.
func (t *Theft) feasible(p *Plan) bool { return !t.choosy() || len(t.hours(p)) > 0 }

// free reports whether no theft that was drawn before used the port or the region
// within two days; ever, if it is to be a rare or an unused one.
func (c *chooser) free(t *Theft) bool {
	seldom := func(r Rarity) bool { return r == Unused || r == Rare }
	for i := range c.taken {
		other := &c.taken[i]
		near := t.Start.Before(other.End().Add(apart)) && other.Start.Before(t.End().Add(apart))
		if t.Port == other.Port && (near || seldom(t.PortUse)) || t.Region == other.Region && (near || seldom(t.RegionUse)) {
			return false
		}
	}
	return true
}

// weigh says how much is stolen.
func (c *chooser) weigh(t *Theft, k Kind) {
	yardstick, windows := c.profile.Yardstick(t.Port, t.Region), float64(t.windows(c.plan))
	t.Bytes, t.Multiple = k.Bytes, k.Multiple
	if k.Bytes == 0 {
		t.Bytes = int64(k.Multiple * yardstick * windows)
	} else {
		t.Multiple = float64(k.Bytes) / yardstick / windows
	}
}

// windows is in how many windows of three hours, by duration, the theft is active.
func (t *Theft) windows(p *Plan) int {
	active := t.active(p)
	if t.Shape == Trickle {
		return max(1, int(active/time.Hour)) // an hour of each day
	}
	return max(1, int(math.Round(float64(active)/float64(profileWindow))))
}

// active is for how long bytes leave.
func (t *Theft) active(p *Plan) time.Duration {
	switch {
	case t.choosy():
		return time.Duration(len(t.hours(p))) * time.Hour
	case t.Shape == Burst:
		return min(t.Duration, time.Second)
	}
	return t.Duration
}

// split gives each host its part. Four thefts in five are made from people's machines.
func (c *chooser) split(t *Theft, k Kind) []Theft {
	from := c.people
	if len(from) == 0 || len(c.servers) > 0 && c.rng.IntN(5) == 0 {
		from = c.servers
	}
	n := min(k.Hosts, len(from))
	parts := make([]Theft, n)
	for i, at := range c.rng.Perm(len(from))[:n] {
		part := *t
		part.Name, part.Host = t.Label, from[at]
		if n > 1 {
			part.Name = fmt.Sprintf("%s, part %d", t.Label, i+1)
		}
		part.Bytes = max(share(t.Bytes, i, n), leastPerFlow)
		part.Flows = k.Flows
		if k.Flows == 0 {
			part.Flows = int(min(float64(part.active(c.plan)/perFlow), float64(part.Bytes)/leastFlow, mostParts))
		}
		part.Flows = max(1, min(part.Flows, int(part.Bytes/leastPerFlow)))
		parts[i] = part
	}
	return parts
}
