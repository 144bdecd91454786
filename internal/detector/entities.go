package detector

import (
	"math"
	"slices"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
)

// create makes room for a new entity and returns its place. Where there is no room, it returns the overflow
// entity's place and false.
func (s *space) create(l *lane, key uint64, f *flow.Flow, sc *scratch, i int) (uint32, bool) {
	if s.full() {
		return s.overflow(), false
	}
	s.name = appendKey(s.name[:0], s.fields, f)
	name := string(s.name)
	was, returns := s.recall(name) // before it can make room for whom it evicts
	at, ok := s.place(l)
	if !ok {
		if returns {
			s.ghosts.put(was, s.limit, l.ordinal, s.span)
		}
		return s.overflow(), false
	}
	s.put(at, key, name)
	if returns {
		e := &s.entities[at]
		e.Series, e.windows, e.first = was.Series, was.windows, was.first
		s.returned++
	}
	if n := len(s.owners); n > 1 {
		for j := range s.owners {
			s.mains[int(at)*n+j] = sc.keys[s.owners[j].main.key][i]
		}
	}
	return at, true
}

// full says that there is no room: all entities have been looked at, and only a closing window changes what
// was found.
func (s *space) full() bool { return len(s.entities) >= s.limit && s.vain >= len(s.entities) }

// overflow is the place of the entity under which those are counted that find no room.
func (s *space) overflow() uint32 {
	at, ok := s.index.get(overflowHash, s.entities)
	if !ok { // once, beyond the limit
		at = s.grow()
		s.put(at, overflowHash, "")
	}
	return at
}

// recall takes the ghost of an entity out of the table, if it has one.
func (s *space) recall(name string) (ghost, bool) {
	if s.ghosts.count == 0 {
		return ghost{}, false
	}
	return s.ghosts.take(s.lastingHash(name))
}

// place finds room: a new place below the limit, or an evicted entity's.
func (s *space) place(l *lane) (uint32, bool) {
	if len(s.entities) < s.limit {
		return s.grow(), true
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
	s.index.put(at, s.entities)
}

// neverSeen marks an entity that no open window has predicted yet.
const neverSeen = -1 << 62

// evict takes the place of the entity that is worth least among a few that are in no open window. The few lie all
// over the space, and the search goes round so that each is looked at in turn.
//
// Only the lightest eighth of those looked at, the ones in open windows included, may be evicted. So an eighth of
// the places is there for newcomers, whatever fills the rest, and the rest is not for them: a flood drives out
// itself, and next to it no more than what was worth least.
func (s *space) evict(l *lane) (uint32, bool) {
	n := uint32(len(s.entities))
	tries := min(evictionTries, n)
	stride := (n + tries - 1) / tries
	var few [evictionTries]candidate
	at := s.hand
	for i := range few[:tries] {
		few[i] = candidate{s.decays.Worth(&s.entities[at].Series, l.ordinal), at}
		if at += stride; at >= n {
			at -= n
		}
	}
	s.hand = (s.hand + 1) % n
	best, ok := s.lightest(few[:tries])
	if !ok {
		s.vain += evictionTries
		return 0, false
	}
	s.vain = 0
	s.bury(l, best)
	return best, true
}

// candidate is an entity that may be evicted, and what it is worth.
type candidate struct {
	worth float64
	at    uint32
}

// lightest is the place of the candidate that is evicted, if one is: it is in no open window, and fewer than an eighth are
// lighter. Of those worth the same it is the first. To ask for open windows costs more than to compare, so that it is asked from
// the lightest on. It changes the candidates.
func (s *space) lightest(few []candidate) (at uint32, ok bool) {
	allowed, lighter, last := max(1, len(few)/newcomersShare), 0, math.Inf(-1)
	for rank := range few {
		best := &few[0]
		for i := range few {
			if few[i].worth < best.worth {
				best = &few[i]
			}
		}
		if best.worth > last {
			lighter, last = rank, best.worth
		}
		if lighter >= allowed {
			break
		}
		if hash := s.entities[best.at].hash; hash != overflowHash && !s.isOpen(hash) {
			return best.at, true
		}
		best.worth = math.Inf(1) // not again
	}
	return 0, false
}

// bury lets an entity go, all but its ghost.
func (s *space) bury(l *lane, at uint32) {
	e := &s.entities[at]
	s.index.remove(at, s.entities)
	if e.table != noTable {
		s.rhythmic[e.table] = noEntity
		s.unused = append(s.unused, e.table)
	}
	if e.windows > 0 {
		s.ghosts.put(ghost{s.lastingHash(e.key), e.Series, e.windows, e.first}, s.limit, l.ordinal, s.span)
	}
	s.evicted++
}

// isOpen says whether an entity has a sum that refers to its place.
func (s *space) isOpen(hash uint64) bool {
	for _, w := range [...]*window{s.current, s.next, s.missed} {
		if _, ok := w.index.get(hash); ok {
			return true
		}
	}
	return false
}

// activityOf is how probable it is that the entity with this hash is active in the open window. One that is not there, or has
// only now come, was silent until now.
func (s *space) activityOf(l *lane, hash uint64) float64 {
	var e baseline.Series
	if at, ok := s.index.get(hash, s.entities); ok && s.entities[at].first != neverSeen {
		e = s.entities[at].Series
	} else {
		e.Begin(l.ordinal, l.ordinal-s.since)
	}
	return s.decays.Activity(e, l.ordinal, baseline.EvenChance)
}

// activeWindows is the decayed number of active windows of the entity with this hash, 0 if there is none.
func (s *space) activeWindows(l *lane, hash uint64) float64 {
	at, ok := s.index.get(hash, s.entities)
	if !ok {
		return 0
	}
	return s.decays.ActiveAt(&s.entities[at].Series, l.ordinal)
}

func compareNames(a, b *Finding) int {
	if c := slices.Compare(a.Values, b.Values); c != 0 {
		return c
	}
	return slices.Compare(a.DetailValues, b.DetailValues)
}
