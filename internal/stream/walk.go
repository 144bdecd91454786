package stream

const (
	// pageStreams is how many streams a page of a walk holds at most.
	pageStreams = 8192
	// pageVisits bounds the streams that are looked at for a page. Some are passed over.
	pageVisits = 4 * pageStreams
)

// progress is how far the walk that began last has come. It is kept by the table, which changes
// meanwhile.
type progress struct {
	number uint32 // of the walk; 0: there was none yet
	left   int    // entries that it has yet to pass
	next   uint32 // the next one by last use; 0: none
}

// walk passes, page by page, each stream that a table held when the walk began and still holds when its
// turn comes, once. The table may be used between the pages.
//
// It goes from the stream that was silent longest to the one used last. What is used meanwhile moves to
// the end and is met there. But where traffic uses streams as fast as the walk passes them it would never get
// to that end. So it takes as many steps as there were streams, which leads past all
// that were not used meanwhile, and looks for those that are left by their places.
type walk[S any] struct {
	table  *table[S]
	number uint32
	steps  int // left to take by last use
	place  int // of the entry that is next afterwards
}

// walk begins a walk. One that was under way ends.
func (t *table[S]) walk() *walk[S] {
	t.progress = progress{number: t.progress.number + 1, left: t.len(), next: t.oldest}
	return &walk[S]{table: t, number: t.progress.number, steps: t.len()}
}

// over says whether another walk has begun.
func (k *walk[S]) over() bool { return k.number != k.table.progress.number }

// done says whether all streams have been passed.
func (k *walk[S]) done() bool { return k.table.progress.left == 0 }

// page passes the next streams, unless the walk is over. There may be none among those looked at.
func (k *walk[S]) page(pass func(id uint64, state *S)) {
	passed := 0
	for visit := 0; visit < pageVisits && passed < pageStreams && !k.done() && !k.over(); visit++ {
		if e := k.step(); e.walk != k.number {
			e.walk = k.number
			k.table.progress.left--
			passed++
			pass(e.id, &e.state)
		}
	}
}

// step returns the next entry, of which there is one as long as any is left to pass.
func (k *walk[S]) step() *entry[S] {
	t := k.table
	if i := t.progress.next; i != 0 && k.steps > 0 {
		k.steps--
		t.progress.next = t.at(i).newer
		return t.at(i)
	}
	t.progress.next = 0
	k.place++
	return t.at(uint32(k.place))
}
