package main

import (
	"math"
	"time"

	"github.com/otel-exfil/exfil/bench/quality/chart"
	"github.com/otel-exfil/exfil/bench/score"
)

// inCharts is how many of the other methods are drawn.
const inCharts = 7

// charts returns the figures by file name.
func (m *measurement) charts() map[string][]byte {
	return map[string][]byte{
		"recall.svg":      m.recallChart().SVG(),
		"delay.svg":       m.delayChart().SVG(),
		"calibration.svg": m.calibrationChart().SVG(),
	}
}

// leastRate is what no false alarm at all is drawn at, a week.
const leastRate = 0.05

func (m *measurement) recallChart() *chart.Chart {
	c := &chart.Chart{
		Title: "Recall against false alarms, all thresholds",
		X:     chart.Axis{Label: "false alarms a week, both rules", From: leastRate, To: 100, Log: true, Ticks: []float64{0.1, 0.5, 1, 2, 5, 10, 50, 100}},
		Y:     chart.Axis{Label: "recall", To: 1, Ticks: []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
	}
	for i, e := range leaders(m.heldOut, inCharts) {
		s := chart.Series{Name: plain(e), Line: true, Strong: i == 0}
		for _, setting := range e.Settings() {
			s.Points = append(s.Points, chart.Point{X: max(leastRate, setting.FalseAlarms().Mean), Y: setting.Recall(score.All).Mean})
		}
		c.Series = append(c.Series, s)
	}
	return c
}

// plain is the entry's name without the table's stars.
func plain(e *entry) string {
	if e.tuned {
		return e.name + ", tuned"
	}
	return e.name
}

func (m *measurement) delayChart() *chart.Chart {
	c := &chart.Chart{
		Title: "Delay of the alarm against the size of the theft, as set",
		X: chart.Axis{
			Label: "busiest window as a multiple of the p99 of the quieter of port and region",
			From:  0.1, To: 10000, Log: true, Ticks: []float64{0.1, 1, 10, 100, 1000, 10000},
		},
		Y: chart.Axis{
			Label: "minutes from the first byte; top: not found", From: 0.1, To: 100000, Log: true,
			Ticks: []float64{0.1, 1, 10, 60, 180, 1440, 10080, 100000},
			Format: func(v float64) string {
				if v == 100000 {
					return "never"
				}
				return short(time.Duration(v * float64(time.Minute)))
			},
		},
	}
	for i, e := range leaders(m.heldOut, 1) {
		s := chart.Series{Name: plain(e), Strong: i == 0}
		set := e.At(e.threshold)
		set.Each(func(t *score.Truth, d *score.Detection) {
			minutes := math.Inf(1)
			if d.Found {
				minutes = d.Delay.Minutes()
			}
			s.Points = append(s.Points, chart.Point{X: t.Multiple, Y: minutes})
		})
		c.Series = append(c.Series, s)
	}
	return c
}

func (m *measurement) calibrationChart() *chart.Chart {
	ticks := []float64{0.01, 0.1, 1, 10, 100}
	c := &chart.Chart{
		Title: "False alarms a week and rule on traffic without thefts",
		X:     chart.Axis{Label: "stated by the score", From: 0.01, To: 100, Log: true, Ticks: ticks},
		Y:     chart.Axis{Label: "came", From: 0.01, To: 100, Log: true, Ticks: ticks},
	}
	s := chart.Series{Name: productName, Line: true, Strong: true}
	for _, p := range m.calibration() {
		if p.Count > 0 {
			s.Points = append(s.Points, chart.Point{X: p.Stated, Y: p.Observed})
		}
	}
	c.Series = append(c.Series, s,
		chart.Series{Name: "as stated", Line: true, Faint: true, Points: []chart.Point{{X: 0.01, Y: 0.01}, {X: 100, Y: 100}}},
		chart.Series{Name: "a third of it", Line: true, Faint: true, Points: []chart.Point{{X: 0.03, Y: 0.01}, {X: 100, Y: 100.0 / 3}}})
	return c
}
