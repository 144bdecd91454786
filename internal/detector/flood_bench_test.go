package detector

import (
	"fmt"
	"testing"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// BenchmarkFlood is the cost of a flow whose host, port and region were never met together, where all tables are full of
// entities that have a past: each flow evicts, and is met for the first time. A window takes as many as find room, and opens
// and closes beside the clock.
func BenchmarkFlood(b *testing.B) {
	const (
		entities  = 100_000
		perWindow = 10_000 // an eighth of the places is there for newcomers
		size      = 1000
	)
	s := twoRules()
	for i := range s.Watches {
		s.Watches[i].MaxEntities = entities
	}
	for _, warm := range []bool{false, true} {
		b.Run(fmt.Sprintf("warm=%t", warm), func(b *testing.B) {
			if warm { // newcomers may alert
				s.WarmUp = 3 * time.Hour
			}
			d := newDetector(b, s)
			window, fresh := 0, 0
			flood := func() []flow.Flow {
				flows := make([]flow.Flow, size)
				for i := range flows {
					fresh++
					flows[i] = flow.Flow{
						Time: monday.Add(time.Duration(window)*3*time.Hour + time.Hour).UnixNano(), Bytes: int64(500 + fresh%3000),
						Port: uint16(1 + fresh%60_000), Host: fmt.Sprintf("host-%08d", fresh),
						Place: flow.Place{Region: fmt.Sprintf("Region %08d", fresh), Country: "US"},
					}
				}
				return flows
			}
			var found []Finding
			for range 3 {
				for range entities / size {
					found = d.Observe(flood(), farAhead, found[:0])
				}
				fresh -= entities // the same again
				window++
			}
			fresh += entities
			left := 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				if left == 0 {
					left = perWindow
					window++
					found = d.Observe(flood()[:1], farAhead, found[:0]) // closes the window before
				}
				left -= size
				flows := flood()
				b.StartTimer()
				found = d.Observe(flows, farAhead, found[:0])
			}
			b.StopTimer()
			st := d.Stats()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/size, "ns/flow")
			b.ReportMetric(float64(st.Evicted)/float64(b.N)/size, "evicted/flow")
			b.ReportMetric(float64(st.Overflowed)/float64(b.N)/size, "overflowed/flow")
		})
	}
}
