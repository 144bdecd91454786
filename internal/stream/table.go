package stream

import (
	"hash/maphash"
	"math/bits"
)

// table remembers a state for each of at most limit streams. One that is full forgets the
// stream that was not looked up for the longest time, exactly that one.
//
// It is a chained hash table whose entries lie in one slice and are linked by their places in it, by
// bucket and by the order of their last use: no pointers for the collector of garbage, no
// allocation for a known stream or for one that takes a forgotten one's place.
type table[S any] struct {
	limit  int
	factor uint64   // odd and secret, so that nobody can choose identities that share a bucket
	heads  []uint32 // first of each bucket; the length is a power of two
	// entries are known by their place in it and 1, so that 0 means none.
	entries        []entry[S]
	newest, oldest uint32
	evicted        int64
	progress       progress // of the walk that began last
}

type entry[S any] struct {
	id           uint64
	state        S
	next         uint32 // in the bucket
	newer, older uint32 // by last use
	walk         uint32 // number of the last walk that has passed it, or that it is too young for
}

func newTable[S any](limit int) *table[S] {
	var h maphash.Hash
	return &table[S]{limit: max(1, limit), factor: h.Sum64() | 1, heads: make([]uint32, 16)}
}

// len returns the number of streams remembered.
func (t *table[S]) len() int { return len(t.entries) }

// find returns the state of a known stream, now the last one used; nil if it is unknown. The
// pointer is valid until the next add.
func (t *table[S]) find(id uint64) *S {
	for i := *t.head(id); i != 0; i = t.at(i).next {
		if e := t.at(i); e.id == id {
			if i != t.newest {
				t.detach(i)
				t.attach(i)
			}
			return &e.state
		}
	}
	return nil
}

// add returns the zero state for a stream that is unknown. Where another had to be forgotten for it, it
// returns the state of that, too.
func (t *table[S]) add(id uint64) (state *S, forgotten S, full bool) {
	i := t.oldest
	if full = len(t.entries) >= t.limit; full {
		forgotten = t.at(i).state
		if t.at(i).walk != t.progress.number {
			t.progress.left--
		}
		t.detach(i)
		t.unlink(i)
		t.evicted++
		*t.at(i) = entry[S]{id: id, walk: t.progress.number}
	} else {
		t.entries = append(t.entries, entry[S]{id: id, walk: t.progress.number})
		i = uint32(len(t.entries))
		if len(t.entries) > len(t.heads) {
			t.rehash()
		}
	}
	t.link(i)
	t.attach(i)
	return &t.at(i).state, forgotten, full
}

func (t *table[S]) at(i uint32) *entry[S] { return &t.entries[i-1] }

// head returns the bucket of an identity, by multiplicative hashing (Knuth, TAOCP 3, 6.4).
func (t *table[S]) head(id uint64) *uint32 {
	shift := 65 - bits.Len(uint(len(t.heads)))
	return &t.heads[id*t.factor>>shift]
}

func (t *table[S]) link(i uint32) {
	e := t.at(i)
	head := t.head(e.id)
	e.next, *head = *head, i
}

func (t *table[S]) unlink(i uint32) {
	at := t.head(t.at(i).id)
	for *at != i {
		at = &t.at(*at).next
	}
	*at = t.at(i).next
}

// rehash doubles the buckets. All entries but the last one are linked.
func (t *table[S]) rehash() {
	t.heads = make([]uint32, 2*len(t.heads))
	for i := uint32(1); i < uint32(len(t.entries)); i++ {
		t.link(i)
	}
}

// attach makes an entry the last one used.
func (t *table[S]) attach(i uint32) {
	e := t.at(i)
	e.newer, e.older = 0, t.newest
	if t.newest != 0 {
		t.at(t.newest).newer = i
	} else {
		t.oldest = i
	}
	t.newest = i
}

func (t *table[S]) detach(i uint32) {
	e := t.at(i)
	if i == t.progress.next {
		t.progress.next = e.newer
	}
	if e.newer != 0 {
		t.at(e.newer).older = e.older
	} else {
		t.newest = e.older
	}
	if e.older != 0 {
		t.at(e.older).newer = e.newer
	} else {
		t.oldest = e.newer
	}
}
