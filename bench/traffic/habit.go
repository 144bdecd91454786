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
	// Share of the group's hosts that have the habit, each by a draw of its own; 0: all.
	Share float64
	// Differ is the standard deviation of ln(bytes) from host to host, beside that from
	// flow to flow.
	Differ float64
	// Every, if not 0, makes one flow each so long, as machines that report by the clock
	// do. PerDay and Rhythm then mean nothing. It divides an hour or is a multiple of one.
	Every time.Duration
	// Lasts and Parts say how long a flow goes on, and in how many records it is reported.
	Lasts time.Duration
	Parts int
	// Since is how long after the plan's start the habit begins, and Ramp how long it
	// takes until it is as frequent as PerDay says.
	Since, Ramp time.Duration
	// Benign labels the habit's flows, see Labelled.
	Benign string
}

// burst is the standard deviation of ln(a host's activity) from hour to hour.
const burst = 0.6

// habits makes what a host does by habit in the hour that begins at start.
func (s *stage) habits(h *host, start time.Time) {
	// Minus half the variance makes the factor's mean 1.
	activity := h.size * math.Exp(burst*s.rng.NormFloat64()-burst*burst/2)
	trip := s.trip(h, start)
	for i := range h.group.Habits {
		habit := &h.group.Habits[i]
		if !h.traits[i].has {
			continue
		}
		if habit.Every > 0 {
			s.regular(h, i, start)
			continue
		}
		mean := activity * habit.PerDay / hoursPerDay * s.rhythm(habit, start) * habit.uptake(start.Sub(s.plan.Start))
		for range poisson(s.rng, mean) {
			s.habitual(h, i, span{start, time.Hour}, trip)
		}
	}
}

// regular makes the flows of a habit that goes by the clock.
func (s *stage) regular(h *host, i int, start time.Time) {
	every := h.group.Habits[i].Every
	if hours := int64(every / time.Hour); hours > 1 && int64(start.Sub(s.plan.Start)/time.Hour)%hours != 0 {
		return
	}
	for at := time.Duration(0); at < time.Hour; at += every {
		// Each host has a second of its own, and reaches it within half a second.
		offset := time.Duration(h.id%uint64(min(every, time.Hour)/time.Second)) * time.Second
		s.habitual(h, i, span{start.Add(at + offset), time.Second / 2}, nil)
	}
}

// uptake is the share of its frequency that a habit has reached so long after the plan's start.
func (h *Habit) uptake(since time.Duration) float64 {
	switch since -= h.Since; {
	case since < 0:
		return 0
	case since < h.Ramp:
		return float64(since) / float64(h.Ramp)
	}
	return 1
}

// span is a time in which something begins.
type span struct {
	start time.Time
	long  time.Duration
}

func (s *stage) habitual(h *host, i int, when span, trip *Trip) {
	habit, benign := &h.group.Habits[i], h.group.Habits[i].Benign
	v6 := s.rng.Float64() < s.plan.IPv6
	region := h.worlds[i].pick(s.rng)
	if trip != nil && s.rng.Float64() < tripShare {
		region, _ = regionIndex(s.plan.Regions, trip.Region)
		benign = "travel"
	}
	c := call{
		time: s.within(when.start, when.long), region: region, v6: v6, service: habit.Service,
		sent: habit.Sent.draw(s.rng), received: habit.Received.draw(s.rng),
	}
	factor := s.factor(habit.Service.Name) * h.traits[i].scale
	sent, received := scale(c.sent, factor), scale(c.received, factor)
	n := max(habit.Parts, 1)
	for k := range n {
		c.sent, c.received = share(sent, k, n), share(received, k, n)
		r := s.record(h, c, habit.Serves)
		if n > 1 {
			r.Time += int64(habit.Lasts) * int64(k+1) / int64(n)
		}
		s.add(r, benign)
	}
}

func (s *stage) record(h *host, c call, serves bool) flow.Record {
	if serves {
		return s.answered(h, c)
	}
	return s.opened(h, c)
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
	who, port := h.as(s.plan.week(c.time)), c.service.Port
	if port == 0 {
		port = uint16(registered + s.rng.IntN(ephemeralFirst-registered))
	}
	return flow.Record{
		Time:             c.time,
		Source:           who.address(c.v6),
		SourcePort:       uint16(ephemeralFirst + s.rng.IntN(ephemeralCount)),
		Destination:      site(s.rng, c.region, c.service.Port, c.v6),
		DestinationPort:  port,
		Sent:             c.sent,
		Received:         c.received,
		Direction:        flow.Outbound,
		Host:             who.name,
		User:             who.user,
		Process:          c.service.Process,
		DestinationPlace: s.plan.Regions[c.region].Place,
	}
}

// answered is a connection from the world to a host.
func (s *stage) answered(h *host, c call) flow.Record {
	who := h.as(s.plan.week(c.time))
	return flow.Record{
		Time:            c.time,
		Source:          address(c.region, s.rng.IntN(1<<regionBits), c.v6),
		SourcePort:      uint16(ephemeralFirst + s.rng.IntN(ephemeralCount)),
		Destination:     who.address(c.v6),
		DestinationPort: c.service.Port,
		Sent:            c.sent,
		Received:        c.received,
		Direction:       flow.Inbound,
		Host:            who.name,
		User:            who.user,
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
