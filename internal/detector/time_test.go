package detector

import (
	"slices"
	"testing"
	"time"


	"github.com/otel-exfil/exfil/internal/flow"
)

// live feeds flows as they come in life, each at its own time by the clock, and lets the clock tick every minute, also
// where nothing comes.
func live(d *Detector, flows []flow.Flow, until time.Time) []Finding {
	var found []Finding
	for len(flows) > 0 {
		now := time.Unix(0, flows[0].Time).Truncate(time.Minute).Add(time.Minute)
		n := slices.IndexFunc(flows, func(f flow.Flow) bool { return f.Time >= now.UnixNano() })
		if n < 0 {
			n = len(flows)
		}
		found = d.Observe(flows[:n], now, found)
		flows = flows[n:]
		next := until
		if len(flows) > 0 {
			next = time.Unix(0, flows[0].Time)
		}
		for ; now.Before(next); now = now.Add(time.Minute) {
			found = d.Tick(now, found)
		}
	}
	return found
}

// split cuts flows in time order at instants.
func split(flows []flow.Flow, at ...time.Time) [][]flow.Flow {
	var parts [][]flow.Flow
	for _, t := range at {
		n, _ := slices.BinarySearchFunc(flows, t.UnixNano(), func(f flow.Flow, t int64) int {
			if f.Time < t {
				return -1
			}
			return 1
		})
		parts, flows = append(parts, flows[:n]), flows[n:]
	}
	return append(parts, flows)
}

// outageOf is an office whose feed is dead for a time. What was sent meanwhile is the backlog.
type outageOf struct {
	from, back            time.Time
	before, backlog, then []flow.Flow
}

func deadOffice(seed uint64, from time.Time, dead time.Duration, extra ...flow.Flow) outageOf {
	flows := append(office(seed, monday, 28), extra...)
	sortByTime(flows)
	parts := split(flows, from, from.Add(dead))
	return outageOf{from, from.Add(dead), parts[0], parts[1], parts[2]}
}

// comeBack runs the office until the feed is back and some live traffic has come, then the backlog in a burst.
func (o outageOf) comeBack(d *Detector, live1 time.Duration) (found []Finding, rest []flow.Flow) {
	parts := split(o.then, o.back.Add(live1))
	found = live(d, o.before, o.back)
	found = append(found, live(d, parts[0], o.back.Add(live1))...)
	now := o.back.Add(live1)
	for batch := range slices.Chunk(o.backlog, 500) {
		found = d.Observe(batch, now, found)
	}
	return found, parts[1]
}

// Given outages of every length and hour, and live traffic that is first to return, when the backlog comes in one
// burst, then it raises no alarm and teaches nothing.
func TestABacklogAfterLiveTrafficHasReturnedRaisesNoAlarm(t *testing.T) {
	for _, dead := range []time.Duration{2 * time.Hour, 4 * time.Hour, 7 * time.Hour, 11 * time.Hour, 30 * time.Hour, 72 * time.Hour} {
		for _, hour := range []int{1, 9, 13, 16} {
			t.Run(time.Duration(hour*int(time.Hour)).String()+" for "+dead.String(), func(t *testing.T) {
				t.Parallel()
				o := deadOffice(uint64(hour), monday.AddDate(0, 0, 15).Add(time.Duration(hour)*time.Hour+20*time.Minute), dead)
				d := newDetector(t, twoRules())
				found, _ := o.comeBack(d, 40*time.Minute)
				for _, f := range found {
					if !f.Time.Before(o.from) {
						t.Errorf("%v: %s %v %v %.0f: %d of %d", f.Time, f.Rule, f.Values, f.DetailValues, f.Score, f.Actual, f.Upper)
					}
				}
			})
		}
	}
}
