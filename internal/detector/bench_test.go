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
// its windows: of a host × port that came now and then, and of a port that has a season table.
func BenchmarkMemory(b *testing.B) {
	hostPort := []flow.Field{flow.Host, flow.DestinationPort}
	for name, c := range map[string]struct {
		by       []flow.Field
		entities int
		windows  int // in each of which a fiftieth of the entities, or all, are active
		all      bool
	}{
		"now and then": {hostPort, 400_000, 50, false},
		"with season":  {[]flow.Field{flow.DestinationPort}, 60_000, 12, true},
	} {
		b.Run(name, func(b *testing.B) {
			var before, after runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&before)
				d := newDetector(b, Settings{Watches: []Watch{{
					Rule: "rule", By: c.by, Spans: []time.Duration{3 * time.Hour}, Threshold: 75, Budget: 1, MinBytes: 1e6, MaxEntities: c.entities,
				}}})
				part := c.entities / c.windows
				for w := range c.windows {
					from, to := w*part, (w+1)*part
					if c.all {
						from, to = 0, c.entities
					}
					for i := from; i < to; i++ {
						at := monday.Add(time.Duration(w)*3*time.Hour + time.Minute)
						d.Observe([]flow.Flow{one(at, fmt.Sprintf("host-%06d", i/60_000*1000+i%1000), uint16(1+i%60_000), "Hesse", 2000)}, farAhead, nil)
					}
				}
				d.Observe([]flow.Flow{one(monday.AddDate(0, 0, 30), "host", 1, "Hesse", 1)}, farAhead, nil)
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(d.Stats().Keys), "B/entity")
				runtime.KeepAlive(d)
			}
		})
	}
}
