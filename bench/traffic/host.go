package traffic

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/netip"
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
}

func (g Group) validate(regions []Region) error {
	switch {
	case g.Name == "":
		return fmt.Errorf("%w: a group has no name", ErrPlan)
	case g.Hosts < 1:
		return fmt.Errorf("%w: group %s has %d hosts; give at least 1", ErrPlan, g.Name, g.Hosts)
	case !g.Prefix.IsValid() || !g.Prefix.Addr().Is4():
		return fmt.Errorf("%w: group %s has prefix %v; give an IPv4 network", ErrPlan, g.Name, g.Prefix)
	case g.Hosts > 1<<(32-g.Prefix.Bits())-2:
		return fmt.Errorf("%w: group %s has %d hosts, more than %v holds", ErrPlan, g.Name, g.Hosts, g.Prefix)
	}
	for _, h := range g.Habits {
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

// host is one member of a group.
type host struct {
	id      uint64 // names its random stream
	name    string
	user    string
	v4, v6  netip.Addr
	size    float64 // its activity, 1 being usual
	group   *Group
	worlds  []world // where it goes, by habit
	serves  bool    // clients outside reach it
	jobFrom []int   // region of each job
}

// hosts lists the plan's hosts. The plan's groups are known to be valid.
func (p Plan) hosts() []*host {
	var hosts []*host
	for i := range p.Groups {
		g := &p.Groups[i]
		addr := g.Prefix.Masked().Addr()
		for n := 1; n <= g.Hosts; n++ {
			addr = addr.Next()
			hosts = append(hosts, p.newHost(g, n, addr))
		}
	}
	return hosts
}

func (p Plan) newHost(g *Group, n int, addr netip.Addr) *host {
	h := &host{name: fmt.Sprintf("%s-%02d", g.Name, n), v4: addr, v6: uniqueLocal(addr), group: g}
	h.user = "svc-" + g.Name
	if g.People {
		h.user = fmt.Sprintf("user-%02d", n)
	}
	h.id = streamID(h.name)
	rng := rand.New(rand.NewPCG(p.Seed^h.id, math.MaxUint64)) // no hour has this number
	h.size = math.Exp(g.Spread * rng.NormFloat64())
	for _, habit := range g.Habits {
		h.worlds = append(h.worlds, newWorld(rng, p.Regions, habit.Regions))
		h.serves = h.serves || habit.Serves
	}
	for _, j := range g.Jobs {
		region, _ := regionIndex(p.Regions, j.Region)
		h.jobFrom = append(h.jobFrom, region)
	}
	return h
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

// address returns the host's address of the family.
func (h *host) address(v6 bool) netip.Addr {
	if v6 {
		return h.v6
	}
	return h.v4
}
