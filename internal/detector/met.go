package detector

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// met remembers since when contributors have been met: those that a tally named, that is, who had a part in bytes that
// came near a threshold. It knows no names, only salted hashes of a field and its value. It is bounded: where
// a bucket is full, who was not met for the longest is forgotten, and is new when it comes again.
//
// It changes only when windows close, which no snapshot that is being written outlasts: so its shards are
// written as it is.
type met struct {
	buckets []metBucket // nil: nobody was met yet
	dirty   []bool      // by page of buckets: changed since the last snapshot
}

// metBucket holds contributors without gaps; the first with a hash of 0 is none.
type metBucket [metWays]acquaintance

// acquaintance is a contributor, with the hours since the epoch at which it was met first and last.
type acquaintance struct {
	hash        uint64
	first, last int32
}

const (
	// metBuckets × metWays is how many are remembered: 65,536, of 16 bytes each.
	metBuckets = 8192
	metWays    = 8
	metPage    = entityPage / metWays // buckets to a shard
	metPages   = metBuckets / metPage
)

// contributorHash is that of a field's value, the same over restarts: its salt is saved. It is not 0.
func (k *keyer) contributorHash(field flow.Field, value string) uint64 {
	return k.endHash(append(k.beginHash(field), value...))
}

// beginHash begins what is hashed of a contributor.
func (k *keyer) beginHash(field flow.Field) []byte {
	return append(append(k.salted[:0], k.lasting[:]...), byte(field))
}

func (k *keyer) endHash(salted []byte) uint64 {
	k.salted = salted
	sum := sha256.Sum256(salted)
	return binary.LittleEndian.Uint64(sum[:]) | 1
}

// first is the hour at which a contributor was met first.
func (m *met) first(hash uint64) (hour int32, ok bool) {
	if m.buckets == nil {
		return 0, false
	}
	for _, a := range &m.buckets[hash>>1%metBuckets] {
		if a.hash == hash {
			return a.first, true
		}
	}
	return 0, false
}

// note remembers a contributor, of whom the earlier and the later of the hours hold.
func (m *met) note(v acquaintance) {
	if m.buckets == nil {
		m.buckets, m.dirty = make([]metBucket, metBuckets), make([]bool, metPages)
		again(m.dirty, false) // no page was ever written
	}
	b := v.hash >> 1 % metBuckets
	m.dirty[b/metPage] = true
	bucket := &m.buckets[b]
	oldest := 0
	for i := range bucket {
		switch a := &bucket[i]; {
		case a.hash == v.hash:
			a.first, a.last = min(a.first, v.first), max(a.last, v.last)
			return
		case a.hash == 0:
			*a = v
			return
		case a.last < bucket[oldest].last:
			oldest = i
		}
	}
	bucket[oldest] = v
}

// meet notes all whom a tally names.
func (p *tallyPool) meet(t *tally, now int32) {
	var hashes [flow.FieldCount]uint64 // of a kind's values; 0: it has none. Most kinds share most of them with the one before.
	for i := range t.n {
		for _, field := range p.keyer.fields {
			if i == 0 || !t.kind[i].shares(&t.kind[i-1], field) {
				hashes[field] = p.keyer.kindHash(&t.kind[i], field)
			}
			if hashes[field] != 0 {
				p.met.note(acquaintance{hashes[field], t.first[i], max(now, t.first[i])})
			}
		}
	}
}

// knownHashes is how many salted hashes are remembered, of 16 bytes each: the same names come in one tally after the
// other, and to hash one takes ten times as long as to find it here.
const knownHashes = 4096

// knownHash is the salted hash of a field's value, and the hash of this process by which it is found.
type knownHash struct{ quick, salted uint64 }

// kindHash is the hash of a kind's value of a field; 0: it has none.
func (k *keyer) kindHash(of *kind, field flow.Field) uint64 {
	value := k.valueHash(of, field)
	if value == 0 {
		return 0
	}
	if k.known == nil {
		k.known = make([]knownHash, knownHashes)
	}
	// The salt changes when a state is loaded.
	quick := k.mix(k.mix(value, uint64(field)), binary.LittleEndian.Uint64(k.lasting[:]))
	known := &k.known[quick>>1%knownHashes]
	if known.quick != quick {
		*known = knownHash{quick, k.endHash(of.appendValue(k.beginHash(field), field))}
	}
	return known.salted
}

// valueHash is the hash of this process of a kind's value of a field; 0: it has none.
func (k *keyer) valueHash(of *kind, field flow.Field) uint64 {
	switch field {
	case flow.SourceAddress:
		return k.address(of.source)
	case flow.DestinationAddress:
		return k.address(of.destination)
	case flow.DestinationPort:
		return uint64(of.port)
	case flow.Host:
		return k.text(of.host)
	case flow.User:
		return k.text(of.user)
	case flow.Process:
		return k.text(of.process)
	case flow.DestinationRegion:
		return k.text(of.region)
	case flow.DestinationCountry:
		return k.text(of.country)
	}
	return 0
}

// metVersion is that of the shards of met.
const metVersion = 1

// save writes a page.
func (m *met) save(w *codec.Writer, page int) {
	w.Uint(metVersion)
	for b := page * metPage; b < (page+1)*metPage; b++ {
		for _, a := range &m.buckets[b] {
			if a.hash != 0 {
				w.Fixed(a.hash)
				w.Int(int64(a.first))
				w.Int(int64(a.last))
			}
		}
	}
}

// load takes over what save wrote.
func (m *met) load(r *codec.Reader) error {
	r.Version(metVersion, "contributors")
	var all []acquaintance
	for r.More() {
		a := acquaintance{r.Fixed(), loadHour(r), loadHour(r)}
		if a.hash == 0 || len(all) == metPage*metWays {
			r.Fail("a contributor without a hash, or more than %d in a page", metPage*metWays)
		}
		all = append(all, a)
	}
	if err := r.End(); err != nil {
		return err
	}
	for _, a := range all {
		m.note(a)
	}
	return nil
}

// loadHour reads an hour since the epoch, of an instant that can be counted.
func loadHour(r *codec.Reader) int32 {
	const most = -earliest / int64(time.Hour)
	v := r.Int()
	if v < -most || v > most {
		r.Fail("hour %d is beyond what can be counted", v)
		return 0
	}
	return int32(v)
}
