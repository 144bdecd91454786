package baseline

import "math"

// peerClasses is the number of classes by decayed active windows: none, 1, 2–3, 4–7, …, 1024 and more.
const peerClasses = 12

// Peers is what the entities of one space have in common, by experience.
type Peers [peerClasses]peerClass

type peerClass struct {
	n, mean, m2     float64 // of y: count, mean, sum of squared deviations
	errors, squares float64 // of predictions: count, sum of squared (clipped) errors
}

// prior is the mean and variance of y that an entity of class k starts from.
func (p *Peers) prior(k int) (mean, variance float64) {
	if c := &p[k]; c.n > peerEnough {
		return c.mean, c.m2 / c.n
	}
	var weight, m, v float64
	for q := range p {
		c := &p[q]
		w := c.n * math.Exp2(-math.Abs(float64(q-k)))
		if w > 0 {
			weight += w
			m += w * c.mean
			v += w * c.m2 / c.n
		}
	}
	if weight > peerEnough {
		return m / weight, v / weight
	}
	return priorMean, priorSpread
}

// missedBy is the variance by which predictions for class k were really missed; otherwise the given one.
func (p *Peers) missedBy(k int, otherwise float64) float64 {
	if c := &p[k]; c.errors > peerEnough {
		return c.squares / c.errors
	}
	var weight, v float64
	for q := range p {
		c := &p[q]
		w := math.Exp2(-math.Abs(float64(q - k)))
		weight += w * c.errors
		v += w * c.squares
	}
	if weight > peerEnough {
		return v / weight
	}
	return otherwise
}

// peerBatch sums one window of one class.
type peerBatch struct {
	n                 int64
	dev, dev2, errors fixed // deviations from the class mean, their squares, squared prediction errors
}

func (b *peerBatch) add(c *peerClass, y, err float64) {
	d := y - c.mean
	e := err * err
	if c.errors > peerEnough {
		e = min(e, peerClip*c.squares/c.errors)
	}
	b.n++
	b.dev += toFixed(d)
	b.dev2 += toFixed(d * d)
	b.errors += toFixed(e)
}

// learn merges a window's sums (Chan, Golub and LeVeque's pairwise update), then forgets
// what exceeds the memory.
func (c *peerClass) learn(b *peerBatch) {
	if b.n == 0 {
		return
	}
	m := float64(b.n)
	shift := b.dev.float() / m
	c.m2 += max(0, b.dev2.float()-m*shift*shift) + shift*shift*c.n*m/(c.n+m)
	c.n += m
	c.mean += shift * m / c.n
	if c.n > peerMemory {
		c.m2 *= peerMemory / c.n
		c.n = peerMemory
	}
	c.errors += m
	c.squares += b.errors.float()
	if c.errors > peerMemory {
		c.squares *= peerMemory / c.errors
		c.errors = peerMemory
	}
}
