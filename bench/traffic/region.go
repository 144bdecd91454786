package traffic

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Region is a place that flows go to.
type Region struct {
	flow.Place
	// Weight is how popular it is, relative to the others. A region without weight
	// is visited only where a habit, a job or a theft names it.
	Weight float64
}

// The addresses outside: each region has 2^11 of 198.18.0.0/15 and a /48 of 2001:db8::/32.
const (
	maxRegions       = 64
	regionBits       = 11
	addressesVisited = 400 // of a region, by one service
	outside4         = 198<<24 | 18<<16
	outside6         = 0x20010db8
)

// address returns the k-th address of the region with the given index.
func address(region, k int, v6 bool) netip.Addr {
	if v6 {
		var b [16]byte
		binary.BigEndian.PutUint32(b[0:], outside6)
		binary.BigEndian.PutUint16(b[4:], uint16(region))
		binary.BigEndian.PutUint32(b[12:], uint32(k))
		return netip.AddrFrom16(b)
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], outside4|uint32(region)<<regionBits|uint32(k)&(1<<regionBits-1))
	return netip.AddrFrom4(b)
}

// site picks an address of a service in a region. Few are visited often and many
// seldom: the k-th most popular has a share of about 1/k.
func site(rng *rand.Rand, region int, port uint16, v6 bool) netip.Addr {
	k := int(math.Pow(addressesVisited, rng.Float64()))
	// Services start at different addresses, so that one address does not serve all ports.
	return address(region, k+int(port)*addressesVisited, v6)
}

// regionIndex finds a region by its name.
func regionIndex(regions []Region, name string) (int, error) {
	i := slices.IndexFunc(regions, func(r Region) bool { return r.Region == name })
	if i < 0 {
		return 0, fmt.Errorf("%w: there is no region %q; add it to the plan's regions", ErrPlan, name)
	}
	return i, nil
}

// world says how often one host goes to which region.
type world struct {
	cumulative []float64 // by region, ascending, ends at the sum of all weights
}

// newWorld gives a host tastes of its own: each region's popularity, times a
// log-normal factor.
func newWorld(rng *rand.Rand, regions []Region, names []string) world {
	w := world{cumulative: make([]float64, len(regions))}
	sum := 0.0
	for i, r := range regions {
		taste := math.Exp(rng.NormFloat64())
		switch {
		case len(names) == 0:
			sum += r.Weight * taste
		case slices.Contains(names, r.Region):
			sum += taste
		}
		w.cumulative[i] = sum
	}
	return w
}

func (w world) pick(rng *rand.Rand) int {
	x := rng.Float64() * w.cumulative[len(w.cumulative)-1]
	i, _ := slices.BinarySearch(w.cumulative, x)
	// x may equal a bound; the region that it closes may have no weight.
	for i < len(w.cumulative)-1 && w.cumulative[i] <= x {
		i++
	}
	return i
}
