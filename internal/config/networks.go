package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// Prefixes returns the networks that are inside in addition to the private ranges. Of a
// configuration that Validate passed, none is missing.
func (n Networks) Prefixes() []netip.Prefix {
	prefixes := make([]netip.Prefix, 0, len(n.Internal))
	for _, text := range n.Internal {
		if prefix, err := parsePrefix(text); err == nil {
			prefixes = append(prefixes, prefix)
		}
	}
	return prefixes
}

func (c *Config) checkNetworks(p *problems) {
	for i, text := range c.Networks.Internal {
		key := fmt.Sprintf("networks.internal[%d]", i)
		if _, err := parsePrefix(text); err != nil {
			p.add(key, "%w", err)
			continue
		}
		if slices.Contains(c.Networks.Internal[:i], text) {
			p.add(key, "%q is named twice; remove one", text)
		}
	}
}

// parsePrefix reads a prefix in CIDR notation whose host bits are zero, or a single address;
// IPv4 within IPv6 is taken for the IPv4 it stands for.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a network; write a prefix such as 203.0.113.0/24 or 2001:db8::/32", text)
	}
	if prefix.Bits() == 0 {
		return netip.Prefix{}, fmt.Errorf("%q is every address there is, so that nothing could leave; write your own networks", text)
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Errorf("%q has host bits set; write %s", text, masked)
	}
	const mapped = 96 // length of ::ffff:0:0/96, RFC 4291
	if prefix.Addr().Is4In6() && prefix.Bits() >= mapped {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mapped)
	}
	return prefix, nil
}
