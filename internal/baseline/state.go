package baseline

import (
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
)

// What is learned is written as it is, to the bit. What is read is checked: the statistics divide by
// counts and take roots of sums of squares, and must not be given what they cannot have made.

// Save writes the series.
func (s *Series) Save(w *codec.Writer) {
	for _, v := range [...]float32{s.N, s.Mean, s.SS, s.Active, s.Total, s.ShapeXY, s.ShapeXX} {
		w.Float32(v)
	}
	w.Uint(uint64(s.Next))
}

// LoadSeries reads what Save wrote.
func LoadSeries(r *codec.Reader) Series {
	s := Series{
		N: r.Float32(), Mean: r.Float32(), SS: r.Float32(), Active: r.Float32(), Total: r.Float32(),
		ShapeXY: r.Float32(), ShapeXX: r.Float32(), Next: uint32(r.Below(1 << 32)),
	}
	if s.N < 0 || s.SS < 0 || s.Active < 0 || s.Total < 0 || s.ShapeXX < 0 {
		r.Fail("a count or a sum of squares below 0 in a series")
		return Series{}
	}
	return s
}

// Save writes the table.
func (t *Table) Save(w *codec.Writer) {
	for i := range t {
		c := &t[i]
		for _, v := range [...]float32{c.Mean, c.N, c.Active, c.Total} {
			w.Float32(v)
		}
	}
}

// Load reads what Save wrote.
func (t *Table) Load(r *codec.Reader) {
	for i := range t {
		c := Cell{Mean: r.Float32(), N: r.Float32(), Active: r.Float32(), Total: r.Float32()}
		if c.N < 0 || c.Active < 0 || c.Total < 0 {
			r.Fail("a count below 0 in a table")
			return
		}
		t[i] = c
	}
}

// Save writes the prediction.
func (p Prediction) Save(w *codec.Writer) {
	for _, v := range [...]float32{p.Centre, p.Spread, p.Season, p.Silence} {
		w.Float32(v)
	}
	w.Uint(uint64(p.Class))
}

// LoadPrediction reads what Save wrote.
func LoadPrediction(r *codec.Reader) Prediction {
	p := Prediction{Centre: r.Float32(), Spread: r.Float32(), Season: r.Float32(), Silence: r.Float32()}
	class := r.Uint()
	if p.Spread < 0 || class >= calibrationClasses {
		r.Fail("a prediction with a spread of %g and of class %d", p.Spread, class)
		return Prediction{}
	}
	p.Class = uint8(class)
	return p
}

// Save writes what the entities share. It must not be called between Learn and EndWindow.
func (m *Model) Save(w *codec.Writer) {
	m.shape.save(w)
	m.peers.save(w)
	for i := range m.calibration {
		m.calibration[i].save(w)
	}
	w.Int(int64(m.sinceFit))
}

// Load reads what Save wrote. If it cannot be read, the model is as it was.
func (m *Model) Load(r *codec.Reader) {
	read := *m
	read.shape.load(r)
	read.peers.load(r)
	read.alive = 0
	for i := range read.calibration {
		read.calibration[i].load(r)
		if read.calibration[i].alive() {
			read.alive++
		}
	}
	read.sinceFit = time.Duration(r.Int())
	if read.sinceFit < 0 {
		r.Fail("%s since a fit", read.sinceFit)
	}
	if r.Err() == nil {
		read.lookAround()
		*m = read
	}
}

func (h *Shape) save(w *codec.Writer) {
	for _, cells := range [][]shapeCell{h.day[:], h.week[:]} {
		for _, c := range cells {
			w.Float64(c.mean)
			w.Float64(c.n)
		}
	}
}

func (h *Shape) load(r *codec.Reader) {
	for _, cells := range [][]shapeCell{h.day[:], h.week[:]} {
		for i := range cells {
			cells[i] = shapeCell{mean: r.Float64(), n: loadCount(r)}
		}
	}
}

func (p *Peers) save(w *codec.Writer) {
	for i := range p {
		c := &p[i]
		for _, v := range [...]float64{c.n, c.mean, c.m2, c.errors, c.squares} {
			w.Float64(v)
		}
	}
}

func (p *Peers) load(r *codec.Reader) {
	for i := range p {
		p[i] = peerClass{n: loadCount(r), mean: r.Float64(), m2: loadCount(r), errors: loadCount(r), squares: loadCount(r)}
	}
}

func (c *Calibration) save(w *codec.Writer) {
	used := 0
	for i, n := range c.histogram {
		if n != 0 {
			used = i + 1
		}
	}
	w.Uint(uint64(used))
	for _, n := range c.histogram[:used] {
		w.Float64(n)
	}
	w.Float64(c.weeks)
	w.Float64(c.pace)
	w.Bool(c.fitted)
	w.Float64(c.from)
	w.Float64(c.rate)
	w.Float64(c.scale)
}

func (c *Calibration) load(r *codec.Reader) {
	*c = Calibration{}
	used := r.Count(8)
	if used > len(c.histogram) {
		r.Fail("a histogram of %d bins; there are %d", used, len(c.histogram))
		return
	}
	for i := range c.histogram[:used] {
		c.histogram[i] = loadCount(r)
	}
	c.weeks, c.pace, c.fitted = loadCount(r), loadCount(r), r.Bool()
	c.from, c.rate, c.scale = r.Float64(), loadCount(r), loadCount(r)
	if c.fitted && (c.rate == 0 || c.scale < tailFloor) {
		r.Fail("a tail with a rate of %g and a scale of %g", c.rate, c.scale)
	}
}

// loadCount reads a decayed count, or a sum of squares: nothing below 0.
func loadCount(r *codec.Reader) float64 {
	v := r.Float64()
	if v < 0 {
		r.Fail("%g where nothing is below 0", v)
		return 0
	}
	return v
}
