package decode

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"

	"github.com/otel-exfil/exfil/internal/word"
)

// Key is the secret under which connections and streams of data points are told apart. Who can choose addresses,
// ports or attributes, and knows the key, can make two of them look like one, and so let the bytes of one vanish in
// those of the other: a theft in an upload that was counted already.
type Key [32]byte

// newKey draws a key.
func newKey() (k Key) {
	_, _ = rand.Read(k[:]) // never fails
	return k
}

// Key returns the key of the decoder, which New has drawn. It belongs to whatever is remembered of connections
// and streams: what is saved of these means something only to a decoder that is given the key, too. It is to be
// kept as secret as what is learned.
func (d *Decoder) Key() Key { return d.key }

// SetKey gives the decoder the key of an earlier one. Call it before anything is decoded.
func (d *Decoder) SetKey(k Key) { d.key, d.identity = k, newIdentity(k) }

// identity hashes under a key to 64 bits. The hashes never leave the process, so that nobody learns from them. The
// products are those of wyhash (Wang Yi 2019), folded from 128 bits, with a secret in each.
type identity [4]uint64

func newIdentity(k Key) (h identity) {
	for i := range h {
		h[i] = binary.LittleEndian.Uint64(k[8*i:])
	}
	h[3] |= 1 // a factor that loses nothing
	return h
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// text hashes a text: 16 bytes at a time, then up to 16 that are left, which may be read twice, then the length.
func (h *identity) text(t string) uint64 {
	length, state := uint64(len(t)), h[0]
	for ; len(t) > 16; t = t[16:] {
		state = fold(word.Load64(t)^h[1], word.Load64(t[8:])^state)
	}
	var a, b uint64
	switch n := len(t); {
	case n >= 8:
		a, b = word.Load64(t), word.Load64(t[n-8:])
	case n >= 4:
		a, b = word.Load32(t), word.Load32(t[n-4:])
	case n > 0:
		a = uint64(t[0])<<16 | uint64(t[n/2])<<8 | uint64(t[n-1])
	}
	return fold(fold(a^h[1], b^state)^length, h[2])
}

// chain combines hashes or numbers so that their order matters and every bit of the result depends on every
// bit of each. The high half of the full product carries what a plain product would lose.
func (h *identity) chain(parts ...uint64) uint64 {
	const golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio
	state := h[2]
	for _, next := range parts {
		state = bits.RotateLeft64(fold(state^next, h[3]), 29) + next*golden
	}
	return fold(state^h[0], h[3])
}
