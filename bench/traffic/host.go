package traffic

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Group is a number of hosts with the same role.
type Group struct {
	Name   string       // hosts are called Name-01, Name-02, …
	Hosts  int          // how many
	Prefix netip.Prefix // internal IPv4 network that the hosts stand in
	People bool         // each host has a user of its own; otherwise a service account
	// Spread is the standard deviation of ln(a host's activity): how unequal the
	// hosts are. At 1.5 a fiftieth of the hosts makes half of the traffic.
	Spread float64
	Habits []Habit
	Jobs   []Job
	// Churn is the share of the hosts, 0..1, that get a new name and a new address each
	// week, as machines do that are installed afresh or lease their address.
	Churn float64
	// Shared hides the hosts behind one address, as a gateway that translates does: their
	// flows carry neither host nor user.
	Shared bool
	// Absent is the share of days, 0..1, on which a host is switched off.
	Absent float64
}

func (g Group) validate(p Plan) error {
	regions := p.Regions
	switch {
	case g.Name == "":
		return fmt.Errorf("%w: a group has no name", ErrPlan)
	case g.Hosts < 1:
		return fmt.Errorf("%w: group %s has %d hosts; give at least 1", ErrPlan, g.Name, g.Hosts)
	case !g.Prefix.IsValid() || !g.Prefix.Addr().Is4():
		return fmt.Errorf("%w: group %s has prefix %v; give an IPv4 network", ErrPlan, g.Name, g.Prefix)
	case !(g.Churn >= 0 && g.Churn <= 1 && g.Absent >= 0 && g.Absent <= 1):
		return fmt.Errorf("%w: group %s has churn %g and absent %g; give shares from 0 to 1", ErrPlan, g.Name, g.Churn, g.Absent)
	case g.addresses(p.weeks()) > 1<<(32-g.Prefix.Bits())-2:
		return fmt.Errorf("%w: group %s has %d hosts, more than %v holds in %d weeks", ErrPlan, g.Name, g.Hosts, g.Prefix, p.weeks())
	}
	for _, h := range g.Habits {
		if h.Every < 0 || h.Every > 0 && (h.Every < time.Second || time.Hour%h.Every != 0 && h.Every%time.Hour != 0) {
			return fmt.Errorf("%w: group %s, habit %s: every %v neither divides an hour nor is a multiple of one",
				ErrPlan, g.Name, h.Service.Name, h.Every)
		}
		for _, name := range h.Regions {
			if _, err := regionIndex(regions, name); err != nil {
				return fmt.Errorf("group %s, habit %s: %w", g.Name, h.Service.Name, err)
			}
		}
	}
	for _, j := range g.Jobs {
		if _, err := regionIndex(regions, j.Region); err != nil {
			return fmt.Errorf("group %s, job %s: %w", g.Name, j.Service.Name, err)
		}
	}
	return nil
}

// addresses is how many a group needs at most in so many weeks.
func (g Group) addresses(weeks int) int {
	switch {
	case g.Shared:
		return 1
	case g.Churn > 0:
		return g.Hosts * weeks
	}
	return g.Hosts
}

// host is one member of a group.
type host struct {
	id      uint64  // names its random stream
	name    string  // in the plan; records may call it otherwise
	size    float64 // its activity, 1 being usual
	group   *Group
	weekly  []identity // by week, the last for all further ones
	worlds  []world    // where it goes, by habit
	traits  []trait    // by habit
	trips   []*Trip
	serves  bool  // clients outside reach it
	jobFrom []int // region of each job
	jobSize []float64
}

// identity is how a host appears in records.
type identity struct {
	name, user string
	v4, v6     netip.Addr
}

// trait is how a host has a habit.
type trait struct {
	has   bool
	scale float64 // of the bytes
}

// hosts lists the plan's hosts. The plan's groups are known to be valid.
func (p Plan) hosts() []*host {
	var hosts []*host
	for i := range p.Groups {
		hosts = append(hosts, p.members(&p.Groups[i])...)
	}
	for i := range p.Trips {
		for _, h := range hosts {
			if h.name == p.Trips[i].Host {
				h.trips = append(h.trips, &p.Trips[i])
			}
		}
	}
	return hosts
}

func (p Plan) members(g *Group) []*host {
	hosts := make([]*host, 0, g.Hosts)
	first := g.Prefix.Masked().Addr().Next()
	free := first // the next address that nobody has had
	for n := 1; n <= g.Hosts; n++ {
		hosts = append(hosts, p.newHost(g, n, free))
		if !g.Shared {
			free = free.Next()
		}
	}
	if g.Churn == 0 {
		return hosts
	}
	for week := 1; week < p.weeks(); week++ {
		for _, h := range hosts {
			free = p.renew(h, week, free)
		}
	}
	return hosts
}

