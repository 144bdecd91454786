package main

import (
	"fmt"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
)

// theftsInContest a plan; they begin after theftsFrom.
const (
	contestDays     = 42
	contestHosts    = 60
	theftsInContest = 32
	theftsFrom      = 14 * day
)

// start is a Monday.
func start() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) }

// tuningSeeds are those that methods may be tuned on, and heldOut those that nobody was.
func tuningSeeds() []uint64 { return []uint64{1, 2, 3} }

func heldOut(n int) []uint64 { return seedsFrom(101, n) }

func seedsFrom(first uint64, n int) []uint64 {
	seeds := make([]uint64, n)
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

// contestPlans are organisations with thefts among their traffic.
func contestPlans(seeds []uint64) ([]named, error) {
	kinds, err := traffic.Catalogue()
	if err != nil {
		return nil, err
	}
	plans := make([]named, len(seeds))
	for i, seed := range seeds {
		plan, err := organisation(seed, traffic.Options{})
		if err != nil {
			return nil, err
		}
		from := plan.Start.Add(theftsFrom)
		plan, _, err = traffic.Place(plan, kinds, from, plan.End().Add(-score.Grace), theftsInContest, seed)
		if err != nil {
			return nil, err
		}
		t, err := playedPlan(plan)
		if err != nil {
			return nil, err
		}
		plans[i] = named{fmt.Sprintf("seed %d", seed), t}
	}
	return plans, nil
}

// organisation is one of six weeks, of which o says what differs from sixty hosts on UTC.
func organisation(seed uint64, o traffic.Options) (traffic.Plan, error) {
	o.Days = contestDays
	if o.Hosts == 0 {
		o.Hosts = contestHosts
	}
	if o.Start.IsZero() {
		o.Start = start()
	}
	return traffic.Organisation(seed, o)
}

// plainClean is the one that calibration is looked at on.
const plainClean = "60 hosts"

// cleanPlan is an organisation from which nothing is stolen.
type cleanPlan struct {
	name    string
	options traffic.Options
	most    int  // seeds, because it is large; 0: all there are
	sweep   bool // all thresholds, not only the default one
}

func cleanPlans() ([]cleanPlan, error) {
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		return nil, err
	}
	return []cleanPlan{
		{"20 hosts", traffic.Options{Hosts: 20}, 0, false},
		{plainClean, traffic.Options{}, 0, true},
		{"500 hosts", traffic.Options{Hosts: 500}, 3, false},
		{"2,000 hosts", traffic.Options{Hosts: 2000}, 1, false},
		{"60 hosts, a third of the machines renamed each week", traffic.Options{Churn: 1.0 / 3}, 0, false},
		{"60 hosts, daylight-saving time begins in the fourth week", traffic.Options{Location: london}, 0, false},
		{"60 hosts, the fourth week is a holiday", traffic.Options{HolidayWeeks: []time.Time{start().Add(3 * week)}}, 0, false},
	}, nil
}
