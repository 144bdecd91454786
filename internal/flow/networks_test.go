package flow

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNetworksContainWhatIsPrivateAndWhatIsNamed(t *testing.T) {
	n := NewNetworks([]netip.Prefix{
		netip.MustParsePrefix("198.51.100.77/24"),     // host bits are not looked at
		netip.MustParsePrefix("::ffff:192.0.2.0/120"), // 192.0.2.0/24
		netip.MustParsePrefix("2001:db8:1::/48"),
		{}, // adds nothing
	})
	for _, a := range []string{
		"10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.1.1",
		"127.0.0.53", "fc00::1", "fdff::1", "fe80::1", "::1", "198.51.100.1", "192.0.2.255", "2001:db8:1:ffff::1",
	} {
		assert.True(t, n.Contains(netip.MustParseAddr(a)), a)
	}
	for _, a := range []string{
		"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.169.0.0", "100.63.255.255", "100.128.0.0",
		"128.0.0.1", "fbff::1", "fe00::1", "fec0::1", "::2", "198.51.101.1", "192.0.3.0", "2001:db8:2::1",
	} {
		assert.False(t, n.Contains(netip.MustParseAddr(a)), a)
	}
	assert.False(t, n.Contains(netip.Addr{}))
}

// Whatever the first octet alone tells is what the address tells.
func TestTheFirstOctetNeverTellsAnotherSide(t *testing.T) {
	for name, networks := range map[string][]netip.Prefix{
		"private":                 nil,
		"a network of half of it": {netip.MustParsePrefix("128.0.0.0/1")},
		"all of it":               {netip.MustParsePrefix("0.0.0.0/0")},
		"one address":             {netip.MustParsePrefix("203.0.113.9/32")},
	} {
		n := NewNetworks(networks)
		for octet := range 256 {
			for _, rest := range [][3]byte{{}, {0, 113, 9}, {16, 1, 1}, {100, 64, 1}, {168, 1, 1}, {254, 1, 1}, {255, 255, 255}} {
				a := netip.AddrFrom4([4]byte{byte(octet), rest[0], rest[1], rest[2]})
				want := outsideEnd
				switch {
				case a.IsUnspecified() || a.IsMulticast() || a == broadcast:
					want = noEnd
				case n.Contains(a):
					want = insideEnd
				}
				assert.Equal(t, want, n.side(a), "%s: %v", name, a)
			}
		}
	}
}

func TestAMappedPrefixShorterThanTheMappingIsIPv6(t *testing.T) {
	n := NewNetworks([]netip.Prefix{netip.MustParsePrefix("::ffff:0:0/90")})
	assert.False(t, n.Contains(netip.MustParseAddr("203.0.113.9")))
}

func BenchmarkContains(b *testing.B) {
	n := NewNetworks(nil)
	a := netip.MustParseAddr("203.0.113.9")
	b.ReportAllocs()
	for b.Loop() {
		n.Contains(a)
	}
}