// renew says how a host appears from a week on, and which address is free then.
func (p Plan) renew(h *host, week int, free netip.Addr) netip.Addr {
	who := h.weekly[week-1]
	rng := rand.New(rand.NewPCG(p.Seed^h.id, math.MaxUint64-uint64(week)))
	if rng.Float64() < h.group.Churn && !h.group.Shared {
		who.name = fmt.Sprintf("%s-%d", h.name, week)
		who.v4, who.v6 = free, uniqueLocal(free)
		free = free.Next()
	}
	h.weekly = append(h.weekly, who)
	return free
}

func (p Plan) newHost(g *Group, n int, addr netip.Addr) *host {
	h := &host{name: fmt.Sprintf("%s-%02d", g.Name, n), group: g}
	who := identity{name: h.name, user: "svc-" + g.Name, v4: addr, v6: uniqueLocal(addr)}
	if g.People {
		who.user = fmt.Sprintf("user-%02d", n)
	}
	if g.Shared {
		who.name, who.user = "", ""
	}
	h.weekly = []identity{who}
	h.id = streamID(h.name)
	rng := rand.New(rand.NewPCG(p.Seed^h.id, math.MaxUint64)) // no hour has this number
	h.size = math.Exp(g.Spread * rng.NormFloat64())
	for i, habit := range g.Habits {
		h.worlds = append(h.worlds, newWorld(rng, p.Regions, habit.Regions))
		h.serves = h.serves || habit.Serves
		h.traits = append(h.traits, p.newTrait(h.id+uint64(i), &habit))
	}
	for _, j := range g.Jobs {
		region, _ := regionIndex(p.Regions, j.Region)
		h.jobFrom = append(h.jobFrom, region)
		h.jobSize = append(h.jobSize, p.newTrait(h.id, &Habit{Service: j.Service, Differ: j.Differ}).scale)
	}
	return h
}

// newTrait draws how a host has a habit, from a stream of its own so that it leaves
// the host's other draws as they are.
func (p Plan) newTrait(id uint64, habit *Habit) trait {
	rng := rand.New(rand.NewPCG(p.Seed^id, streamID(habit.Service.Name)))
	t := trait{has: true, scale: 1}
	if habit.Share > 0 {
		t.has = rng.Float64() < habit.Share
	}
	if habit.Differ > 0 {
		t.scale = math.Exp(habit.Differ * rng.NormFloat64())
	}
	return t
}

// as is how the host appears in the given week of the plan.
func (h *host) as(week int) *identity {
	return &h.weekly[min(max(week, 0), len(h.weekly)-1)]
}

// HostAt is what records that the named host of the plan makes at an instant say of
// it: its name of that week, or its address where it has none; "" where the plan has no
// such host.
func (p Plan) HostAt(name string, at time.Time) string {
	for _, h := range p.hosts() {
		if h.name != name {
			continue
		}
		who := h.as(p.week(at.UnixNano()))
		if who.name == "" {
			return who.v4.String()
		}
		return who.name
	}
	return ""
}

// week numbers the plan's weeks from 0.
func (p *Plan) week(t int64) int { return int((t - p.Start.UnixNano()) / int64(weekLong)) }

func (p *Plan) weeks() int { return (p.Days + daysPerWeek - 1) / daysPerWeek }

const (
	daysPerWeek = 7
	weekLong    = daysPerWeek * hoursPerDay * time.Hour
)

// holidayAbsence is the share of people who do not even switch their machine on.
const holidayAbsence = 0.7

// away reports whether the host is switched off on the day of the hour that s makes.
func (h *host) away(s *stage, start time.Time) bool {
	absent := h.group.Absent
	if absent == 0 {
		return false
	}
	if s.holiday {
		absent = max(absent, holidayAbsence)
	}
	day := uint64(start.Year()*366 + start.YearDay())
	s.pcg.Seed(s.plan.Seed^h.id, math.MaxUint64-math.MaxUint32-day)
	return s.rng.Float64() < absent
}

func streamID(name string) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(name)) // a hash's Write never fails
	return sum.Sum64()
}

// uniqueLocal returns the IPv6 address of a host, made from its IPv4 address.
func uniqueLocal(v4 netip.Addr) netip.Addr {
	b := [16]byte{0: 0xfd, 1: 0x5e, 2: 0x1f}
	a := v4.As4()
	copy(b[12:], a[:])
	return netip.AddrFrom16(b)
}

// address returns the address of the family.
func (i *identity) address(v6 bool) netip.Addr {
	if v6 {
		return i.v6
	}
	return i.v4
}
