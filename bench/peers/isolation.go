package peers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/flow"
)

// IsolationForest scores a window by how few random cuts set its features apart from other windows'. It
// is by F. T. Liu, K. M. Ting and Z.-H. Zhou, "Isolation Forest" (ICDM 2008), with the paper's 100 trees of 256 points, as
// the anomaly processors and notebooks of many log products have it. One forest is trained a day for each rule
// on the windows of all its entities in the days before; the score is the paper's, 0 to 1.
//
// Features: ln bytes, ln flows, sine and cosine of the hour, the weekday, ln of bytes over the entity's own mean. An outlier
// on the low side scores too, so that a floor matters.
type IsolationForest struct {
	Span  time.Duration
	Floor int64 // bytes: windows with less never alarm
	Trees int
	// Own leaves out all features but bytes and the ratio to the own mean.
	Own  bool
	Seed uint64
}

const (
	subsample     = 256 // points of a tree
	trainingRows  = 1 << 13
	features      = 6
	heightLimit   = 8 // ceil(log2(subsample)), the paper's
	leastTraining = 64
)

// New returns the method.
func (s IsolationForest) New() score.Method {
	which := "all features"
	if s.Own {
		which = "bytes and own ratio"
	}
	name := fmt.Sprintf("isolation forest, %s, %d trees, %s, from %s", short(s.Span), s.Trees, which, megabytes(s.Floor))
	return newWindowed(name, s.Span, s.Floor, func() judge {
		return &isolation{span: s.Span, trees: s.Trees, own: s.Own, rng: rand.New(rand.NewPCG(s.Seed, 1))}
	})
}

type row [features]float64

type isolation struct {
	span    time.Duration
	trees   int
	own     bool
	rng     *rand.Rand
	means   []runningMean
	rows    []row // a ring of the newest windows
	oldest  int
	forest  []isolationTree
	trained int64 // day
}

// runningMean is the mean of ln(1+bytes) of an entity's active windows.
type runningMean struct {
	n, mean float64
}

func (j *isolation) judge(window, _ int64, readings []reading, say verdict) {
	begin := time.Unix(0, window*int64(j.span)).UTC()
	if today := flow.Window(begin.UnixNano(), int64(day)); today != j.trained && len(j.rows) >= leastTraining {
		j.train()
		j.trained = today
	}
	for i := range readings {
		r := &readings[i]
		j.means = sized(j.means, r.id+1)
		x := j.features(r, begin)
		if r.wanted && len(j.forest) > 0 {
			say(r, j.score(&x), math.NaN())
		}
		j.keep(x)
		m := &j.means[r.id]
		m.n++
		m.mean += (math.Log1p(float64(r.bytes)) - m.mean) / m.n
	}
}

func (j *isolation) features(r *reading, begin time.Time) row {
	y := math.Log1p(float64(r.bytes))
	x := row{y, y - j.means[r.id].mean}
	if !j.own {
		sin, cos := math.Sincos(2 * math.Pi * float64(begin.Hour()) / 24)
		x[2], x[3], x[4], x[5] = math.Log1p(float64(r.flows)), sin, cos, float64(begin.Weekday())
	}
	return x
}

func (j *isolation) keep(x row) {
	if len(j.rows) < trainingRows {
		j.rows = append(j.rows, x)
		return
	}
	j.rows[j.oldest] = x
	j.oldest = (j.oldest + 1) % trainingRows
}

func (j *isolation) train() {
	j.forest = j.forest[:0]
	sample := make([]row, min(subsample, len(j.rows)))
	order := make([]int, len(j.rows))
	for i := range order {
		order[i] = i
	}
	for range j.trees {
		for i := range sample { // the beginning of a Fisher-Yates shuffle
			k := i + j.rng.IntN(len(order)-i)
			order[i], order[k] = order[k], order[i]
			sample[i] = j.rows[order[i]]
		}
		t := isolationTree{nodes: make([]isolationNode, 0, 2*len(sample))}
		t.grow(sample, 0, j.rng)
		j.forest = append(j.forest, t)
	}
}

// score is 2 to the power of minus the mean path length over the expected one (Liu et al., equation 2).
func (j *isolation) score(x *row) float64 {
	sum := 0.0
	for i := range j.forest {
		sum += j.forest[i].path(x)
	}
	expected := unsuccessful(min(subsample, len(j.rows)))
	return math.Exp2(-sum / float64(len(j.forest)) / expected)
}

// unsuccessful is the mean path length of an unsuccessful search in a binary search tree of n points,
// c(n) of Liu et al., equation 1.
func unsuccessful(n int) float64 {
	const gamma = 0.5772156649015329 // Euler's constant
	switch {
	case n < 2:
		return 0
	case n == 2:
		return 1
	}
	m := float64(n - 1)
	return 2*(math.Log(m)+gamma) - 2*m/float64(n)
}

type isolationTree struct {
	nodes []isolationNode
}

// isolationNode is a cut, or, where left is 0, a leaf that so many points ended in.
type isolationNode struct {
	feature     int32
	left, right int32
	size        int32
	cut         float64 // of a leaf: how many cuts its points would take further
}

// grow adds the tree of the points, which it reorders, and returns its root.
func (t *isolationTree) grow(points []row, depth int, rng *rand.Rand) int32 {
	self := int32(len(t.nodes))
	t.nodes = append(t.nodes, isolationNode{size: int32(len(points)), cut: unsuccessful(len(points))})
	if depth >= heightLimit || len(points) < 2 {
		return self
	}
	feature, low, high, ok := draw(points, rng)
	if !ok {
		return self
	}
	cut := low + rng.Float64()*(high-low)
	k := 0
	for i := range points {
		if points[i][feature] < cut {
			points[i], points[k] = points[k], points[i]
			k++
		}
	}
	left := t.grow(points[:k], depth+1, rng)
	right := t.grow(points[k:], depth+1, rng)
	n := &t.nodes[self]
	n.feature, n.cut, n.left, n.right = int32(feature), cut, left, right
	return self
}

// draw picks a feature that the points differ in, each as likely, and returns its range.
func draw(points []row, rng *rand.Rand) (feature int, low, high float64, ok bool) {
	lows, highs := points[0], points[0]
	for i := range points {
		for f, v := range points[i] {
			lows[f], highs[f] = min(lows[f], v), max(highs[f], v)
		}
	}
	n := 0
	for f := range features {
		if highs[f] > lows[f] {
			if n++; rng.IntN(n) == 0 {
				feature = f
			}
		}
	}
	return feature, lows[feature], highs[feature], n > 0
}

// path is the number of cuts until a leaf, and what the leaf's points would take further.
func (t *isolationTree) path(x *row) float64 {
	i, depth := int32(0), 0.0
	for t.nodes[i].left != 0 {
		n := &t.nodes[i]
		if x[n.feature] < n.cut {
			i = n.left
		} else {
			i = n.right
		}
		depth++
	}
	return depth + t.nodes[i].cut
}
