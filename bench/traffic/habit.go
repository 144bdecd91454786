package traffic

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Service is what a flow is for.
type Service struct {
	Name    string
	Port    uint16 // 0: another one each time, as peer-to-peer programs and mistakes have it
	Process string
}

// Size is a distribution of bytes: log-normal, cut off at the top.
type Size struct {
	Median float64 // bytes
	Sigma  float64 // standard deviation of ln(bytes)
	Max    float64 // bytes; 0: no limit
}

func (s Size) draw(rng *rand.Rand) int64 {
	b := s.Median * math.Exp(s.Sigma*rng.NormFloat64())
	if s.Max > 0 {
		b = min(b, s.Max)
	}
	return int64(b)
}

// Habit is something that every host of a group does now and then, each time in one flow.
type Habit struct {
	Service  Service
	PerDay   float64 // flows of a usual host on a weekday
	Rhythm   Rhythm
	Sent     Size     // by who opened the connection
	Received Size     // by who answered
	Regions  []string // where to; none: everywhere, by popularity
	// Serves turns the flow round: a client outside opens it and the host answers.
	Serves bool
}

// burst is the standard deviation of ln(a host's activity) from hour to hour.
const burst = 0.6

// habits makes what a host does by habit in the hour that begins at start.
func (s *stage) habits(h *host, start time.Time) {
	// Minus half the variance makes the factor's mean 1.
	activity := h.size * math.Exp(burst*s.rng.NormFloat64()-burst*burst/2)
	for i, habit := range h.group.Habits {
		mean := activity * habit.PerDay / hoursPerDay * habit.Rhythm.At(start)
		for range poisson(s.rng, mean) {
			s.habitual(h, habit, h.worlds[i], start)
		}
	}
}

func (s *stage) habitual(h *host, habit Habit, w world, start time.Time) {
	v6 := s.rng.Float64() < s.plan.IPv6
	region := w.pick(s.rng)
	c := call{
		time: s.within(start, time.Hour), region: region, v6: v6, service: habit.Service,
		sent: habit.Sent.draw(s.rng), received: habit.Received.draw(s.rng),
	}
	if habit.Serves {
		s.add(s.answered(h, c), "")
		return
	}
	s.add(s.opened(h, c), "")
}

// call is one connection with the world, whoever opened it.
type call struct {
	time           int64
	region         int
	v6             bool
	service        Service
	sent, received int64
}

// The range that operating systems take the port of a connection's own end from (RFC 6335).
const (
	ephemeralFirst = 49152
	ephemeralCount = 1 << 14
	registered     = 1024 // first port that is not a system's
)

// opened is a connection from a host to the world.
func (s *stage) opened(h *host, c call) flow.Record {
	port := c.service.Port
	if port == 0 {
		port = uint16(registered + s.rng.IntN(ephemeralFirst-registered))
	}
	return flow.Record{
		Time:             c.time,
		Source:           h.address(c.v6),
		SourcePort:       uint16(ephemeralFirst + s.rng.IntN(ephemeralCount)),
		Destination:      site(s.rng, c.region, c.service.Port, c.v6),
		DestinationPort:  port,
		Sent:             c.sent,
		Received:         c.received,
		Direction:        flow.Outbound,
		Host:             h.name,
		User:             h.user,
		Process:          c.service.Process,
		DestinationPlace: s.plan.Regions[c.region].Place,
	}
}

// answered is a connection from the world to a host.
func (s *stage) answered(h *host, c call) flow.Record {
	return flow.Record{
		Time:            c.time,
		Source:          address(c.region, s.rng.IntN(1<<regionBits), c.v6),
		SourcePort:      uint16(ephemeralFirst + s.rng.IntN(ephemeralCount)),
		Destination:     h.address(c.v6),
		DestinationPort: c.service.Port,
		Sent:            c.sent,
		Received:        c.received,
		Direction:       flow.Inbound,
		Host:            h.name,
		User:            h.user,
		Process:         c.service.Process,
		SourcePlace:     s.plan.Regions[c.region].Place,
	}
}

// poissonByProduct is the mean up to which counts are drawn exactly.
const poissonByProduct = 30

// poisson draws a count with the given mean: by Knuth's product of uniforms where the
// mean is small (The Art of Computer Programming, volume 2, 3.4.1), and else by the
// normal distribution that it approaches.
func poisson(rng *rand.Rand, mean float64) int {
	if mean > poissonByProduct {
		return int(max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64())))
	}
	n, p := 0, rng.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= rng.Float64()
	}
	return n
}
