package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/otel-exfil/exfil/bench/traffic"
)

// The mix: what varies from theft to theft, each drawn by itself.
const (
	theftsASeed = 40
	days        = 35
	quietDays   = 10 // at the beginning, without thefts
	leastBytes  = 5e6
	mostBytes   = 2e10
)

var (
	// From unused to busy.
	theftPorts = []uint16{4444, 8081, 9001, 2222, 41234, 21, 8443, 5228, 22, 993, 587, 3478, 80, 443, 443}
	regions    = []string{
		"Tashkent", "Western Area", "Santiago Metropolitan", "Beijing", "Gauteng", "Istanbul", "Bucuresti", "Seoul",
		"Lisbon", "Texas", "Vienna", "Bavaria", "California", "Hesse", "Virginia",
	}
	durations = []time.Duration{20 * time.Minute, time.Hour, 3 * time.Hour, 8 * time.Hour, 24 * time.Hour, 72 * time.Hour, 7 * 24 * time.Hour}
	shapes    = []traffic.Shape{traffic.Steady, traffic.Steady, traffic.Burst, traffic.Ramp}
)

// thefts draws what is stolen under a seed. Sizes are log-uniform.
func thefts(seed uint64, start time.Time) []traffic.Theft {
	rng := rand.New(rand.NewPCG(seed, 0x7468656674))
	list := make([]traffic.Theft, theftsASeed)
	for i := range list {
		duration := durations[rng.IntN(len(durations))]
		latest := (days-quietDays)*24*time.Hour - duration - 12*time.Hour
		list[i] = traffic.Theft{
			Name:     fmt.Sprintf("theft %d", i),
			Start:    start.Add(quietDays*24*time.Hour + time.Duration(rng.Int64N(int64(latest)))),
			Duration: duration,
			Bytes:    int64(leastBytes * math.Pow(mostBytes/leastBytes, rng.Float64())),
			Host:     fmt.Sprintf("ws-%02d", 1+rng.IntN(26)),
			Process:  "rclone",
			Port:     theftPorts[rng.IntN(len(theftPorts))],
			Region:   regions[rng.IntN(len(regions))],
			Shape:    shapes[rng.IntN(len(shapes))],
		}
	}
	return list
}
