package score

import (
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Grace is how long after a theft's last byte an alarm may still be about it: a window of three hours
// that closes when what may come five minutes late has come.
const Grace = 3*time.Hour + 5*time.Minute

// Increment is one flow of a theft.
type Increment struct{ Time, Bytes int64 }

// Truth is what is known of one theft. Times are event times in Unix nanoseconds.
type Truth struct {
	Name, Kind  string
	First, Last int64    // of its first and its last byte
	Ports       []string // entities that identify it
	Regions     []string
	Hosts       []string // who stole
	Bytes       int64
	Flows       []Increment // in the order of time
	// Multiple is its busiest window as a multiple of the p99 of the windows of its port or
	// region, whichever is quieter; 0: not known.
	Multiple float64
}

// Matches reports whether an alarm is about the theft: it names its port or its region between the
// first byte and Grace after the last.
func (t *Truth) Matches(a *Alarm) bool {
	if a.Time < t.First || a.Time > t.Last+int64(Grace) {
		return false
	}
	switch a.Field {
	case flow.DestinationPort:
		return slices.Contains(t.Ports, a.Value)
	case flow.DestinationRegion:
		return slices.Contains(t.Regions, a.Value)
	}
	return false
}

// Lost returns how many bytes have left at an instant, those of that instant included.
func (t *Truth) Lost(at int64) int64 {
	var sum int64
	for _, f := range t.Flows {
		if f.Time > at {
			break
		}
		sum += f.Bytes
	}
	return sum
}

// PerHour returns the theft's mean rate in bytes an hour; one that is shorter than an hour is
// taken to last one.
func (t *Truth) PerHour() float64 {
	return float64(t.Bytes) / max(1, time.Duration(t.Last-t.First).Hours())
}

// Labels collects the truth from flows that say which theft they belong to. The zero Labels is ready.
type Labels struct {
	order  []string
	truths map[string]*Truth
}

// Add notes a flow of the theft with the name, in the order of time.
func (l *Labels) Add(name string, f *flow.Flow) {
	t := l.truths[name]
	if t == nil {
		if l.truths == nil {
			l.truths = make(map[string]*Truth)
		}
		t = &Truth{Name: name, First: f.Time}
		l.truths[name] = t
		l.order = append(l.order, name)
	}
	t.Last = f.Time
	t.Bytes += f.Bytes
	t.Flows = append(t.Flows, Increment{f.Time, f.Bytes})
	t.Ports = with(t.Ports, flow.DestinationPort.Value(f))
	t.Regions = with(t.Regions, flow.DestinationRegion.Value(f))
	t.Hosts = with(t.Hosts, flow.Host.Value(f))
}

// Truths returns what was collected, by first byte.
func (l *Labels) Truths() []Truth {
	truths := make([]Truth, 0, len(l.order))
	for _, name := range l.order {
		truths = append(truths, *l.truths[name])
	}
	return truths
}

func with(values []string, v string) []string {
	if v == "" || slices.Contains(values, v) {
		return values
	}
	return append(values, v)
}
