package geotest

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
)

const regions = 300

// Cities places 198.0.0.0/8 in so many networks, a power of two, of so many cities in 300 regions.
func Cities(networks, cities int) []Entry {
	entries := make([]Entry, networks)
	length := 8 + bits.Len(uint(networks-1))
	for i := range entries {
		at := uint32(198)<<24 | uint32(i)<<(32-length)
		entries[i] = Entry{
			Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), length).String(),
			Country: "US", CountryName: "United States", Region: CitiesRegion(i), RegionISO: strconv.Itoa(i % regions),
			City: fmt.Sprintf("City %d", i%cities),
		}
	}
	return entries
}

// CitiesRegion is the region of network i of Cities.
func CitiesRegion(i int) string { return fmt.Sprintf("Region %d", i%regions) }
