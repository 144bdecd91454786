package checkpoint

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
)

// Bounds of what is written, and of what is believed when read.
const (
	// MaxShards is the number of shards a set may have.
	MaxShards = 1 << 14
	// MaxShardSize is the length of a shard in bytes, above all that can be meant by about a MiB.
	MaxShardSize = 64 << 20
	// MaxNameSize is the length of a shard's name in bytes.
	MaxNameSize = 256

	// maxKept is how many damaged shards are kept to be looked at.
	maxKept = 4
	// maxManifestSize is above the length of a manifest with MaxShards of the longest names.
	maxManifestSize = 8 << 20

	// A set, the one before it and what is kept fit into ordinarySlots, and beside as many that were set aside
	// into maxSlots.
	ordinarySlots = 2*MaxShards + ledgerStep
	maxSlots      = 2 * ordinarySlots
)

// manifest says what a committed set consists of. The zero one stands for none.
type manifest struct {
	generation uint64 // from 1, one more with each commit
	saved      time.Time
	shards     map[string]shard
	kept       []kept // newest first
	aside      aside
}

// shard says where a shard lies, and what its bytes are.
type shard struct {
	slot   uint32
	length int // without the frame
	sum    checksum
}

// kept is a damaged shard that nobody needs but who wants to look at it.
type kept struct {
	name string
	slot uint32
}

// aside is a set that could not be read because its manifest is damaged or newer; the zero one is none. Its manifest
// lies under asideKey, and its shards in slots below the number, if there is room for so many.
type aside struct {
	slots uint32
	since time.Time
}

// age makes it none once it is older than it need be.
func (a *aside) age(now time.Time) {
	switch {
	case *a == aside{}:
	case a.since.After(now): // said a clock that was ahead
		a.since = now
	case now.Sub(a.since) > retention:
		*a = aside{}
	}
}

// names returns the names of all shards in the order in which they are written, loaded and reported.
func (m *manifest) names() []string { return slices.Sorted(maps.Keys(m.shards)) }

// inUse returns the slots that must neither be written to nor deleted; those set aside are not among them.
func (m *manifest) inUse() map[uint32]bool {
	slots := make(map[uint32]bool, len(m.shards)+len(m.kept))
	for _, s := range m.shards {
		slots[s.slot] = true
	}
	for _, k := range m.kept {
		slots[k.slot] = true
	}
	return slots
}

func (m *manifest) encode(version uint32) []byte {
	var w codec.Writer
	w.Uint(m.generation)
	w.Time(m.saved)
	w.Uint(uint64(len(m.shards)))
	for _, name := range m.names() {
		s := m.shards[name]
		w.Text(name)
		w.Uint(uint64(s.slot))
		w.Uint(uint64(s.length))
		w.Text(string(s.sum[:]))
	}
	w.Uint(uint64(len(m.kept)))
	for _, k := range m.kept {
		w.Text(k.name)
		w.Uint(uint64(k.slot))
	}
	w.Uint(uint64(m.aside.slots))
	w.Time(m.aside.since)
	return seal(manifestKind, version, w.Data, sumOf(prefix(manifestKind, version, len(w.Data)), w.Data))
}

// decodeManifest reads what encode wrote. Errors wrap ErrDamaged or ErrNewer. No more memory is taken than a small
// multiple of the frame's length.
func decodeManifest(frame []byte, newest uint32) (*manifest, error) {
	if len(frame) > maxManifestSize {
		return nil, fmt.Errorf("%w: %d bytes, %d are the most", ErrDamaged, len(frame), maxManifestSize)
	}
	content, _, err := open(manifestKind, frame, newest)
	if err != nil {
		return nil, err
	}
	r := codec.NewReader(content)
	m := &manifest{generation: r.Uint(), saved: r.Time()}
	m.decodeShards(r)
	m.decodeKept(r)
	m.aside = aside{slots: slot(r, ordinarySlots), since: r.Time()}
	if m.generation == 0 || m.generation > math.MaxInt64 {
		r.Fail("generations begin at 1, and nobody lives to see the last one, %d", m.generation)
	}
	if len(m.inUse()) != len(m.shards)+len(m.kept) {
		r.Fail("two shards lie in the same slot")
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return m, nil
}

func (m *manifest) decodeShards(r *codec.Reader) {
	// A name of one byte and its length, a slot, a length, a checksum and its length.
	n := bounded(r, r.Count(2+1+1+1+len(checksum{})), MaxShards)
	m.shards = make(map[string]shard, n)
	last := ""
	for range n {
		name := r.Text()
		// Their order is what makes two of the same name impossible.
		if name <= last || len(name) > MaxNameSize {
			r.Fail("%.*q is no name of a shard, or not in order", MaxNameSize, name)
		}
		s := shard{slot: slot(r, maxSlots-1), length: int(min(r.Uint(), MaxShardSize+1))}
		if sum := r.Text(); copy(s.sum[:], sum) != len(sum) || len(sum) != len(s.sum) {
			r.Fail("%d bytes are no checksum", len(sum))
		}
		if s.length > MaxShardSize {
			r.Fail("a shard is larger than %d bytes", MaxShardSize)
		}
		if r.Err() != nil {
			return
		}
		m.shards[name], last = s, name
	}
}

func (m *manifest) decodeKept(r *codec.Reader) {
	for range bounded(r, r.Count(2), maxKept) {
		m.kept = append(m.kept, kept{name: r.Text(), slot: slot(r, maxSlots-1)})
	}
}

func slot(r *codec.Reader, highest uint32) uint32 {
	n := r.Uint()
	if n > uint64(highest) {
		r.Fail("slot %d, the highest one is %d", n, highest)
		return 0
	}
	return uint32(n)
}

func bounded(r *codec.Reader, n, most int) int {
	if n > most {
		r.Fail("%d shards, %d are the most", n, most)
		return 0
	}
	return n
}
