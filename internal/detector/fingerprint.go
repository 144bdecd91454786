package detector

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Fingerprint is a digest of all that was learned and of the open windows' sums: two detectors with the
// same fingerprint go on alike, to the bit. It does not depend on the order in which entities
// were met.
func (d *Detector) Fingerprint() [sha256.Size]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := sha256.New()
	for _, l := range d.lanes {
		fmt.Fprintln(h, l.span, l.bucket, l.ordinal, l.first, l.days, l.alive, l.outage.gaps)
		for _, s := range l.spaces {
			s.fingerprint(h)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (s *space) fingerprint(h hash.Hash) {
	fmt.Fprintln(h, s.fields, s.detail, *s.model)
	order := make([]uint32, len(s.entities))
	for at := range order {
		order[at] = uint32(at)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return strings.Compare(s.entities[a].key, s.entities[b].key)
	})
	for _, at := range order {
		e := &s.entities[at]
		fmt.Fprintf(h, "%q", e.key)
		// A fixed-size struct of numbers cannot fail to be written to a hash.
		_ = binary.Write(h, binary.LittleEndian, e.Series)
		fmt.Fprintln(h, e.windows, e.first)
		if t := s.table(e); t != nil {
			_ = binary.Write(h, binary.LittleEndian, t)
		}
		for _, w := range s.windows() {
			if i, ok := w.index.get(e.hash); ok {
				fmt.Fprintln(h, w.sums[i].bytes, w.sums[i].flows, w.sums[i].sender != 0, s.threshold(&w.outlooks[i]), w.untaught[i])
			}
		}
	}
	s.ghosts.fingerprint(h)
}

func (g *ghosts) fingerprint(h hash.Hash) {
	var all []string
	for b := range g.buckets {
		for i := range g.buckets[b] {
			if v := &g.buckets[b][i]; v.hash != 0 {
				all = append(all, fmt.Sprint(v.Series, v.windows, v.first))
			}
		}
	}
	slices.Sort(all) // hashes differ from detector to detector
	fmt.Fprintln(h, all)
}
