package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/bench/quality/engine"
	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/config"
)

// watched is the label of the part of a case that is to be noticed, or not.
const watched = "watched"

// newPort is a port that no plan uses, and caseStart when a case begins, the engine having learned by then.
const (
	newPort   = 4545
	caseStart = 21 * day
)

// situation is something that somebody patient, or nobody bad at all, does.
type situation struct {
	name string
	want string
	// parts are what happens, on a plan whose usual bytes have been measured.
	parts func(s *scene) []traffic.Theft
}

// scene is where a situation takes place.
type scene struct {
	plan  traffic.Plan
	usual *yardstick
}

// upload is a theft of one host to a port and a region, at a time after caseStart.
func (s *scene) upload(label string, at, lasts time.Duration, bytes int64, port uint16, region string) traffic.Theft {
	return traffic.Theft{
		Name: fmt.Sprintf("%s %v", label, at), Label: label, Start: s.plan.Start.Add(caseStart + at), Duration: lasts,
		Bytes: bytes, Flows: int(min(max(bytes/2e6, 4), 200)), Host: s.host(), Process: "rclone", Port: port, Region: region, Shape: traffic.Steady,
	}
}

// host is the first of the plan's people.
func (s *scene) host() string {
	for _, g := range s.plan.Groups {
		if g.People {
			return g.Name + "-01"
		}
	}
	return s.plan.Groups[0].Name + "-01"
}

// nowhere is a region that nobody visits.
func (s *scene) nowhere() string {
	i := slices.IndexFunc(s.plan.Regions, func(r traffic.Region) bool { return r.Weight == 0 })
	return s.plan.Regions[i].Region
}

// daily is an upload each day from ten to eleven, of the bytes that size says.
func (s *scene) daily(label string, from, to int, port uint16, region string, size func(day int) int64) []traffic.Theft {
	var parts []traffic.Theft
	for d := from; d < to; d++ {
		parts = append(parts, s.upload(label, time.Duration(d)*day+10*time.Hour, time.Hour, size(d), port, region))
	}
	return parts
}

func always(bytes int64) func(int) int64 { return func(int) int64 { return bytes } }

const popular = "Virginia" // a region that every plan's people visit all day

func situations() []situation {
	return []situation{
		{"30 MB a day to a new region for two weeks, on port 443", "found within 3 days", func(s *scene) []traffic.Theft {
			return s.daily(watched, 0, 14, 443, s.nowhere(), always(30e6))
		}},
		{"30 MB, spread over each day, to a new region for two weeks, on port 443", "found within 3 days", func(s *scene) []traffic.Theft {
			t := s.upload(watched, 0, 14*day, 14*30e6, 443, s.nowhere())
			t.Flows = 14 * 24
			return []traffic.Theft{t}
		}},
		{"a ramp from 1 MB a day, ×2 every 3 days for 3 weeks, to a new port", "found", func(s *scene) []traffic.Theft {
			return s.daily(watched, 0, 21, newPort, popular, func(d int) int64 { return 1e6 << (d / 3) })
		}},
		{"twice the p99 of port 443, spread over 6 h of a night", "found", func(s *scene) []traffic.Theft {
			return []traffic.Theft{s.upload(watched, 19*time.Hour, 6*time.Hour, 4*s.usual.p99("443"), 443, popular)}
		}},
		{"twice the p99 of port 22, spread over 6 h of a working day", "found", func(s *scene) []traffic.Theft {
			return []traffic.Theft{s.upload(watched, 10*time.Hour, 6*time.Hour, 4*s.usual.p99("22"), 22, popular)}
		}},
		{"a port aged with 1 MB a day for 3 weeks, then 300 MB", "found", func(s *scene) []traffic.Theft {
			return append(s.daily("ageing", -20, 1, newPort, popular, always(1e6)),
				s.upload(watched, 34*time.Hour, time.Hour, 300e6, newPort, popular))
		}},
		{"a benign spike of 10 GB to a new port, 1 GB stolen through it a day later", "found", func(s *scene) []traffic.Theft {
			return []traffic.Theft{
				s.upload("spike", 10*time.Hour, time.Hour, 10e9, newPort, popular),
				s.upload(watched, 36*time.Hour, time.Hour, 1e9, newPort, popular),
			}
		}},
		{"a benign spike of 10 GB to port 443, 1 GB stolen through it to a new region a day later", "found", func(s *scene) []traffic.Theft {
			return []traffic.Theft{
				s.upload("spike", 10*time.Hour, time.Hour, 10e9, 443, popular),
				s.upload(watched, 36*time.Hour, time.Hour, 1e9, 443, s.nowhere()),
			}
		}},
		{"a service's 200 MB a day become 1 GB a day, for good", "at most 2 alerts, none after 7 days", func(s *scene) []traffic.Theft {
			return append(s.daily("before", -20, 0, newPort, popular, always(200e6)),
				s.daily(watched, 0, 20, newPort, popular, always(1e9))...)
		}},
	}
}

// outcome is what the engine said about a situation with one seed.
type outcome struct {
	score.Detection
	alerts int           // that name the watched entity, from its first byte on
	last   time.Duration // when the last of them came, after the first byte
}

// onSituations lets the engine at its default threshold watch each situation. The outcomes come by situation and seed.
func onSituations(ctx context.Context, workers int, all []situation, seeds []uint64) ([][]outcome, error) {
	scenes := make([]scene, len(seeds))
	outcomes := make([][]outcome, len(all))
	tasks := make([]func(context.Context) error, len(seeds))
	for k, seed := range seeds {
		tasks[k] = func(ctx context.Context) (err error) {
			plan, err := organisation(seed, traffic.Options{})
			if err != nil {
				return err
			}
			scenes[k], err = newScene(ctx, plan)
			return err
		}
	}
	if err := inParallel(ctx, workers, tasks); err != nil {
		return nil, err
	}
	tasks = tasks[:0]
	for i := range all {
		outcomes[i] = make([]outcome, len(seeds))
		for k := range seeds {
			tasks = append(tasks, func(ctx context.Context) (err error) {
				outcomes[i][k], err = scenes[k].play(ctx, all[i])
				return err
			})
		}
	}
	return outcomes, inParallel(ctx, workers, tasks)
}

// newScene measures what is usual in a plan.
func newScene(ctx context.Context, plan traffic.Plan) (scene, error) {
	t, err := playedPlan(plan)
	if err != nil {
		return scene{}, err
	}
	p := playing{name: "measuring", traffic: t, measure: true}
	_, err = p.run(ctx)
	return scene{plan: plan, usual: p.usual}, err
}

func (s *scene) play(ctx context.Context, what situation) (outcome, error) {
	e, err := engine.New(productName, config.Default(), engine.DefaultThreshold)
	if err != nil {
		return outcome{}, err
	}
	plan := s.plan
	plan.Thefts = what.parts(s)
	trial, err := play(ctx, what.name, plan, e)
	if err != nil {
		return outcome{}, err
	}
	trial.Thefts = slices.DeleteFunc(trial.Thefts, func(t score.Truth) bool { return t.Name != watched })
	alarms := e.Alarms(engine.DefaultThreshold)
	o := outcome{Detection: trial.Judge(alarms).Detections[0]}
	for _, a := range alarms {
		if trial.Thefts[0].Matches(&a) {
			o.alerts++
			o.last = time.Duration(a.Time - trial.Thefts[0].First)
		}
	}
	return o, nil
}
