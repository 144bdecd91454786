package main

import (
	"time"

	"github.com/otel-exfil/exfil/bench/peers"
	"github.com/otel-exfil/exfil/bench/score"
)

// candidates are the settings that are tried for one peer.
type candidates struct {
	peer string // as in peers.Spec
	all  []func() score.Method
}

const (
	hour = time.Hour
	day  = 24 * hour
	seed = 7 // of the forests
)

func grid() []candidates {
	return []candidates{
		{"fixed bytes, 1 h", []func() score.Method{peers.FixedBytes{Span: hour}.New}},
		{"fixed bytes, 3 h", []func() score.Method{peers.FixedBytes{Span: 3 * hour}.New}},
		{"first seen", firstSeen()},
		{"week over week", weekOverWeek()},
		{"3 sigma, 1 h", sigma(hour)},
		{"3 sigma, 3 h", sigma(3 * hour)},
		{"EWMA of ln bytes", ewma()},
		{"seasonal decomposition", decomposition()},
		{"population", population()},
		{"isolation forest", isolation()},
		{"random cut forest", randomCut()},
	}
}

func firstSeen() (all []func() score.Method) {
	for _, memory := range []time.Duration{3 * day, 7 * day, 14 * day, 365 * day} {
		for _, span := range []time.Duration{3 * hour, day, 3 * day, 7 * day} {
			all = append(all, peers.FirstSeen{Memory: memory, Span: span}.New)
		}
	}
	return all
}

func weekOverWeek() (all []func() score.Method) {
	for _, span := range []time.Duration{hour, 3 * hour, day} {
		for _, floor := range []int64{3e5, 1e6, 3e6, 1e7, 1e8} {
			all = append(all, peers.WeekOverWeek{Span: span, Floor: floor}.New)
		}
	}
	return all
}

func sigma(span time.Duration) (all []func() score.Method) {
	for _, floor := range []int64{0, 1e6, 3e6, 1e7} {
		for _, slack := range []float64{1, 1e5, 1e6} {
			all = append(all, peers.Sigma{Span: span, Back: 7 * day, Floor: floor, Slack: slack}.New)
		}
	}
	return all
}

func ewma() (all []func() score.Method) {
	for _, halfLife := range []time.Duration{36 * hour, 3 * day, 5 * day, 7 * day} {
		for _, floor := range []int64{1e5, 3e5, 1e6, 3e6} {
			for _, least := range []float64{0.01, 0.03, 0.1, 0.3} {
				for _, unit := range []float64{1, 3e3, 1e4, 1e5} {
					all = append(all, peers.EWMA{Span: 3 * hour, HalfLife: halfLife, Floor: floor, Unit: unit, Least: least}.New)
				}
			}
		}
	}
	return all
}

func decomposition() (all []func() score.Method) {
	for _, period := range []int{0, 24, 168} {
		for _, floor := range []int64{3e5, 1e6, 1e7} {
			for _, slack := range []float64{1, 1e6} {
				all = append(all, peers.Decomposition{Back: 14 * day, Floor: floor, Period: period, Slack: slack}.New)
			}
			for _, slack := range []float64{0.03, 0.1, 0.3, 1} {
				all = append(all, peers.Decomposition{Back: 14 * day, Floor: floor, Period: period, Logs: true, Slack: slack}.New)
			}
		}
	}
	return all
}

func population() (all []func() score.Method) {
	for _, span := range []time.Duration{hour, 3 * hour} {
		for _, halfLife := range []time.Duration{3 * day, 14 * day, 56 * day} {
			all = append(all, peers.Population{Span: span, HalfLife: halfLife}.New)
		}
	}
	return all
}

func isolation() (all []func() score.Method) {
	for _, span := range []time.Duration{hour, 3 * hour} {
		for _, floor := range []int64{1e6, 1e7, 3e7} {
			for _, own := range []bool{false, true} {
				all = append(all, peers.IsolationForest{Span: span, Trees: 100, Floor: floor, Own: own, Seed: seed}.New)
			}
		}
	}
	return all
}

func randomCut() (all []func() score.Method) {
	for _, shingle := range []int{1, 4} {
		for _, floor := range []int64{1e6, 1e7, 3e7, 1e8} {
			for _, unit := range []float64{1, 1e5} {
				all = append(all, peers.RandomCutForest{
					Span: 3 * hour, Shingle: shingle, Trees: 32, Points: 128, Floor: floor, Unit: unit, Seed: seed,
				}.New)
			}
		}
	}
	return all
}
