package flow

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// Networks is the set of prefixes that count as inside. It is immutable and safe
// for concurrent use.
type Networks struct {
	prefixes bart.Lite
	octets   [256]side // of IPv4 addresses, as far as their first octet alone tells
}

// side says where an address is.
type side uint8

const (
	unsure     side = iota // an octet does not tell
	noEnd                  // it can be no end of a flow
	insideEnd              // it is in one of the networks
	outsideEnd             // it is in none
)

// PrivateNetworks returns the prefixes that are inside for everyone: private use
// (RFC 1918, RFC 4193), shared address space (RFC 6598), link-local (RFC 3927,
// RFC 4291) and loopback.
func PrivateNetworks() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"),
		netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"),
		netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("127.0.0.0/8"),
		netip.MustParsePrefix("fc00::/7"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("::1/128"),
	}
}

// NewNetworks returns the private networks and those given. A prefix within
// ::ffff:0:0/96 stands for the IPv4 prefix it maps; an invalid prefix adds nothing.
func NewNetworks(inside []netip.Prefix) *Networks {
	n := &Networks{}
	for _, p := range PrivateNetworks() {
		n.prefixes.Insert(p)
	}
	for _, p := range inside {
		n.prefixes.Insert(unmapPrefix(p))
	}
	for octet := range n.octets {
		n.octets[octet] = n.sideOfOctet(byte(octet))
	}
	return n
}

// sideOfOctet says where all IPv4 addresses of a first octet are, if that is the same for all.
func (n *Networks) sideOfOctet(octet byte) side {
	block := netip.PrefixFrom(netip.AddrFrom4([4]byte{octet}), 8)
	switch {
	case octet == 0 || octet >= 224: // unspecified, multicast and broadcast are in there
		return unsure
	case n.prefixes.LookupPrefix(block):
		return insideEnd
	case n.prefixes.OverlapsPrefix(block):
		return unsure
	}
	return outsideEnd
}

// side says where an address is. Most of what traffic names is in 10.0.0.0/8, or far from any network that is
// inside: of that, one look at a table tells.
func (n *Networks) side(a netip.Addr) side {
	if a.Is4() {
		if s := n.octets[a.As4()[0]]; s != unsure {
			return s
		}
	}
	switch {
	case !unicast(a):
		return noEnd
	case n.prefixes.Contains(a):
		return insideEnd
	}
	return outsideEnd
}

// unicast says whether an address can be one end of a flow.
func unicast(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != broadcast
}

// broadcast is the limited broadcast address of RFC 919.
var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Contains reports whether the address is inside. It wants unmapped addresses, as
// Record carries them, and is false for the invalid one.
func (n *Networks) Contains(a netip.Addr) bool {
	return n.prefixes.Contains(a)
}

// mappedBits is the length of the prefix ::ffff:0:0/96 that maps IPv4 into IPv6.
const mappedBits = 96

func unmapPrefix(p netip.Prefix) netip.Prefix {
	if !p.Addr().Is4In6() || p.Bits() < mappedBits {
		return p
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
}
