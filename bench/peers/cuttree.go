package peers

import "math/rand/v2"

// vector is a point of a random cut tree; the dimensions that are not used are 0.
type vector [maxShingle]float32

// cutTree is a random cut tree over the last points that were inserted, as Guha et al. 2016 maintain it (algorithms
// 1 and 2): a cut falls into a dimension with a chance that is its share of the bounding box's side lengths.
type cutTree struct {
	dims   int
	nodes  []cutNode
	free   []int32
	root   int32
	leaves []int32 // a ring: the leaf of each of the last points
	oldest int
	size   int // points in the ring
}

// cutNode is a leaf, whose box is one point, or has two children. Equal points share a leaf.
type cutNode struct {
	parent, left, right int32 // none where absent
	count               int32 // points in and below
	dim                 int32
	cut                 float32 // up to it is left
	low, high           vector
}

const none = -1

func newCutTree(capacity, dims int) cutTree {
	return cutTree{dims: dims, root: none, leaves: make([]int32, capacity)}
}

// insert adds a point, in place of the oldest if the tree is full, and returns its leaf.
func (t *cutTree) insert(p vector, rng *rand.Rand) int32 {
	if t.size == len(t.leaves) {
		t.forget(t.leaves[t.oldest])
		t.size--
	}
	leaf := t.place(p, rng)
	t.leaves[t.oldest] = leaf
	t.oldest = (t.oldest + 1) % len(t.leaves)
	t.size++
	return leaf
}

// place descends from the root until a random cut of the box, with the point in it, parts the two.
func (t *cutTree) place(p vector, rng *rand.Rand) int32 {
	if t.root == none {
		t.root = t.leaf(p)
		return t.root
	}
	at := t.root
	for {
		n := &t.nodes[at]
		if dim, cut, below, parts := t.cut(n, &p, rng); parts {
			return t.part(at, p, dim, cut, below)
		}
		n.count++
		if n.left == none {
			return at // an equal point
		}
		for d := range t.dims {
			n.low[d], n.high[d] = min(n.low[d], p[d]), max(n.high[d], p[d])
		}
		if p[n.dim] <= n.cut {
			at = n.left
		} else {
			at = n.right
		}
	}
}

// cut draws a cut of a node's box extended by the point. Parts is whether the point is then alone on
// its side; below, whether that is the side up to the cut.
func (t *cutTree) cut(n *cutNode, p *vector, rng *rand.Rand) (dim int32, cut float32, below, parts bool) {
	total := float32(0)
	for d := range t.dims {
		total += max(n.high[d], p[d]) - min(n.low[d], p[d])
	}
	if total == 0 {
		return 0, 0, false, false
	}
	r := rng.Float32() * total
	for d := range t.dims {
		low, high := min(n.low[d], p[d]), max(n.high[d], p[d])
		if r >= high-low {
			r -= high - low
			continue
		}
		cut = low + r
		below = p[d] <= cut && cut < n.low[d]
		return int32(d), cut, below, below || n.high[d] <= cut && cut < p[d]
	}
	return 0, 0, false, false // the rounding of a sum: as good as no cut
}

// part puts a new parent above a node, with the point as its sibling.
func (t *cutTree) part(at int32, p vector, dim int32, cut float32, below bool) int32 {
	leaf, parent := t.leaf(p), t.take()
	old := &t.nodes[at]
	n := cutNode{parent: old.parent, left: at, right: leaf, count: old.count + 1, dim: dim, cut: cut, low: old.low, high: old.high}
	for d := range t.dims {
		n.low[d], n.high[d] = min(n.low[d], p[d]), max(n.high[d], p[d])
	}
	if below {
		n.left, n.right = leaf, at
	}
	t.adopt(old.parent, at, parent)
	old.parent, t.nodes[leaf].parent = parent, parent
	t.nodes[parent] = n
	return leaf
}

// adopt makes a new node the child of a parent in place of another.
func (t *cutTree) adopt(parent, before, after int32) {
	switch {
	case parent == none:
		t.root = after
	case t.nodes[parent].left == before:
		t.nodes[parent].left = after
	default:
		t.nodes[parent].right = after
	}
}

func (t *cutTree) leaf(p vector) int32 {
	i := t.take()
	t.nodes[i] = cutNode{parent: none, left: none, right: none, count: 1, low: p, high: p}
	return i
}

func (t *cutTree) take() int32 {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		return i
	}
	t.nodes = append(t.nodes, cutNode{})
	return int32(len(t.nodes) - 1)
}

// forget takes one point out of a leaf; an empty leaf goes and its sibling takes their parent's place.
func (t *cutTree) forget(leaf int32) {
	for at := leaf; at != none; at = t.nodes[at].parent {
		t.nodes[at].count--
	}
	if t.nodes[leaf].count > 0 {
		return
	}
	parent := t.nodes[leaf].parent
	t.free = append(t.free, leaf)
	if parent == none {
		t.root = none
		return
	}
	above, sibling := t.nodes[parent].parent, t.sibling(parent, leaf)
	t.adopt(above, parent, sibling)
	t.nodes[sibling].parent = above
	t.free = append(t.free, parent)
	for at := above; at != none; at = t.nodes[at].parent {
		t.bound(at)
	}
}

func (t *cutTree) sibling(parent, child int32) int32 {
	if t.nodes[parent].left == child {
		return t.nodes[parent].right
	}
	return t.nodes[parent].left
}

// bound makes a node's box as small as its children's allow.
func (t *cutTree) bound(at int32) {
	n := &t.nodes[at]
	a, b := &t.nodes[n.left], &t.nodes[n.right]
	for d := range t.dims {
		n.low[d], n.high[d] = min(a.low[d], b.low[d]), max(a.high[d], b.high[d])
	}
}

// displacement is the collusive displacement of a leaf: over it and all that it lies in, the largest
// quotient of the points beside to the points within.
func (t *cutTree) displacement(leaf int32) float64 {
	most := 0.0
	for at := leaf; t.nodes[at].parent != none; at = t.nodes[at].parent {
		parent := t.nodes[at].parent
		beside := t.nodes[t.sibling(parent, at)].count
		most = max(most, float64(beside)/float64(t.nodes[at].count))
	}
	return most
}
