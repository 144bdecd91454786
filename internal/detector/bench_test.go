package detector

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// BenchmarkObserve is the cost of a flow under both rules with their detail keys, in the steady
// state, by the number of entities of the largest key (host × port).
func BenchmarkObserve(b *testing.B) {
	for _, entities := range []int{10, 1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("entities=%d", entities), func(b *testing.B) {
			s := twoRules()
			for i := range s.Watches {
				s.Watches[i].MaxEntities = 2_000_000
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			d := newDetector(b, s)
			flows := spread(entities)
			now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			var found []Finding
			for w := range 3 { // three windows: entities are known, and both of a lane's windows have been used
				for i := range flows {
					flows[i].Time = monday.Add(time.Duration(w)*3*time.Hour + time.Hour).UnixNano()
				}
				for i := 0; i < len(flows); i += 1000 {
					found = d.Observe(flows[i:min(i+1000, len(flows))], now, found[:0])
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			at := 0
			for b.Loop() {
				if at+1000 > len(flows) {
					at = 0
				}
				found = d.Observe(flows[at:min(at+1000, len(flows))], now, found[:0])
				at += 1000
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(min(1000, len(flows))), "ns/flow")
			flows = nil
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(d.Stats().Keys), "B/entity")
			runtime.KeepAlive(d)
		})
	}
}

// spread makes flows whose hosts and ports form the given number of pairs, in random order, at
// least a batch of them.
func spread(entities int) []flow.Flow {
	r := rand.New(rand.NewPCG(1, 1))
	hosts := max(2, entities/100)
	ports := entities / hosts
	flows := make([]flow.Flow, 0, max(entities, 1000))
	names := make([]string, hosts)
	for i := range names {
		names[i] = fmt.Sprintf("host-%06d", i)
	}
	for i := range max(entities, 1000) {
		pair := i % entities
		h, p := pair%hosts, pair/hosts%ports
		flows = append(flows, flow.Flow{
			Bytes:       int64(500 + r.IntN(3000)),
			Source:      netip.AddrFrom4([4]byte{10, 0, byte(h >> 8), byte(h)}),
			Destination: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}),
			Port:        uint16(1000 + p),
			Host:        names[h],
			Place:       flow.Place{Region: fmt.Sprintf("Region %d", (h+p)%50), Country: "US"},
		})
	}
	r.Shuffle(len(flows), func(i, j int) { flows[i], flows[j] = flows[j], flows[i] })
	return flows
}

// BenchmarkClose is how long a closing window holds up the path, all entities having been active in it.
func BenchmarkClose(b *testing.B) {
	for _, entities := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("entities=%d", entities), func(b *testing.B) {
			s := twoRules()
			for i := range s.Watches {
				s.Watches[i].MaxEntities = 2_000_000
			}
			d := newDetector(b, s)
			flows := spread(entities)
			now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			var found []Finding
			window := 0
			at := func(after time.Duration) int64 {
				return monday.Add(time.Duration(window)*3*time.Hour + after).UnixNano()
			}
			for b.Loop() {
				b.StopTimer()
				for i := range flows {
					flows[i].Time = at(time.Hour)
				}
				for i := 0; i < len(flows); i += 1000 {
					found = d.Observe(flows[i:min(i+1000, len(flows))], now, found[:0])
				}
				window++
				b.StartTimer()
				found = d.Tick(now.Add(4*time.Hour), found[:0])
			}
		})
	}
}

// BenchmarkMemory is the heap that one baseline takes, its key and its place in the map included, between
// its windows: of a host × port that came once, and of a port that has a season table. With a table it is told twice: where few
// ports are active in one window, so that baselines are nearly all there is, and where all are, so
// that the windows, which keep their room when they close, have room for all.
func BenchmarkMemory(b *testing.B) {
	hostPort, port := []flow.Field{flow.Host, flow.DestinationPort}, []flow.Field{flow.DestinationPort}
	for _, c := range []struct {
		name     string
		by       []flow.Field
		entities int
		turns    int // windows until all entities have been active
		rounds   int // how often each is; a season table takes eight times, which half-decay in four weeks
		tables   bool
	}{
		{"now and then", hostPort, 400_000, 50, 1, false},
		{"with season, by turns", port, 60_000, 20, 13, true},
		{"with season, all at once", port, 60_000, 1, 12, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				d := newDetector(b, Settings{Watches: []Watch{{
					Rule: "rule", By: c.by, Spans: []time.Duration{3 * time.Hour}, Threshold: 75, Budget: 1, MinBytes: 1e6, MaxEntities: c.entities + 1, // one more: nobody is evicted
				}}})
				at, part := monday.Add(time.Minute), c.entities/c.turns
				for w := range c.turns * c.rounds {
					from := w % c.turns * part
					for i := from; i < from+part; i++ {
						d.Observe([]flow.Flow{one(at, fmt.Sprintf("host-%06d", i/60_000*1000+i%1000), uint16(1+i%60_000), "Hesse", 2000)}, farAhead, nil)
					}
					at = at.Add(3 * time.Hour)
				}
				d.Observe([]flow.Flow{one(at.AddDate(0, 0, 30), "host", 1, "Hesse", 1)}, farAhead, nil)
				if n := len(d.lanes[0].spaces[0].tables); (n == c.entities) != c.tables || n > 0 != c.tables {
					b.Fatalf("%d of %d have a season table", n, c.entities)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(d.Stats().Keys), "B/entity")
				runtime.KeepAlive(d)
			}
		})
	}
}
