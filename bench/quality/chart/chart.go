// Package chart draws figures as SVG: points and lines over two axes, linear or logarithmic. The same
// figures give the same bytes.
package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strconv"
)

// Axis is one of the two.
type Axis struct {
	Label    string
	From, To float64 // what it spans; values beyond are drawn at its end
	Log      bool
	Ticks    []float64
	Format   func(float64) string // of a tick; nil: as a number
}

// Point is one value.
type Point struct{ X, Y float64 }

// Series is a number of points that belong together.
type Series struct {
	Name   string
	Points []Point
	Line   bool // connects them, in their order; else each is a dot
	Strong bool // stands out from the others
	Faint  bool // only for orientation, dashed
}

// Chart is one figure.
type Chart struct {
	Title  string
	X, Y   Axis
	Series []Series
}

// Size of the figure and of the place for the plot, in pixels.
const (
	width, height            = 860, 460
	left, right, top, bottom = 70, 590, 44, 400
)

// palette can be told apart by people who see red and green alike (after M. Okabe and K. Ito, 2008).
func palette(i int) string {
	colours := [...]string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7f00", "#555555", "#994f00", "#7b5ea7"}
	return colours[i%len(colours)]
}

func (a *Axis) place(v, from, to float64) float64 {
	at := func(v float64) float64 {
		if a.Log {
			return math.Log(v)
		}
		return v
	}
	v = min(max(v, a.From), a.To)
	return from + (to-from)*(at(v)-at(a.From))/(at(a.To)-at(a.From))
}

func (a *Axis) text(v float64) string {
	if a.Format != nil {
		return a.Format(v)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// SVG returns the figure as a file.
func (c *Chart) SVG() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`+"\n", width, height)
	fmt.Fprintf(&b, `<title>%s</title>`+"\n", html.EscapeString(c.Title))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="15">%s</text>`+"\n", left, html.EscapeString(c.Title))
	c.axes(&b)
	for i := range c.Series {
		c.series(&b, i)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func (c *Chart) axes(b *bytes.Buffer) {
	for _, v := range c.X.Ticks {
		x := c.X.place(v, left, right)
		fmt.Fprintf(b, `<path d="M%.1f %dV%d" stroke="#e4e4e4"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			x, top, bottom, x, bottom+18, html.EscapeString(c.X.text(v)))
	}
	for _, v := range c.Y.Ticks {
		y := c.Y.place(v, bottom, top)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#e4e4e4"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y, right, left-8, y+4, html.EscapeString(c.Y.text(v)))
	}
	fmt.Fprintf(b, `<path d="M%d %dV%dH%d" fill="none" stroke="#333333"/>`+"\n", left, top, bottom, right)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+right)/2, height-16, html.EscapeString(c.X.Label))
	fmt.Fprintf(b, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+bottom)/2, html.EscapeString(c.Y.Label))
}

func (c *Chart) series(b *bytes.Buffer, i int) {
	s := &c.Series[i]
	colour, stroke, dash := palette(i), "1.5", ""
	switch {
	case s.Strong:
		stroke = "3.5"
	case s.Faint:
		colour, dash = "#999999", ` stroke-dasharray="5 4"`
	}
	if s.Line && len(s.Points) > 0 {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="%s"%s points="`, colour, stroke, dash)
		for _, p := range s.Points {
			fmt.Fprintf(b, "%.1f,%.1f ", c.X.place(p.X, left, right), c.Y.place(p.Y, bottom, top))
		}
		b.WriteString("\"/>\n")
	}
	if !s.Line {
		for _, p := range s.Points {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s" fill-opacity="0.6"/>`+"\n",
				c.X.place(p.X, left, right), c.Y.place(p.Y, bottom, top), colour)
		}
	}
	y := top + 8 + 19*i
	fmt.Fprintf(b, `<path d="M%d %dh18" stroke="%s" stroke-width="%s"%s/><text x="%d" y="%d">%s</text>`+"\n",
		right+16, y, colour, stroke, dash, right+40, y+4, html.EscapeString(s.Name))
}
