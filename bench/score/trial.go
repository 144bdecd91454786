package score

import (
	"cmp"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Rules are the fields whose alarms are judged: one rule each.
func Rules() []flow.Field { return []flow.Field{flow.DestinationPort, flow.DestinationRegion} }

// ruleCount is the number of Rules.
const ruleCount = 2

// Once is for how long after an alarm another one about the same entity is no further false alarm.
const Once = 24 * time.Hour

// Trial is a stretch of traffic of which it is known what was stolen in it.
type Trial struct {
	Name     string
	From, To int64 // event time in which alarms are judged, Unix nanoseconds; those outside count neither way
	Thefts   []Truth
}

// Weeks returns how long alarms are judged.
func (tr *Trial) Weeks() float64 { return time.Duration(tr.To-tr.From).Hours() / (24 * 7) }

// Detection says how one theft was noticed. The zero Detection is of a theft that was not.
type Detection struct {
	Found bool
	Delay time.Duration // from the theft's first byte to the alarm
	Lost  int64         // bytes that had left by then
	Host  string        // whom the alarm named
	Right bool          // the host is one of the theft's
}

// Verdict says what a method's alarms are worth in one trial.
type Verdict struct {
	Detections []Detection    // one for each theft of the trial
	False      [ruleCount]int // alarms that match no theft, in the order of Rules
}

// Found counts the thefts noticed; several alarms about one theft count once.
func (v *Verdict) Found() int {
	n := 0
	for i := range v.Detections {
		if v.Detections[i].Found {
			n++
		}
	}
	return n
}

// FalseAlarms counts those of all rules.
func (v *Verdict) FalseAlarms() int {
	n := 0
	for _, f := range v.False {
		n += f
	}
	return n
}

// Judge compares alarms with the truth. An alarm that matches a theft finds it, the earliest one with its
// delay and its host. One that matches none is a false alarm, unless the same entity had an alarm,
// right or false, in the Once before: the first of each such group counts. A repeat may still find
// a theft: who is told again, while something is stolen, has been told.
func (tr *Trial) Judge(alarms []Alarm) Verdict {
	v := Verdict{Detections: make([]Detection, len(tr.Thefts))}
	counted := make(map[entity]int64) // when its last alarm was that counted
	for _, a := range inOrder(alarms) {
		rule := slices.Index(Rules(), a.Field)
		if rule < 0 || a.Time < tr.From || a.Time >= tr.To {
			continue
		}
		matched := false
		for i := range tr.Thefts {
			if t := &tr.Thefts[i]; t.Matches(&a) {
				matched = true
				v.Detections[i].notice(t, &a)
			}
		}
		e := entity{a.Field, a.Value}
		if last, ok := counted[e]; ok && a.Time-last < int64(Once) {
			continue
		}
		counted[e] = a.Time
		if !matched {
			v.False[rule]++
		}
	}
	return v
}

func (d *Detection) notice(t *Truth, a *Alarm) {
	if d.Found {
		return
	}
	*d = Detection{
		Found: true, Delay: time.Duration(a.Time - t.First), Lost: t.Lost(a.Time),
		Host: a.Host, Right: slices.Contains(t.Hosts, a.Host),
	}
}

type entity struct {
	field flow.Field
	value string
}

// inOrder returns the alarms in the order of time, which Method promises and which is cheap to check.
func inOrder(alarms []Alarm) []Alarm {
	byTime := func(a, b Alarm) int { return cmp.Compare(a.Time, b.Time) }
	if slices.IsSortedFunc(alarms, byTime) {
		return alarms
	}
	alarms = slices.Clone(alarms)
	slices.SortStableFunc(alarms, byTime)
	return alarms
}
