package peers

import (
	"container/list"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
)

// RandomCutForest scores a window by how many other points of a random tree it displaces. It is by S. Guha,
// N. Mishra, G. Roy and O. Schrijvers, "Robust Random Cut Forest Based Anomaly Detection On Streams" (ICML 2016), as
// Amazon Kinesis and OpenSearch have it: each entity has a forest of its own over shingles, the ln bytes of as many windows in a row,
// windows without traffic being zero. The score is the collusive displacement, mean over the trees: for the
// point and each group of it with its neighbours, the largest quotient of the sibling's points to its own.
//
// Trees hold the last Points shingles. An entity gets a forest when it first reaches the floor, filled with the
// silence before; 256 entities have one at most, those seen last.
type RandomCutForest struct {
	Span    time.Duration
	Shingle int // windows, 1 to 8
	Trees   int
	Points  int
	Floor   int64 // bytes: windows with less never alarm
	Unit    float64
	Seed    uint64
}

const (
	maxShingle = 8
	maxForests = 256
)

// New returns the method.
func (s RandomCutForest) New() score.Method {
	s.Shingle = min(max(s.Shingle, 1), maxShingle)
	name := fmt.Sprintf("random cut forest, %s, shingle %d, %d trees of %d, from %s, unit %g B",
		short(s.Span), s.Shingle, s.Trees, s.Points, megabytes(s.Floor), s.Unit)
	return newWindowed(name, s.Span, s.Floor, func() judge {
		return &randomCut{RandomCutForest: s, rng: rand.New(rand.NewPCG(s.Seed, 2)), recent: list.New()}
	})
}

type randomCut struct {
	RandomCutForest
	rng     *rand.Rand
	forests []*list.Element // by entity; holds a *cutForest
	recent  *list.List      // of all forests, the one used last in front
}

// cutForest is one entity's.
type cutForest struct {
	id      int32
	next    int64 // window that is not accounted for yet
	shingle vector
	trees   []cutTree
}

func (j *randomCut) judge(window, first int64, readings []reading, say verdict) {
	for i := range readings {
		r := &readings[i]
		j.forests = sized(j.forests, r.id+1)
		e := j.forests[r.id]
		if e == nil {
			if r.bytes < j.Floor {
				continue
			}
			e = j.plant(r.id, window, first)
		}
		j.recent.MoveToFront(e)
		f := e.Value.(*cutForest)
		f.silence(window, j)
		height := f.insert(math.Log1p(float64(r.bytes)/j.Unit), j)
		f.next = window + 1
		if r.wanted {
			say(r, height, math.NaN())
		}
	}
}

// plant makes the forest of an entity that was silent from the first window on.
func (j *randomCut) plant(id int32, window, first int64) *list.Element {
	if j.recent.Len() >= maxForests {
		last := j.recent.Back()
		j.forests[last.Value.(*cutForest).id] = nil
		j.recent.Remove(last)
	}
	f := &cutForest{id: id, next: window, trees: make([]cutTree, j.Trees)}
	silent := min(window-first, int64(j.Points))
	for i := range f.trees {
		f.trees[i] = newCutTree(j.Points, j.Shingle)
		for range silent {
			f.trees[i].insert(vector{}, j.rng)
		}
	}
	j.forests[id] = j.recent.PushFront(f)
	return j.forests[id]
}

// silence inserts the windows without traffic until the given one, as many as the trees can hold.
func (f *cutForest) silence(window int64, j *randomCut) {
	for range min(window-f.next, int64(j.Points)) {
		f.insert(0, j)
	}
}

// insert shifts a value into the shingle, the shingle into the trees, and returns its displacement.
func (f *cutForest) insert(y float64, j *randomCut) float64 {
	copy(f.shingle[:], f.shingle[1:j.Shingle])
	f.shingle[j.Shingle-1] = float32(y)
	sum := 0.0
	for i := range f.trees {
		sum += f.trees[i].displacement(f.trees[i].insert(f.shingle, j.rng))
	}
	return sum / float64(len(f.trees))
}
