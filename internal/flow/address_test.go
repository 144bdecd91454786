package flow_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

func TestAddressesAndPseudonymsCanBeReadBack(t *testing.T) {
	pseudonym := flow.PseudonymAddress([flow.PseudonymSize]byte{0xab, 15: 0x01})
	for text, a := range map[string]netip.Addr{
		"10.1.2.3":                              netip.MustParseAddr("10.1.2.3"),
		"2001:db8::7":                           netip.MustParseAddr("2001:db8::7"),
		"hmac:ab000000000000000000000000000001": pseudonym,
	} {
		assert.Equal(t, text, flow.AddressText(a))
		back, err := flow.ParseAddress(text)
		require.NoError(t, err)
		assert.Equal(t, a, back)
		assert.Equal(t, a == pseudonym, flow.IsPseudonym(a))
	}
	assert.Empty(t, flow.AddressText(netip.Addr{}))
	for _, text := range []string{"", "hmac:", "hmac:ab", "hmac:zz000000000000000000000000000001", "hmac:ab00000000000000000000000000000100", "ws-17"} {
		_, err := flow.ParseAddress(text)
		assert.Error(t, err, text)
	}
	// A hash that looks like an IPv4 address within IPv6 is still a hash.
	mapped := flow.PseudonymAddress([flow.PseudonymSize]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1})
	assert.Equal(t, "hmac:00000000000000000000ffff0a000001", flow.AddressText(mapped))
}
