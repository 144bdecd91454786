package peers

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuantilesInterpolateBetweenOrderStatistics(t *testing.T) {
	x := []float64{1, 2, 3, 4, 10}
	for p, want := range map[float64]float64{0: 1, 0.1: 1.4, 0.5: 3, 0.9: 7.6, 1: 10} {
		assert.InDelta(t, want, quantile(x, p), 1e-12, p)
	}
	assert.Equal(t, 7.0, quantile([]float64{7}, 0.9))
}

func TestTukeysFenceCountsFromTheUpperPercentile(t *testing.T) {
	residuals := []float64{-10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10} // 10th and 90th percentile: -8 and 8
	assert.InDelta(t, fenceScale*16/16, fence(24, residuals, 0), 1e-12)
	assert.InDelta(t, fenceScale*16/32, fence(24, residuals, 16), 1e-12)
	assert.Zero(t, fence(8, residuals, 0))
	assert.Zero(t, fence(-50, residuals, 0), "too little is no exfiltration")
}

func TestDecompositionLeavesOnlyWhatSeasonAndTrendDoNotExplain(t *testing.T) {
	season := []float64{5, 1, 9, 1}
	x := make([]float64, 40)
	for i := range x {
		x[i] = 100 + season[i%4]
	}
	x[22] += 50
	residual := decompose(x, 4, nil)
	for i, r := range residual {
		if i == 22 {
			assert.InDelta(t, 48, r, 2, "the median season does not follow one outlier")
		} else {
			assert.InDelta(t, 0, r, 3, i)
		}
	}

	line := []float64{3, 5, 7, 9, 11, 13}
	for _, r := range decompose(line, 0, nil) {
		assert.InDelta(t, 0, r, 1e-12)
	}
	assert.Equal(t, []float64{0}, decompose([]float64{17}, 24, nil))
}

func TestSeasonIsFoundWhereTheSeriesRepeatsItself(t *testing.T) {
	daily, weekly, noise := make([]float64, 336), make([]float64, 336), make([]float64, 336)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range daily {
		daily[i] = float64(i%24) + 40*float64(i%168/150)*rng.Float64()
		weekly[i] = float64((i * i * 31) % 168 % 97)
		noise[i] = rng.Float64()
		if i >= 168 {
			weekly[i] = weekly[i-168]
		}
	}
	assert.Equal(t, 24, seasonality(daily[:200]), "too short for a week")
	assert.Equal(t, 168, seasonality(weekly))
	assert.Equal(t, 0, seasonality(noise))
	assert.Equal(t, 0, seasonality(make([]float64, 336)), "constant")
}

func TestZeroFilledMomentsAreThoseOfTheWholeSeries(t *testing.T) {
	// 0 0 6 0 2 4: mean 2, squares 4+4+16+4+0+4 = 32, 32/5 = 6.4
	mean, deviation := zeroFilled([]point{{3, 6}, {5, 2}, {6, 4}}, 6)
	assert.InDelta(t, 2, mean, 1e-12)
	assert.InDelta(t, math.Sqrt(6.4), deviation, 1e-12)
	mean, deviation = zeroFilled(nil, 1)
	assert.Zero(t, mean+deviation, "one window has no spread")
}

func TestSilenceFadesMomentsAsZeroesWould(t *testing.T) {
	const keep = 0.8
	var leaped, stepped moments
	leaped.pass(10, keep)
	stepped.pass(10, keep)
	leaped.learn(5, keep)
	stepped.learn(5, keep)
	for range 6 {
		stepped.learn(0, keep)
	}
	leaped.pass(17, keep)
	assert.InDelta(t, stepped.first, leaped.first, 1e-12)
	assert.InDelta(t, stepped.second, leaped.second, 1e-12)
	assert.Equal(t, stepped.next, leaped.next)
	// After one 5 among zeroes: mean 1, mean square 5, variance 4; sqrt(4+5) = 3.
	one := moments{seen: true, first: 1, second: 5}
	assert.InDelta(t, 3, one.deviations(10, math.Sqrt(5)), 1e-12)
}

func TestLogTailIsThatOfTheNormalDistribution(t *testing.T) {
	assert.InDelta(t, math.Log(0.5), logTail(0), 1e-12)
	assert.InDelta(t, math.Log(0.0013498980316301), logTail(3), 1e-10)
	assert.InDelta(t, logTail(30-1e-9), logTail(30+1e-9), 1e-5, "the two formulas meet")
	assert.Less(t, logTail(1000), logTail(999))
	assert.False(t, math.IsInf(logTail(1000), 0))
}

func TestMeanSearchLengthIsThatOfThePaper(t *testing.T) {
	for n, want := range map[int]float64{0: 0, 1: 0, 2: 1, 256: 10.2448} {
		assert.InDelta(t, want, unsuccessful(n), 1e-4, n)
	}
	// 2(ln 9 + γ) − 2·9/10
	assert.InDelta(t, 3.7488804844, unsuccessful(10), 1e-9)
}

func TestAnIsolationTreeEndsWithAllItsPoints(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	points := make([]row, 200)
	for i := range points {
		points[i] = row{rng.Float64(), rng.Float64()}
	}
	var tree isolationTree
	tree.grow(slices.Clone(points), 0, rng)
	leaves := int32(0)
	for _, n := range tree.nodes {
		if n.left == 0 {
			leaves += n.size
		}
	}
	assert.EqualValues(t, len(points), leaves)
	assert.Less(t, tree.path(&row{50, 50}), tree.path(&row{0.5, 0.5}), "an outlier is set apart sooner")

	var same isolationTree
	same.grow([]row{{1}, {1}, {1}}, 0, rng)
	require.Len(t, same.nodes, 1, "equal points cannot be cut")
	assert.InDelta(t, unsuccessful(3), same.path(&row{1}), 1e-12)
}

