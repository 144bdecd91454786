package chart_test

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/quality/chart"
)

func figure() *chart.Chart {
	return &chart.Chart{
		Title: "Recall & false alarms",
		X:     chart.Axis{Label: "a week", From: 0.1, To: 10, Log: true, Ticks: []float64{0.1, 1, 10}},
		Y:     chart.Axis{Label: "recall", To: 1, Ticks: []float64{0, 1}, Format: func(v float64) string { return map[float64]string{0: "none", 1: "all"}[v] }},
		Series: []chart.Series{
			{Name: "a < b", Line: true, Strong: true, Points: []chart.Point{{0.1, 0}, {1, 0.5}, {100, 1}}},
			{Name: "dots", Points: []chart.Point{{1, math.Inf(1)}}},
			{Name: "guide", Line: true, Faint: true, Points: []chart.Point{{0.1, 0}, {10, 1}}},
			{Name: "empty", Line: true},
		},
	}
}

func TestAFigureIsWellFormedAndTheSameEachTime(t *testing.T) {
	svg := string(figure().SVG())
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	assert.Equal(t, svg, string(figure().SVG()))
	for _, want := range []string{"Recall &amp; false alarms", "a &lt; b", ">none<", ">all<", ">0.1<", "stroke-dasharray"} {
		assert.Contains(t, svg, want)
	}
	assert.NotContains(t, svg, "Inf")
	assert.NotContains(t, svg, "NaN")
}

func TestPointsLieWhereTheyBelong(t *testing.T) {
	svg := string(figure().SVG())
	// The plot goes from 70 to 590 and from 400 up to 44: a decade is 260 wide, what lies beyond ends at the edge.
	assert.Contains(t, svg, `points="70.0,400.0 330.0,222.0 590.0,44.0 "`)
	assert.Contains(t, svg, `<circle cx="330.0" cy="44.0"`)
}
