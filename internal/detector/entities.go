package detector

import (
	"slices"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
)

// create makes room for a new entity and returns its place. Where there is no room, it returns the overflow
// entity's place and false.
func (s *space) create(l *lane, key uint64, f *flow.Flow, sc *scratch, i int) (uint32, bool) {
	at, ok := s.place(l)
	if !ok {
		if at, ok = s.index[overflowHash]; !ok { // once, beyond the limit
			at = s.grow()
			s.put(at, overflowHash, "")
		}
		return at, false
	}
	s.name = appendKey(s.name[:0], s.fields, f)
	s.put(at, key, string(s.name))
	if n := len(s.owners); n > 1 {
		for j := range s.owners {
			s.mains[int(at)*n+j] = sc.keys[s.owners[j].main.key][i]
		}
	}
	return at, true
}

// place finds room: a new place below the limit, or an evicted entity's.
func (s *space) place(l *lane) (uint32, bool) {
	if len(s.entities) < s.limit {
		return s.grow(), true
	}
	if s.vain >= len(s.entities) { // all have been looked at; only a closing window changes that
		return 0, false
	}
	return s.evict(l)
}

func (s *space) grow() uint32 {
	s.entities = append(s.entities, entity{})
	if len(s.entities) > entityPage*len(s.dirty) {
		s.dirty = append(s.dirty, true)
	}
	if n := len(s.owners); n > 1 {
		s.mains = append(s.mains, make([]uint64, n)...)
	}
	return uint32(len(s.entities) - 1)
}

func (s *space) put(at uint32, key uint64, name string) {
	s.touch(at)
	s.entities[at] = entity{hash: key, key: name, table: noTable, first: neverSeen}
	s.index[key] = at
}

// neverSeen marks an entity that no open window has predicted yet.
const neverSeen = -1 << 62

// evict takes the place of the least active of a few entities that are in no open window and not
// established, going round so that each is looked at in turn.
func (s *space) evict(l *lane) (uint32, bool) {
	best, least := uint32(noEntity), established
	for range min(evictionTries, len(s.entities)) {
		at := s.hand
		s.hand = (s.hand + 1) % uint32(len(s.entities))
		e := &s.entities[at]
		if e.hash == overflowHash || s.isOpen(e.hash) {
			continue
		}
		if active := e.ActiveAt(l.ordinal, s.span); active < least {
			best, least = at, active
		}
	}
	if best == noEntity {
		s.vain += evictionTries
		return 0, false
	}
	s.vain = 0
	e := &s.entities[best]
	delete(s.index, e.hash)
	if e.table != noTable {
		s.rhythmic[e.table] = noEntity
		s.unused = append(s.unused, e.table)
	}
	s.evicted++
	return best, true
}

func (s *space) isOpen(hash uint64) bool {
	if _, ok := s.current.index.get(hash); ok {
		return true
	}
	_, ok := s.next.index.get(hash)
	return ok
}

// activityOf is how probable it is that the entity with this hash is active in the open window. One that is not there, or has
// only now come, was silent until now.
func (s *space) activityOf(l *lane, hash uint64) float64 {
	var e baseline.Series
	if at, ok := s.index[hash]; ok && s.entities[at].first != neverSeen {
		e = s.entities[at].Series
	} else {
		e.Begin(l.ordinal, l.ordinal-s.since)
	}
	return e.Activity(l.ordinal, s.span, baseline.EvenChance)
}

// activeWindows is the decayed number of active windows of the entity with this hash, 0 if there is none.
func (s *space) activeWindows(l *lane, hash uint64) float64 {
	at, ok := s.index[hash]
	if !ok {
		return 0
	}
	return s.entities[at].ActiveAt(l.ordinal, s.span)
}

func compareNames(a, b *Finding) int {
	if c := slices.Compare(a.Values, b.Values); c != 0 {
		return c
	}
	return slices.Compare(a.DetailValues, b.DetailValues)
}
