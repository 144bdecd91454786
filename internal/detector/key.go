package detector

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"net/netip"

	"github.com/otel-exfil/exfil/internal/flow"
)

// An entity is found by a 64-bit hash of its key. The seeds are drawn when the detector is made,
// so that nobody outside can aim at a collision; by chance, a million entities share one hash
// with a probability of 3·10⁻⁸. Hashes order nothing and are never stored.

// keyer hashes the fields that some key needs.
type keyer struct {
	seed  maphash.Seed
	salt  [2]uint64
	needs [flow.FieldCount]bool
}

func newKeyer(s Settings) keyer {
	k := keyer{seed: maphash.MakeSeed(), salt: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}}
	for _, w := range s.Watches {
		for _, f := range w.By {
			k.needs[f] = true
		}
		for _, key := range w.Details {
			for _, f := range key {
				k.needs[f] = true
			}
		}
	}
	return k
}

// hashes holds a flow's hash of each field that a key needs; 0: the flow lacks it.
type hashes [flow.FieldCount]uint64

// scratch holds the hashes of one batch.
type scratch struct {
	flows  []hashes
	tuples []uint64 // hash of all that a contributor can be named by, 0: not computed yet
	keyer  *keyer
}

func (sc *scratch) drop(i int) { sc.flows[i] = hashes{} }

// tuple is the hash of all that contributors are told apart by.
func (sc *scratch) tuple(i int, f *flow.Flow) uint64 {
	if h := sc.tuples[i]; h != 0 {
		return h
	}
	k := sc.keyer
	h := k.mix(k.address(f.Source), k.address(f.Destination))
	h = k.mix(h, uint64(f.Port)+1)
	for _, s := range [...]string{f.Host, f.User, f.Process} {
		if s != "" {
			h = k.mix(h, maphash.String(k.seed, s))
		} else {
			h = k.mix(h, 1)
		}
	}
	sc.tuples[i] = h
	return h
}

func (k *keyer) hash(flows []flow.Flow, sc *scratch) {
	if cap(sc.flows) < len(flows) {
		sc.flows = make([]hashes, len(flows))
		sc.tuples = make([]uint64, len(flows))
	}
	sc.flows, sc.tuples, sc.keyer = sc.flows[:len(flows)], sc.tuples[:len(flows)], k
	clear(sc.tuples)
	for i := range flows {
		k.hashFlow(&flows[i], &sc.flows[i])
	}
}

func (k *keyer) hashFlow(f *flow.Flow, h *hashes) {
	*h = hashes{}
	if k.needs[flow.DestinationPort] && f.Port != 0 {
		h[flow.DestinationPort] = k.number(uint64(f.Port))
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

// of combines the hashes of a key's fields; 0 where the flow lacks one.
func (h *hashes) of(k *keyer, fields []flow.Field) uint64 {
	key := h[fields[0]]
	if key == 0 {
		return 0
	}
	for _, f := range fields[1:] {
		if h[f] == 0 {
			return 0
		}
		key = k.mix(key, h[f])
	}
	return key
}

func (k *keyer) text(s string) uint64 {
	if s == "" {
		return 0
	}
	return maphash.String(k.seed, s) | 1
}

func (k *keyer) number(n uint64) uint64 { return k.mix(n, k.salt[1]) }

func (k *keyer) address(a netip.Addr) uint64 {
	if !a.IsValid() {
		return 0
	}
	b := a.As16()
	return k.mix(binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]))
}

// mix folds the 128-bit product of its salted arguments; the result is never 0.
func (k *keyer) mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^k.salt[0], bits.RotateLeft64(b, 29)^k.salt[1])
	hi, lo = bits.Mul64(hi^lo^0x9e3779b97f4a7c15, k.salt[0]^0xd1342543de82ef95)
	return hi ^ lo | 1
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

// keyValues is the inverse of appendKey.
func keyValues(key string) []string {
	var values []string
	for len(key) > 0 {
		n, size := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
		if size <= 0 || uint64(len(key)-size) < n {
			break
		}
		values = append(values, key[size:size+int(n)])
		key = key[size+int(n):]
	}
	return values
}
