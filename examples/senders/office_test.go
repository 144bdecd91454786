package senders

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/examples/senders/netflow"
)

// The two weeks of the tests lie in the past: what a router reports from the future is refused.
var firstDay = time.Date(2025, time.January, 6, 0, 0, 0, 0, time.UTC)

// fortnight is the warm-up and as long again.
const fortnight = 14 * 24 * time.Hour

// habit is what a machine inside does again and again: it opens a connection to a server
// outside, or, being the server, answers one. The client's port is 0 here, and another each time.
type habit struct {
	inside, outside netip.AddrPort
	every           time.Duration
	bytes           uint64 // sent out each time, about
}

// office is what machines that know IPv4 only do.
func office() []habit {
	return []habit{
		{inside: at("10.1.0.11:0"), outside: at("8.8.8.8:443"), every: 21 * time.Minute, bytes: 150_000},
		{inside: at("10.1.0.12:0"), outside: at("8.8.4.4:443"), every: 27 * time.Minute, bytes: 220_000},
		{inside: at("10.1.0.12:0"), outside: at("129.69.1.1:993"), every: 50 * time.Minute, bytes: 20_000},
		{inside: at("10.1.0.13:0"), outside: at("129.69.1.2:22"), every: 73 * time.Minute, bytes: 60_000},
		// A server that the world visits, at a public address that the configuration calls inside.
		{inside: at("203.0.113.80:443"), outside: at("8.8.8.1:0"), every: 33 * time.Minute, bytes: 400_000},
	}
}

// dualStack is an office that knows IPv6, too.
func dualStack() []habit {
	return append(office(),
		habit{inside: at("[fd00:1::21]:0"), outside: at("[2620:0:2d0:200::7]:443"), every: 45 * time.Minute, bytes: 90_000})
}

func at(end string) netip.AddrPort { return netip.MustParseAddrPort(end) }

func withPort(end netip.AddrPort, port uint16) netip.AddrPort {
	if end.Port() != 0 {
		return end
	}
	return netip.AddrPortFrom(end.Addr(), port)
}

// flows returns both directions of what the habits do from a time on, in the order in which
// they end, as a router counts them that looks at one packet in sampling.
func flows(habits []habit, from time.Time, lasts time.Duration, sampling uint64) (all []netflow.Flow) {
	random := rand.New(rand.NewPCG(1, 2))
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
	for _, h := range habits {
		for after := time.Duration(0); after < lasts; after += h.every {
			client := uint16(32768 + random.IntN(1<<15)) // an ephemeral port
			sent := h.bytes/2 + random.Uint64N(h.bytes)
			start := from.Add(after + upTo(h.every/2))
			out := netflow.Flow{
				Source: withPort(h.inside, client), Destination: withPort(h.outside, client), Protocol: 6,
				Start: start, End: start.Add(upTo(50 * time.Second)),
				Bytes: sent / sampling, Packets: max(1, sent/sampling/1000),
			}
			back := out
			back.Source, back.Destination = out.Destination, out.Source
			back.Bytes *= 20
			all = append(all, out, back)
		}
	}
	slices.SortStableFunc(all, func(a, b netflow.Flow) int { return a.End.Compare(b.End) })
	return all
}
