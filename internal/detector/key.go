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
	"github.com/otel-exfil/exfil/internal/word"
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
	// Of contributorHash and kindHash, which are called under the detector's lock.
	salted []byte // scratch
	known  []knownHash
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
	masses  []mass
	columns [flow.FieldCount][]uint64 // of the fields that some key needs: by flow, the hash; 0 where the flow lacks it
	keys    [][]uint64                // by key, then by flow: the hash; 0 where the flow lacks a field of the key
	places  []uint32                  // by flow: that of its sum in the window at work, see table.find
	tuples  []uint64                  // hash of all that a contributor can be named by; 0: not computed yet
	keyer   *keyer
	exempt  []int32 // flows that are exempt from some rules
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
		sc.tuples[i] = sc.keyer.tupleOf(f)
	}
	return sc.tuples[i]
}

// fit makes room for n flows.
func (sc *scratch) fit(k *keyer, n int) {
	if cap(sc.masses) < n {
		sc.masses, sc.tuples, sc.keys = make([]mass, n), make([]uint64, n), make([][]uint64, len(k.keys))
		sc.places, sc.exempt = make([]uint32, n), make([]int32, 0, n)
		for f := range sc.columns {
			if k.needs[f] {
				sc.columns[f] = make([]uint64, n)
			}
		}
		for j := range sc.keys {
			sc.keys[j] = make([]uint64, n)
		}
	}
	sc.masses, sc.tuples, sc.keyer = sc.masses[:n], sc.tuples[:n], k
	clear(sc.tuples)
	sc.exempt = sc.exempt[:0]
	for f := range sc.columns {
		if k.needs[f] {
			sc.columns[f] = sc.columns[f][:n]
		}
	}
	for j := range sc.keys {
		sc.keys[j] = sc.keys[j][:n]
	}
}

// hash fills the scratch with the masses and hashes of the flows. It goes through the flows once, and then through
// columns of hashes, where many multiplications are under way at a time.
func (k *keyer) hash(flows []flow.Flow, sc *scratch) {
	sc.fit(k, len(flows))
	for i := range flows {
		f := &flows[i]
		sc.masses[i] = mass{f.Time, f.Bytes}
		if f.NoAlert|f.NoLearning != 0 {
			sc.exempt = append(sc.exempt, int32(i))
		}
		k.hashFields(f, sc, i)
	}
	for j, key := range k.keys {
		hashes := sc.keys[j]
		copy(hashes, sc.columns[key[0]])
		for _, f := range key[1:] {
			k.combine(hashes, sc.columns[f])
		}
	}
}

// combine makes hashes of some fields those of one field more, 0 where one is missing.
func (k *keyer) combine(hashes, field []uint64) {
	field = field[:len(hashes)]
	for i, h := range hashes {
		combined := k.mix(h, field[i])
		if h == 0 || field[i] == 0 {
			combined = 0
		}
		hashes[i] = combined
	}
}

// hashFields hashes the fields of flow i that some key needs, 0 where the flow lacks one.
func (k *keyer) hashFields(f *flow.Flow, sc *scratch, i int) {
	if k.needs[flow.DestinationPort] {
		h := uint64(0)
		if f.Port != 0 {
			h = k.value(uint64(f.Port), 0)
		}
		sc.columns[flow.DestinationPort][i] = h
	}
	if k.needs[flow.DestinationRegion] {
		sc.columns[flow.DestinationRegion][i] = k.text(f.Place.Region)
	}
	if k.needs[flow.DestinationCountry] {
		sc.columns[flow.DestinationCountry][i] = k.text(f.Place.Country)
	}
	if k.needs[flow.DestinationAddress] {
		sc.columns[flow.DestinationAddress][i] = k.address(f.Destination)
	}
	if k.needs[flow.Host] {
		h := k.text(f.Host)
		if h == 0 {
			h = k.address(f.Source)
		}
		sc.columns[flow.Host][i] = h
	}
	if k.needs[flow.SourceAddress] {
		sc.columns[flow.SourceAddress][i] = k.address(f.Source)
	}
	if k.needs[flow.User] {
		sc.columns[flow.User][i] = k.text(f.User)
	}
	if k.needs[flow.Process] {
		sc.columns[flow.Process][i] = k.text(f.Process)
	}
}

// text is the hash of a text, 0 of none. That of a usual name is made here: calling for it takes longer than making it.
func (k *keyer) text(s string) uint64 {
	n := len(s)
	if 8 <= n && n <= 16 { // two words, which may overlap, hold all of it
		b := []byte(s)
		return k.mix(k.mix(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])), uint64(n))
	}
	if 4 <= n && n < 8 { // so do two halves
		return k.mix(word.Load32(s)<<32|word.Load32(s[n-4:]), uint64(n))
	}
	if n == 0 {
		return 0
	}
	return maphash.String(k.seed, s) | hashBits
}

func (k *keyer) address(a netip.Addr) uint64 {
	if !a.IsValid() {
		return 0
	}
	b := a.As16()
	return k.value(binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]))
}

// hashBits are set in every hash: it is never 0, and never overflowHash.
const hashBits = 1<<63 | 1

// value is the hash of a number as it comes. After one multiplication, numbers in a row would still lie in rows.
func (k *keyer) value(a, b uint64) uint64 { return k.mix(k.mix(a, b), 0) }

// mix folds the 128-bit product of its salted arguments: the hash of two hashes.
func (k *keyer) mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^k.salt[0], bits.RotateLeft64(b, 29)^k.salt[1])
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
