package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// How the traffic is made up. Nothing here is measured anywhere; it is to be varied and to be cheap.
const (
	places   = 4000 // regions of the world, about as many as ISO 3166-2 has
	gateways = 10   // that many hosts share the address of one, without a name of their own

	throughGateways = 0.10 // of connections; they lead anywhere
	exploring       = 0.10 // of a host's connections lead anywhere
	late            = 0.001

	// Anywhere is to ports that systems give to whoever asks for none, as programs do that find each other by themselves: those of
	// Linux. All of them are met every other day, so that in a month each has learned its rhythm, and takes
	// what memory it ever will.
	firstPort, ports = 32_768, 28_232

	lifetime = 90 * day // of a host, on average
	spread   = 4 * time.Minute
	lateness = time.Hour

	theftEach   = 7 * day
	theftBytes  = 400_000_000
	theftHour   = 26 * time.Hour // of each period: in the night from its second day
	outageEach  = 30 * day
	outageHour  = 20*day + 9*time.Hour
	outageHours = 9 * time.Hour // of no record, longer than a window
)

// usualPorts are what habits are about, the first ones more often.
var usualPorts = [...]int64{443, 80, 8443, 22, 53, 993, 587, 123, 3478, 5228, 8080, 1194, 5060, 3389, 21, 1935, 9243, 6443, 5432, 25}

// organisation is the hosts that send, and where they do.
type organisation struct {
	random  *rand.Rand
	places  []place
	hosts   []host
	joined  int // hosts so far
	habits  int
	leaving float64 // part of a host that is due to leave
}

type place struct{ region, country, address string }

type host struct {
	name, address string // without a name: a gateway
	habits        []habit
}

// habit is a destination of a host, and how much it sends there.
type habit struct {
	port  int64
	place *place
	scale float64 // ln of bytes
}

// connection is what is recorded of one.
type connection struct {
	at    time.Time
	from  *host
	port  int64
	to    *place
	bytes int64
}

func newOrganisation(p plan) *organisation {
	o := &organisation{random: rand.New(rand.NewPCG(p.seed, 0)), habits: p.habits}
	for i := range places {
		o.places = append(o.places, place{
			region:  fmt.Sprintf("Region %04d", i),
			country: string([]byte{byte('A' + i/26%26), byte('A' + i%26)}),
			address: fmt.Sprintf("2600:%x::%x", 1+i/100, i),
		})
	}
	for range gateways {
		o.hosts = append(o.hosts, host{address: fmt.Sprintf("10.255.0.%d", len(o.hosts))})
	}
	for range p.hosts {
		o.hosts = append(o.hosts, host{})
		o.join(len(o.hosts) - 1)
	}
	return o
}

// join gives a host's place to a new one, under a name that nobody had.
func (o *organisation) join(at int) {
	h := &o.hosts[at]
	h.name = fmt.Sprintf("ws-%07d", o.joined)
	h.address = fmt.Sprintf("10.%d.%d.%d", o.joined>>16&127, o.joined>>8&255, o.joined&255)
	o.joined++
	h.habits = h.habits[:0]
	for range o.habits {
		h.habits = append(h.habits, habit{
			port:  usualPorts[o.skewed(len(usualPorts))],
			place: &o.places[o.skewed(len(o.places))],
			scale: 8 + 1.5*o.random.NormFloat64(),
		})
	}
}

// skewed draws one of n, the first ones more often.
func (o *organisation) skewed(n int) int {
	u := o.random.Float64()
	return int(float64(n) * u * u)
}

// pass lets so much time pass, in which hosts leave and others come.
func (o *organisation) pass(d time.Duration) {
	for o.leaving += float64(len(o.hosts)-gateways) * float64(d) / float64(lifetime); o.leaving >= 1; o.leaving-- {
		o.join(gateways + o.random.IntN(len(o.hosts)-gateways))
	}
}

// connect draws a connection that was made until a time.
func (o *organisation) connect(c *connection, until time.Time) {
	r := o.random
	c.at = until.Add(-time.Duration(r.Int64N(int64(spread))))
	if r.Float64() < late {
		c.at = c.at.Add(-lateness)
	}
	nat := r.Float64() < throughGateways
	if nat {
		c.from = &o.hosts[r.IntN(gateways)]
	} else {
		c.from = &o.hosts[gateways+o.skewed(len(o.hosts)-gateways)]
	}
	if nat || r.Float64() < exploring {
		c.port, c.to = firstPort+r.Int64N(ports), &o.places[r.IntN(len(o.places))]
		c.bytes = size(6 + r.NormFloat64())
		return
	}
	h := &c.from.habits[o.skewed(len(c.from.habits))]
	c.port, c.to, c.bytes = h.port, h.place, size(h.scale+0.8*r.NormFloat64())
}

// steal draws a theft: a host sends far more than usual where seldom anybody does.
func (o *organisation) steal(c *connection, at time.Time) {
	c.at, c.bytes = at, theftBytes
	c.from = &o.hosts[gateways+o.random.IntN(len(o.hosts)-gateways)]
	c.port = 1024 + o.random.Int64N(firstPort-1024)
	c.to = &o.places[o.random.IntN(len(o.places))]
}

func size(ln float64) int64 { return int64(math.Exp(min(ln, 16))) }

// business is how busy it is at a time of the week, 1 on average of a working day.
func business(at time.Time) float64 {
	rhythm := 1 - 0.6*math.Cos(2*math.Pi*(float64(at.Hour())-2)/24)
	if d := at.Weekday(); d == time.Saturday || d == time.Sunday {
		rhythm *= 0.5
	}
	return rhythm
}

// isIn says whether a time, since the beginning, is in the part of each period that begins after its start.
func isIn(since, period, after, length time.Duration) bool {
	at := since%period - after
	return at >= 0 && at < length
}
