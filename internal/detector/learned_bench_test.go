package detector

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// BenchmarkLearned is the cost of a flow once all is learned and min_bytes is the usual: sums come near their thresholds, those
// whose bytes they are get counted, and every 512 batches a window ends. The traffic is made like that of bench/speed's
// way=exfil_learned: 3125 pairs of a host and a port, of five keys.
func BenchmarkLearned(b *testing.B) {
	const (
		size      = 1000
		perWindow = 512
		span      = 3 * time.Hour
	)
	s := twoRules()
	for i := range s.Watches {
		s.Watches[i].MinBytes, s.Watches[i].MaxEntities = 1e6, 100_000
	}
	d := newDetector(b, s)
	batches := habitual(16, size)
	window := 0
	var found []Finding
	for usual := fold(batches, perWindow/16); window < 64; window++ {
		r := rand.New(rand.NewPCG(11, uint64(window)))
		flows := make([]flow.Flow, 0, len(usual))
		for _, f := range usual {
			f.Time = monday.Add(time.Duration(window) * span).UnixNano()
			f.Bytes = int64(float64(f.Bytes) * math.Exp(0.7*r.NormFloat64()))
			flows = append(flows, f)
		}
		found = d.Observe(flows, farAhead, found[:0])
	}
	sent := 0
	deliver := func() {
		flows := batches[sent%len(batches)]
		at := monday.Add(time.Duration(window)*span + time.Duration(sent)*span/perWindow).UnixNano()
		for i := range flows {
			flows[i].Time = at
		}
		found = d.Observe(flows, farAhead, found[:0])
		sent++
	}
	for range perWindow {
		deliver()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		deliver()
	}
	b.StopTimer()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/flow")
	b.ReportMetric(float64(d.tallies.lent), "tallies")
}

// habitual makes batches of flows of pairs drawn at random, to destinations of which few take most.
func habitual(batches, size int) [][]flow.Flow {
	const pairs, ports, regions = 3125, 625, 39
	r := rand.New(rand.NewPCG(7, 7))
	popular := rand.NewZipf(r, 1.1, 1, 100_000)
	all := make([][]flow.Flow, batches)
	for i := range all {
		for range size {
			pair := r.IntN(pairs)
			host, to := pair/50, popular.Uint64()*2654435761
			all[i] = append(all[i], flow.Flow{
				Bytes:       500 + r.Int64N(100_000),
				Source:      netip.AddrFrom4([4]byte{10, 0, 0, byte(host)}),
				Destination: netip.AddrFrom4([4]byte{198, byte(to >> 16), byte(to >> 8), byte(to)}),
				Port:        uint16(1 + pair%ports),
				Host:        fmt.Sprintf("ws-%05d", host),
				User:        fmt.Sprintf("user-%05d", host),
				Process:     "firefox",
				Place:       flow.Place{Region: fmt.Sprintf("Region %04d", (pair+pair/ports)%regions), Country: "US"},
			})
		}
	}
	return all
}

// fold makes one flow of all of a host to a port and a region, each sent so many times.
func fold(batches [][]flow.Flow, times int64) []flow.Flow {
	type habit struct {
		host, region string
		port         uint16
	}
	at := map[habit]int{}
	var all []flow.Flow
	for _, flows := range batches {
		for _, f := range flows {
			h := habit{f.Host, f.Place.Region, f.Port}
			i, known := at[h]
			if !known {
				i = len(all)
				at[h] = i
				all = append(all, f)
				all[i].Bytes = 0
			}
			all[i].Bytes += f.Bytes * times
		}
	}
	return all
}
