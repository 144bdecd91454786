package alert

import (
	"container/list"
	"iter"
)

// keyed is what can be told apart by a key.
type keyed interface{ name() string }

// recent keeps values by their keys in the order of their last use. Those that are no more than most at a time is up to
// whoever adds: it takes out the oldest first.
type recent[V keyed] struct {
	most  int
	byKey map[string]*list.Element
	order *list.List // of V, the longest unused first
}

func newRecent[V keyed](most int) recent[V] {
	return recent[V]{most: most, byKey: make(map[string]*list.Element), order: list.New()}
}

func (r *recent[V]) len() int { return r.order.Len() }

// get returns the value of a key, and the zero value where there is none.
func (r *recent[V]) get(key []byte) (v V) {
	if e := r.byKey[string(key)]; e != nil {
		return e.Value.(V)
	}
	return v
}

// use makes a value the one used last, whether it is kept already or new.
func (r *recent[V]) use(v V) {
	if e := r.byKey[v.name()]; e != nil {
		r.order.MoveToBack(e)
		return
	}
	r.byKey[v.name()] = r.order.PushBack(v)
}

// oldest returns the value longest unused; ok is false where there is none.
func (r *recent[V]) oldest() (v V, ok bool) {
	if e := r.order.Front(); e != nil {
		return e.Value.(V), true
	}
	return v, false
}

// surplus returns the value that must go before another comes; ok is false while there is room.
func (r *recent[V]) surplus() (v V, ok bool) {
	if r.order.Len() < r.most {
		return v, false
	}
	return r.oldest()
}

func (r *recent[V]) remove(v V) {
	r.order.Remove(r.byKey[v.name()])
	delete(r.byKey, v.name())
}

// all returns the values in order, the longest unused first.
func (r *recent[V]) all() iter.Seq[V] {
	return func(yield func(V) bool) {
		for e := r.order.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(V)) {
				return
			}
		}
	}
}
