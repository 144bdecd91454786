package geo

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
)

func TestTheBlockCacheNeverConfusesAddresses(t *testing.T) {
	c := new(blockCache)
	assert.Zero(t, c.get(addr("0.0.0.0")), "an empty slot holds no address, not even the zero one")
	const addresses = 4 * blockSlots
	at := func(i int) netip.Addr { return addr4(byte(i>>16), 1, i) }
	for i := range addresses {
		c.put(at(i), false, refTo(firstDatabase, i))
	}
	hits := 0
	for i := range addresses {
		if r := c.get(at(i)); r != 0 {
			require.Equal(t, i, r.position())
			require.Equal(t, firstDatabase, r.table())
			hits++
		}
	}
	assert.Greater(t, hits, blockSlots*9/10, "neighbours should not share slots")
	assert.LessOrEqual(t, hits, blockSlots)
}

func TestAWholeBlockIsRememberedByAnyOfItsAddresses(t *testing.T) {
	c := new(blockCache)
	whole, single := refTo(firstDatabase, 7), refTo(embeddedTable, 8)
	c.put(addr("192.0.2.77"), true, whole)
	assert.Equal(t, whole, c.get(addr("192.0.2.0")))
	assert.Equal(t, whole, c.get(addr("192.0.2.255")))
	assert.Zero(t, c.get(addr("192.0.3.77")))

	c.put(addr("198.51.100.0"), false, single)
	assert.Equal(t, single, c.get(addr("198.51.100.0")))
	assert.Zero(t, c.get(addr("198.51.100.1")), "one address says nothing of its neighbours")
}

func TestOfTwoBlocksInOneSlotBothStay(t *testing.T) {
	c := new(blockCache)
	rivals := rivalsOf(3)
	for i, a := range rivals {
		c.put(a, false, refTo(firstDatabase, i+1))
	}
	assert.Zero(t, c.get(rivals[0]), "the third drives out the first")
	assert.Equal(t, 2, c.get(rivals[1]).position())
	assert.Equal(t, 3, c.get(rivals[2]).position())
}

// rivalsOf returns addresses of a single slot.
func rivalsOf(n int) (rivals []netip.Addr) {
	for i := 0; len(rivals) < n; i++ {
		if a := addr4(1, byte(i>>16), i); blockSlot(addressKey(a)) == blockSlot(addressKey(addr4(1, 0, 0))) {
			rivals = append(rivals, a)
		}
	}
	return rivals
}

func TestTheBlockCacheStaysWholeUnderConcurrentWriters(t *testing.T) {
	c := new(blockCache)
	rivals := rivalsOf(4)
	var wg sync.WaitGroup
	for i := range rivals {
		wg.Go(func() {
			for n := range 20_000 {
				other := (i + n) % len(rivals)
				c.put(rivals[i], false, refTo(firstDatabase, i))
				if r := c.get(rivals[other]); r != 0 && r.position() != other {
					t.Errorf("%v has the place of another", rivals[other])
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestWhatIsBeyondAReferenceHasNone(t *testing.T) {
	assert.NotZero(t, refTo(lastTable, refPosition))
	assert.Zero(t, refTo(lastTable+1, 0))
	assert.Zero(t, refTo(firstDatabase, refPosition+1))
}

// entry is a network of a database, and the city that it is in.
func entry(network, city string) geotest.Entry {
	return geotest.Entry{Network: network, Country: "US", CountryName: "United States", Region: "Region of " + city, RegionISO: "R", City: city}
}

// Whatever was asked for before, an address is where the database says.
func TestWhatIsRememberedIsWhatTheDatabaseSays(t *testing.T) {
	folder := t.TempDir()
	for name, entries := range map[string][]geotest.Entry{
		"a.mmdb": {
			entry("198.51.100.0/25", "half a block"), entry("198.51.101.7/32", "one address"), entry("198.51.0.0/18", "many blocks"),
			entry("203.0.113.0/24", "a block"), entry("203.0.112.0/26", "a quarter"),
		},
		"b.mmdb": {entry("198.51.100.0/22", "of the second database"), entry("203.0.112.0/23", "of the second, too")},
	} {
		require.NoError(t, geotest.WriteCity(filepath.Join(folder, name), entries))
	}
	g := open(t, Options{Database: filepath.Join(folder, "?.mmdb")}).current.Load()
	require.Len(t, g.places, 2)
	var asked []netip.Addr
	for _, block := range []string{"198.51.100.%d", "198.51.101.%d", "198.51.102.%d", "198.51.7.%d", "203.0.113.%d", "203.0.112.%d", "192.0.2.%d", "8.8.8.%d"} {
		for _, last := range []int{200, 0, 7, 63, 64, 127, 128, 255} {
			asked = append(asked, addr(fmt.Sprintf(block, last)))
		}
	}
	want := func(a netip.Addr) flow.Place {
		if p := g.places.lookup(a); p != nil {
			return *p
		}
		return *g.countries.embedded(a)
	}
	for range 2 {
		for _, a := range asked {
			assert.Equal(t, want(a), *g.locate(a), a)
		}
	}
	assert.Zero(t, g.addresses.get(asked[0]), "blocks has room for all of them")
}

// A database may know a region, and not the country.
func TestAPlaceThatTwoSourcesKnowIsRemembered(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "flat.mmdb")
	require.NoError(t, geotest.WriteFlat(path, 4, []geotest.Entry{
		{Network: "8.8.8.0/24", Region: "Somewhere"}, {Network: "192.0.2.0/24", Country: "NL", Region: "Elsewhere"},
	}))
	l := open(t, Options{Database: path})
	a := addr("8.8.8.8")
	for range 2 {
		got, ok := l.Locate(a)
		assert.True(t, ok)
		assert.Equal(t, flow.Place{Region: "Somewhere", Country: "US"}, got)
	}
	assert.Zero(t, testing.AllocsPerRun(10, func() { l.Locate(a) }))
}