// tiny is ((a b) c), with two equal points in a.
func tiny() (tree cutTree, a, c int32) {
	tree = newCutTree(8, 1)
	a, b, c := tree.leaf(vector{0}), tree.leaf(vector{1}), tree.leaf(vector{9})
	inner, root := tree.take(), tree.take()
	tree.nodes[a].count = 2
	tree.nodes[inner] = cutNode{parent: root, left: a, right: b, count: 3, cut: 0.5, low: vector{0}, high: vector{1}}
	tree.nodes[root] = cutNode{parent: none, left: inner, right: c, count: 4, cut: 5, low: vector{0}, high: vector{9}}
	tree.nodes[a].parent, tree.nodes[b].parent, tree.nodes[c].parent = inner, inner, root
	tree.root = root
	return tree, a, c
}

func TestDisplacementIsTheLargestQuotientOnTheWayUp(t *testing.T) {
	tree, a, c := tiny()
	assert.InDelta(t, 3.0, tree.displacement(c), 1e-12, "three beside one")
	assert.InDelta(t, 0.5, tree.displacement(a), 1e-12, "one beside two, then one beside three")
	alone := newCutTree(4, 1)
	assert.Zero(t, alone.displacement(alone.insert(vector{3}, rand.New(rand.NewPCG(1, 1)))))
}

func TestForgettingAPointPutsItsSiblingInTheirParentsPlace(t *testing.T) {
	tree, a, c := tiny()
	root := tree.root
	tree.forget(a)
	assert.EqualValues(t, 1, tree.nodes[a].count, "one of two equal points is left")
	assert.EqualValues(t, 3, tree.nodes[root].count)
	tree.forget(a)
	assert.Equal(t, vector{1}, tree.nodes[root].low, "the box has shrunk")
	assert.EqualValues(t, 2, tree.nodes[root].count)
	assert.InDelta(t, 1.0, tree.displacement(c), 1e-12)
	tree.forget(c)
	assert.Equal(t, vector{1}, tree.nodes[tree.root].low)
	tree.forget(tree.root)
	assert.EqualValues(t, none, tree.root)
}

func TestACutTreeStaysWholeWhileItsWindowSlides(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	tree := newCutTree(32, 3)
	for i := range 200 {
		p := vector{float32(rng.IntN(4)), float32(rng.IntN(3)), rng.Float32()}
		if i%5 == 0 {
			p = vector{}
		}
		leaf := tree.insert(p, rng)
		require.Equal(t, p, tree.nodes[leaf].low)
		require.GreaterOrEqual(t, tree.displacement(leaf), 0.0)
		require.EqualValues(t, min(i+1, 32), tree.nodes[tree.root].count)
		whole(t, &tree, tree.root)
	}
	assert.LessOrEqual(t, len(tree.nodes), 2*32+2, "nodes are used again")
}

// whole checks that counts add up and that boxes are as small as can be.
func whole(t *testing.T, tree *cutTree, at int32) {
	n := tree.nodes[at]
	if n.left == none {
		require.Equal(t, n.low, n.high)
		return
	}
	l, r := tree.nodes[n.left], tree.nodes[n.right]
	require.Equal(t, at, l.parent)
	require.Equal(t, at, r.parent)
	require.Equal(t, n.count, l.count+r.count)
	for d := range tree.dims {
		require.Equal(t, n.low[d], min(l.low[d], r.low[d]))
		require.Equal(t, n.high[d], max(l.high[d], r.high[d]))
	}
	require.LessOrEqual(t, l.high[n.dim], n.cut)
	require.Greater(t, r.low[n.dim], n.cut)
	whole(t, tree, n.left)
	whole(t, tree, n.right)
}

func TestAPointFarOffDisplacesMost(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	tree, near, far := newCutTree(64, 2), 0.0, 0.0
	for range 400 {
		near += tree.displacement(tree.insert(vector{rng.Float32(), rng.Float32()}, rng))
		far += tree.displacement(tree.insert(vector{100 + rng.Float32(), 100}, rng))
		for range 20 {
			tree.insert(vector{rng.Float32(), rng.Float32()}, rng)
		}
	}
	assert.Greater(t, far, 3*near)
}

func TestHistoryKeepsWhatIsAskedFor(t *testing.T) {
	var h history
	for w := range int64(20) {
		if w%3 == 0 {
			h.add(w, 100+w, 10)
		}
	}
	assert.Equal(t, []point{{9, 109}, {12, 112}, {15, 115}, {18, 118}}, h.points)
	assert.EqualValues(t, 112, h.at(12))
	assert.Zero(t, h.at(13))
	assert.Equal(t, []point{{12, 112}, {15, 115}}, h.between(10, 18))
}

func TestLevelsAreTwentyADecade(t *testing.T) {
	reached, next := level(99_999)
	assert.Zero(t, reached)
	assert.Equal(t, 1e5, next)
	reached, next = level(1e6)
	assert.InDelta(t, 1e6, reached, 1)
	assert.InDelta(t, 1e6*math.Pow(10, 0.05), next, 1)
}
