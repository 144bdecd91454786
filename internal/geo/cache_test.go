package geo

import (
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
)

func addr4(a, b byte, low int) netip.Addr {
	return netip.AddrFrom4([4]byte{a, b, byte(low >> 8), byte(low)})
}

func TestTheAddressCacheNeverConfusesAddresses(t *testing.T) {
	c := new(addressCache)
	places := make([]flow.Place, 1<<17) // four for each slot
	for i := range places {
		places[i].City = addr4(byte(i>>16), 1, i).String()
		c.put(addr4(byte(i>>16), 1, i), &places[i])
	}
	hits := 0
	for i := range places {
		if p := c.get(addr4(byte(i>>16), 1, i)); p != nil {
			require.Same(t, &places[i], p)
			hits++
		}
	}
	assert.Greater(t, hits, addressSlots*9/10, "neighbours should not share slots")
	assert.LessOrEqual(t, hits, addressSlots)
	assert.Nil(t, c.get(addr("::")), "an empty slot holds no address, not even the zero one")
}

func TestTheAddressCacheStaysWholeUnderConcurrentWriters(t *testing.T) {
	c := new(addressCache)
	// Addresses of a single slot, so that every write meets every other.
	var rivals []netip.Addr
	want, _, _ := c.slot(addr4(1, 1, 0))
	for i := 0; len(rivals) < 4; i++ {
		if s, _, _ := c.slot(addr4(1, byte(i>>16), i)); s == want {
			rivals = append(rivals, addr4(1, byte(i>>16), i))
		}
	}
	places := make([]flow.Place, len(rivals))
	var wg sync.WaitGroup
	for i := range rivals {
		wg.Go(func() {
			for n := range 20_000 {
				other := (i + n) % len(rivals)
				c.put(rivals[i], &places[i])
				if p := c.get(rivals[other]); p != nil && p != &places[other] {
					t.Errorf("%v has the place of another", rivals[other])
					return
				}
			}
		})
	}
	wg.Wait()
	assert.Zero(t, want.version.Load()%2, "no write is left half done")
}

func TestASlotThatIsBeingWrittenIsAMiss(t *testing.T) {
	c := new(addressCache)
	a := addr("192.0.2.1")
	c.put(a, &flow.Place{City: "first"})
	s, _, _ := c.slot(a)
	s.version.Add(1) // as if a writer had been interrupted

	assert.Nil(t, c.get(a))
	c.put(a, &flow.Place{City: "second"})
	assert.Equal(t, "first", s.place.Load().City, "a second writer gives up")
}

// wide is a database of 4,096 networks of 16 addresses in 64 regions.
func wide(t testing.TB) string {
	t.Helper()
	var entries []geotest.Entry
	for i := range 1 << 12 {
		entries = append(entries, geotest.Entry{
			Network: addr4(203, 0, i<<4).String() + "/28",
			Country: "US", Region: string(rune('A'+i%8)) + string(rune('A'+i/8%8)), City: "City",
		})
	}
	path := filepath.Join(t.TempDir(), "wide.mmdb")
	require.NoError(t, geotest.WriteCity(path, entries))
	return path
}

// zipf draws addresses as traffic does: few of them most of the time.
func zipf(n int) []netip.Addr {
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 8, 1<<16-1)
	addresses := make([]netip.Addr, n)
	for i := range addresses {
		addresses[i] = addr4(203, 0, int(z.Uint64()*40503)&0xffff)
	}
	return addresses
}

func TestWarmLookupsDoNotAllocate(t *testing.T) {
	l := open(t, Options{Database: wide(t), ASNDatabase: write(t, geotest.WriteASN)})
	bare := open(t, Options{})
	addresses := zipf(2000)
	v6 := addr("2620:0:2d0:200::7")
	all := func() {
		for _, a := range addresses {
			l.Locate(a)
			bare.Locate(a)
		}
		l.Locate(v6)
		bare.Locate(v6)
		l.ASN(addresses[0])
		l.ASN(addr("198.51.100.7"))
		l.Complete(flow.Place{Country: "us"}, addresses[0])
		l.Complete(flow.Place{Country: "FR"}, addresses[0])
		l.Complete(flow.Place{Region: "CA-QC"}, addresses[0])
	}
	all()
	assert.Zero(t, testing.AllocsPerRun(10, all))
}

func benchmarkLocate(b *testing.B, o Options) {
	l := open(b, o)
	addresses := zipf(1 << 14)
	for _, a := range addresses {
		l.Locate(a)
	}
	b.ReportAllocs()
	found := 0
	for i := 0; b.Loop(); i++ {
		if _, ok := l.Locate(addresses[i&(len(addresses)-1)]); ok {
			found++
		}
	}
	if o.Database != "" && found != b.N {
		b.Fatalf("%d of %d addresses were found", found, b.N)
	}
}

func BenchmarkLocateEmbedded(b *testing.B) { benchmarkLocate(b, Options{}) }
func BenchmarkLocateCity(b *testing.B)     { benchmarkLocate(b, Options{Database: wide(b)}) }

// BenchmarkLocateEmbeddedAnywhere asks for addresses of all of IPv4, few of them most of the time: a search by halves through the
// whole table for each that is not remembered.
func BenchmarkLocateEmbeddedAnywhere(b *testing.B) {
	l := open(b, Options{})
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 1, 100_000-1)
	addresses := make([]netip.Addr, 1<<14)
	for i := range addresses {
		n := uint32(z.Uint64()+1) * 2654435761
		addresses[i] = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		l.Locate(addresses[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Locate(addresses[i&(len(addresses)-1)])
	}
}

// BenchmarkLocateNewAddresses is the worst case: no address comes twice.
func BenchmarkLocateNewAddresses(b *testing.B) {
	l := open(b, Options{Database: wide(b)})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Locate(addr4(203, 0, i*40503&0xffff))
	}
}

func BenchmarkASN(b *testing.B) {
	l := open(b, Options{ASNDatabase: write(b, geotest.WriteASN)})
	a := addr("198.51.100.7")
	b.ReportAllocs()
	for b.Loop() {
		l.ASN(a)
	}
}

func BenchmarkCompleteWithAnEventsCountry(b *testing.B) {
	l := open(b, Options{Database: wide(b)})
	a := addr("203.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		l.Complete(flow.Place{Country: "us"}, a)
	}
}
