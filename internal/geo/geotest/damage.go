package geotest

import "bytes"

// Damaged returns ways in which a sound database may be spoilt, by a name that tells
// how. None of them may be opened.
func Damaged(sound []byte) map[string][]byte {
	return map[string][]byte{
		"empty":                  {},
		"plain text":             []byte("network,country_code\n192.0.2.0/24,NL\n"),
		"still compressed":       append([]byte{0x1f, 0x8b, 8, 0}, sound[:len(sound)/2]...),
		"cut off":                sound[:len(sound)*2/3],
		"beginning missing":      sound[len(sound)/3:],
		"zeroes in the tree":     overwrite(sound, 0, len(sound)/8, 0x00),
		"noise in the data":      overwrite(sound, bytes.Index(sound, make([]byte, separator))+separator, 32, 0xff),
		"too many nodes":         nodeCount(sound, 0xffff),
		"no metadata":            bytes.ReplaceAll(sound, []byte("MaxMind.com"), []byte("Mayhem.com!")),
		"root points to root":    overwrite(sound, 0, 6, 0x00),
		"branches meeting again": joined(sound),
		"node after the tree":    overwrite(sound, 3, 3, 0xfe),
		"metadata cut off":       sound[:len(sound)-20],
		"another file in half":   append(bytes.Clone(sound[:len(sound)/2]), sound[:len(sound)/2]...),
	}
}

// separator is how many zero bytes lie between search tree and data (MaxMind DB specification 2.0).
const separator = 16

func overwrite(sound []byte, at, length int, with byte) []byte {
	b := bytes.Clone(sound)
	for i := at; i < at+length && i < len(b); i++ {
		b[i] = with
	}
	return b
}

// joined lets each of the first nodes lead to the next by both its ways, so that the
// number of ways to a leaf doubles at each.
func joined(sound []byte) []byte {
	const nodes, record = 20, 3 // bytes: write makes records of 24 bits
	b := bytes.Clone(sound)
	for i := range nodes {
		for way := range 2 {
			copy(b[(2*i+way)*record:], []byte{0, 0, byte(i + 1)})
		}
	}
	return b
}

// nodeCount replaces the metadata's node count, which is less than 2^16 in a small database.
func nodeCount(sound []byte, count uint16) []byte {
	const key = "node_count"
	b := bytes.Clone(sound)
	if i := bytes.LastIndex(b, []byte(key)); i >= 0 {
		// One control byte, whose low five bits are the number's length, then the number.
		at := i + len(key)
		for j := range int(b[at] & 0x1f) {
			b[at+1+j] = byte(count >> 8)
		}
	}
	return b
}
