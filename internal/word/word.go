// Package word reads texts a machine word at a time, where to look at each byte would take longer than the rest.
package word

// Load64 returns the first eight bytes of a text, the first byte lowest. It panics if there are fewer.
func Load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// Load32 returns the first four bytes of a text, the first byte lowest. It panics if there are fewer.
func Load32(s string) uint64 {
	_ = s[3]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
