package flow

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

const (
	// PseudonymMark begins what stands for a value that is not to be known: hexadecimal digits of its keyed hash follow.
	PseudonymMark = "hmac:"
	// PseudonymSize is how many bytes of the hash follow, as many as an address has room for.
	PseudonymSize = 16

	// pseudonymZone marks an address that is none, but a hash. No address of a flow has a zone.
	pseudonymZone = "hmac"
)

// PseudonymAddress is the address that stands for one that is not to be known, by its hash.
func PseudonymAddress(hash [PseudonymSize]byte) netip.Addr {
	return netip.AddrFrom16(hash).WithZone(pseudonymZone)
}

// AppendAddress appends the text of an address, or of the pseudonym that stands for one; nothing of the zero Addr.
func AppendAddress(dst []byte, a netip.Addr) []byte {
	switch {
	case !a.IsValid():
		return dst
	case a.Zone() == pseudonymZone:
		hash := a.As16()
		return hex.AppendEncode(append(dst, PseudonymMark...), hash[:])
	}
	return a.AppendTo(dst)
}

// AddressText is what AppendAddress appends.
func AddressText(a netip.Addr) string { return string(AppendAddress(nil, a)) }

// ParseAddress is the inverse of AddressText.
func ParseAddress(text string) (netip.Addr, error) {
	digits, ok := strings.CutPrefix(text, PseudonymMark)
	if !ok {
		return netip.ParseAddr(text)
	}
	hash, err := hex.DecodeString(digits)
	if err != nil || len(hash) != PseudonymSize {
		return netip.Addr{}, fmt.Errorf("%q is no pseudonym of an address", text)
	}
	return PseudonymAddress([PseudonymSize]byte(hash)), nil
}

// IsPseudonym says whether an address stands for one that is not to be known.
func IsPseudonym(a netip.Addr) bool { return a.Zone() == pseudonymZone }
