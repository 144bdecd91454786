package peers

import (
	"math"
	"slices"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/flow"
)

// maxAlarms bounds the alarms that a method remembers at any threshold.
const maxAlarms = 1 << 16

// journal keeps what a method has to say at each threshold, in the order of time. When it is
// full the lower half of the scores goes, so that every threshold above is still answered wholly.
type journal struct {
	alarms []score.Alarm
	floor  float64 // no score at or below it is complete
	cut    bool    // whether anything was dropped
	// rising says that an entity's window may have several alarms of growing scores, the first that
	// reaches a threshold being the one that a user of that threshold hears.
	rising bool
}

func (j *journal) add(a score.Alarm) {
	if math.IsNaN(a.Score) || math.IsInf(a.Score, 0) || j.cut && a.Score <= j.floor {
		return
	}
	if len(j.alarms) >= maxAlarms {
		j.halve()
		if a.Score <= j.floor {
			return
		}
	}
	j.alarms = append(j.alarms, a)
}

func (j *journal) halve() {
	scores := make([]float64, len(j.alarms))
	for i := range j.alarms {
		scores[i] = j.alarms[i].Score
	}
	slices.Sort(scores)
	j.floor, j.cut = scores[len(scores)/2], true
	j.alarms = slices.DeleteFunc(j.alarms, func(a score.Alarm) bool { return a.Score <= j.floor })
}

// Alarms implements score.Method.
func (j *journal) Alarms(threshold float64) []score.Alarm {
	type window struct {
		field flow.Field
		value string
		since int64
	}
	var told []score.Alarm
	heard := make(map[window]bool)
	for i := range j.alarms {
		a := &j.alarms[i]
		if a.Score < threshold {
			continue
		}
		if j.rising {
			w := window{a.Field, a.Value, a.Since}
			if heard[w] {
				continue
			}
			heard[w] = true
		}
		told = append(told, *a)
	}
	return told
}

const (
	everyThreshold = 1000 // of the highest are listed
	thinning       = 1.02 // further ones are at ranks that grow by this factor
)

// Thresholds implements score.Method. Of the scores below the thousandth it lists some only.
func (j *journal) Thresholds() []float64 {
	all := make([]float64, len(j.alarms))
	for i := range j.alarms {
		all[i] = j.alarms[i].Score
	}
	slices.SortFunc(all, func(a, b float64) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	all = slices.Compact(all)
	listed := min(len(all), everyThreshold)
	for rank := float64(listed) * thinning; int(rank) < len(all); rank *= thinning {
		all[listed] = all[int(rank)]
		listed++
	}
	return all[:listed]
}
