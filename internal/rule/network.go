package rule

import (
	"fmt"
	"net/netip"
)

// parseNetwork reads a CIDR or a single address, IPv4-mapped ones as the IPv4 they stand for.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a network; write it as 198.51.100.0/24 or 2001:db8::/32", text)
	}
	if prefix.Bits() == 0 {
		return netip.Prefix{}, fmt.Errorf("%q is every address there is; write the networks that are meant", text)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has address bits beyond its length; write %s", text, prefix.Masked())
	}
	const mapped = 96 // ::ffff:0:0/96, RFC 4291
	if prefix.Addr().Is4In6() && prefix.Bits() >= mapped {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mapped)
	}
	return prefix, nil
}
