package detector

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/pseudonym"
)

// An entity is found by a 64-bit hash of its key. The seeds are drawn when the detector is made,
// so that nobody outside can aim at a collision; by chance, a million entities share one hash
// with a probability of 3·10⁻⁸. These hashes order nothing and are never stored: hashOf makes them anew from names.

// keyer hashes the keys that some rule needs, and what contributors are named by.
type keyer struct {
	naming
	pseudonyms *pseudonym.Pseudonyms // nil: no names are hashed
	seed       maphash.Seed
	salt       [2]uint64
	// lasting is the salt of the hashes by which ghosts are known, see lastingHash. It is saved.
	lasting [16]byte
	keys    [][]flow.Field // each once
	needs   [flow.FieldCount]bool
	salted  []byte // scratch of contributorHash, which is called under the detector's lock
}

func newKeyer(s Settings) *keyer {
	k := &keyer{
		naming: newNaming(s.Contributors, s.Pseudonyms), pseudonyms: s.Pseudonyms,
		seed: maphash.MakeSeed(), salt: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}, lasting: newLastingSalt(),
	}
	for _, w := range s.Watches {
		for _, key := range append([][]flow.Field{w.By}, w.Details...) {
			if k.number(key) >= 0 {
				continue
			}
			k.keys = append(k.keys, key)
			for _, f := range key {
				k.needs[f] = true
			}
		}
	}
	return k
}

// number is the place of a key in keys, -1 if it is not there.
func (k *keyer) number(key []flow.Field) int {
	return slices.IndexFunc(k.keys, func(other []flow.Field) bool { return slices.Equal(key, other) })
}

// scratch holds what the spaces read of one batch, close together.
type scratch struct {
	masses []mass
	keys   [][]uint64 // by key, then by flow: the hash; 0 where the flow lacks a field of the key
	tuples []uint64   // hash of all that a contributor can be named by; 0: not computed yet
	keyer  *keyer
	exempt bool // some flows are exempt from some rules
}

// mass is a flow without its names.
type mass struct {
	time  int64
	bytes int64 // 0: dropped
}

// drop takes a flow out of the batch.
func (sc *scratch) drop(i int) {
	sc.masses[i].bytes = 0
	for _, hashes := range sc.keys {
		hashes[i] = 0
	}
}

// sender is the hash that tells flow i's sender from others of the same entity of s.
func (sc *scratch) sender(s *space, i int) uint64 {
	if s.senders < 0 {
		return 0
	}
	return sc.keys[s.senders][i]
}

// tuple is the hash of all that contributors are told apart by.
func (sc *scratch) tuple(i int, f *flow.Flow) uint64 {
	if sc.tuples[i] == 0 {
		of := sc.keyer.kindOf(f)
		sc.tuples[i] = sc.keyer.tuple(&of)
	}
	return sc.tuples[i]
}

// hash fills the scratch with the masses and hashes of the flows.
func (k *keyer) hash(flows []flow.Flow, sc *scratch) {
	n := len(flows)
	if cap(sc.masses) < n {
		sc.masses, sc.tuples, sc.keys = make([]mass, n), make([]uint64, n), make([][]uint64, len(k.keys))
		for j := range sc.keys {
			sc.keys[j] = make([]uint64, n)
		}
	}
	sc.masses, sc.tuples, sc.keyer = sc.masses[:n], sc.tuples[:n], k
	clear(sc.tuples)
	sc.exempt = false
	for j := range sc.keys {
		sc.keys[j] = sc.keys[j][:n]
	}
	var fields [flow.FieldCount]uint64
	for i := range flows {
		sc.masses[i] = mass{flows[i].Time, flows[i].Bytes}
		sc.exempt = sc.exempt || flows[i].NoAlert|flows[i].NoLearning != 0
		k.hashFields(&flows[i], &fields)
		for j, key := range k.keys {
			sc.keys[j][i] = k.combine(&fields, key)
		}
	}
}

// combine returns the hash of a key's fields, 0 where one is missing.
func (k *keyer) combine(fields *[flow.FieldCount]uint64, key []flow.Field) uint64 {
	h := fields[key[0]]
	for _, f := range key[1:] {
		if h == 0 || fields[f] == 0 {
			return 0
		}
		h = k.mix(h, fields[f])
	}
	return h
}

// hashFields hashes the fields that some key needs, 0 where the flow lacks one.
func (k *keyer) hashFields(f *flow.Flow, h *[flow.FieldCount]uint64) {
	if k.needs[flow.DestinationPort] {
		h[flow.DestinationPort] = 0
		if f.Port != 0 {
			h[flow.DestinationPort] = k.mix(uint64(f.Port), 0)
		}
	}
	if k.needs[flow.DestinationRegion] {
		h[flow.DestinationRegion] = k.text(f.Place.Region)
	}
	if k.needs[flow.DestinationCountry] {
		h[flow.DestinationCountry] = k.text(f.Place.Country)
	}
	if k.needs[flow.DestinationAddress] {
		h[flow.DestinationAddress] = k.address(f.Destination)
	}
	if k.needs[flow.Host] {
		if f.Host != "" {
			h[flow.Host] = k.text(f.Host)
		} else {
			h[flow.Host] = k.address(f.Source)
		}
	}
	if k.needs[flow.SourceAddress] {
		h[flow.SourceAddress] = k.address(f.Source)
	}
	if k.needs[flow.User] {
		h[flow.User] = k.text(f.User)
	}
	if k.needs[flow.Process] {
		h[flow.Process] = k.text(f.Process)
	}
}

func (k *keyer) text(s string) uint64 {
	if s == "" {
		return 0
	}
	return maphash.String(k.seed, s) | hashBits
}

func (k *keyer) address(a netip.Addr) uint64 {
	if !a.IsValid() {
		return 0
	}
	b := a.As16()
	return k.mix(binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]))
}

// hashBits are set in every hash: it is never 0, and never overflowHash.
const hashBits = 1<<63 | 1

// mix folds the 128-bit product of its salted arguments.
func (k *keyer) mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^k.salt[0], bits.RotateLeft64(b, 29)^k.salt[1])
	hi, lo = bits.Mul64(hi^lo^0x9e3779b97f4a7c15, k.salt[0]^0xd1342543de82ef95)
	return hi ^ lo | hashBits
}

// appendKey writes the values of a key so that they can be read back: each after its length.
func appendKey(dst []byte, fields []flow.Field, f *flow.Flow) []byte {
	for _, field := range fields {
		v := field.Value(f)
		dst = binary.AppendUvarint(dst, uint64(len(v)))
		dst = append(dst, v...)
	}
	return dst
}

// joinKey writes values as appendKey does.
func joinKey(values []string) string {
	var dst []byte
	for _, v := range values {
		dst = append(binary.AppendUvarint(dst, uint64(len(v))), v...)
	}
	return string(dst)
}

// keyValues is the inverse of appendKey.
func keyValues(key string) []string {
	var values []string
	for len(key) > 0 {
		value, rest, ok := cutValue(key)
		if !ok {
			break
		}
		values, key = append(values, value), rest
	}
	return values
}

// cutValue cuts the first value off a key that appendKey has written. From anything else, not ok, it cuts all.
func cutValue(key string) (value, rest string, ok bool) {
	n, size := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
	if size <= 0 || uint64(len(key)-size) < n {
		return "", "", false
	}
	end := size + int(n)
	return key[size:end], key[end:], true
}
