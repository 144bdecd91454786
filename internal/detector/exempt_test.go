package detector

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

// nightly is a backup to a port and a region of its own, every night from the warm-up's end on, marked up to a night.
func nightly(from, until, marked int, mark func(*flow.Flow)) (flows []flow.Flow) {
	for night := from; night < until; night++ {
		at := monday.AddDate(0, 0, night).Add(90 * time.Minute)
		for _, f := range within(at, time.Hour, 40, "nas", 873, "Oslo", int64(20e9+3e9*float64(night%5))) {
			if night < marked {
				mark(&f)
			}
			flows = append(flows, f)
		}
	}
	return flows
}

func noAlert(f *flow.Flow)    { f.NoAlert = flow.AllRules }
func noLearning(f *flow.Flow) { f.NoLearning = flow.AllRules }

// nights are those in which something was found, counted from the first Monday.
func nights(found []Finding) (nights []int) {
	for _, f := range found {
		nights = append(nights, int(f.Time.Sub(monday)/(24*time.Hour)))
	}
	return slices.Compact(nights)
}

// A new backup is told of night by night until it is learned. Where it raises no alert, it is learned unheard, and nothing
// is told when that ends.
func TestWhatDoesNotAlertIsLearnedAllTheSame(t *testing.T) {
	assert.Contains(t, nights(history(t, 5, 28, "873", nightly(9, 28, 0, nil))), 9, "as a rule it is told of")
	assert.Empty(t, history(t, 5, 28, "873", nightly(9, 28, 23, noAlert)))
}

// What teaches nothing is news each time, and when it ends it is as new as on the first night.
func TestWhatTeachesNothingIsFoundEachTime(t *testing.T) {
	found := history(t, 5, 28, "873", nightly(9, 28, 26, noLearning))
	for night := 9; night < 27; night++ {
		assert.Contains(t, nights(found), night)
	}
	for _, f := range found {
		if f.Time.Before(monday.AddDate(0, 0, 27)) {
			assert.True(t, f.FirstSeen, "%v", f.Time)
		}
	}
}

func TestBytesThatDoNotAlertCarryNothingOverTheThreshold(t *testing.T) {
	at := monday.AddDate(0, 0, 20).Add(15 * time.Hour)
	theft := within(at, time.Hour, 20, "ws-d", 4444, "Oslo", 300e6)
	require.NotEmpty(t, history(t, 4, 22, "4444", theft))

	unheard := slices.Clone(theft)
	for i := range unheard {
		noAlert(&unheard[i])
	}
	loud := within(at.Add(time.Minute), time.Hour, 20, "ws-e", 4444, "Oslo", 30e6)
	found := history(t, 4, 22, "4444", unheard, loud)
	require.NotEmpty(t, found)
	for _, f := range found {
		assert.LessOrEqual(t, f.Actual, int64(30e6), "only the other host's bytes are judged")
		for _, c := range f.Contributors {
			if c.Field == flow.Host {
				assert.Equal(t, []string{"ws-e"}, c.Values)
			}
		}
	}
}

// What a flow is exempt from, and that it lacks a field or comes late, holds in a batch of others as it does alone.
func TestABatchIsWhatItsFlowsAre(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	flows := append(office(8, monday, 12), nightly(3, 12, 0, nil)...)
	sortByTime(flows)
	for i := range flows {
		f := &flows[i]
		switch r.IntN(12) {
		case 0:
			noAlert(f)
		case 1:
			noLearning(f)
		case 2:
			noAlert(f)
			noLearning(f)
		case 3:
			f.NoAlert = flow.RuleNumber(1)
		case 4:
			f.Port = 0
		case 5:
			f.Place = flow.Place{}
		case 6:
			f.Host = ""
		case 7:
			f.Time -= r.Int64N(int64(200 * time.Hour))
		case 8:
			f.Time += int64(2 * time.Hour * time.Duration(r.IntN(20)/19)) // opens the next window
		}
	}
	one, many := newDetector(t, twoRules()), newDetector(t, twoRules())
	found := run(t, one, flows, 1)
	require.NotEmpty(t, found)
	assert.Equal(t, found, run(t, many, flows, 700))
	assert.Equal(t, one.Fingerprint(), many.Fingerprint())
	assert.Equal(t, one.Stats(), many.Stats())
}

// What one rule leaves out another still sees; the pair that both watch leaves it out.
func TestAnExemptionFromOneRule(t *testing.T) {
	at := monday.AddDate(0, 0, 20).Add(15 * time.Hour)
	theft := within(at, time.Hour, 20, "ws-d", 4444, "Oslo", 300e6)
	for i := range theft {
		theft[i].NoAlert, theft[i].NoLearning = flow.RuleNumber(0), flow.RuleNumber(0)
	}
	assert.Empty(t, history(t, 4, 22, "4444", theft))
	region := history(t, 4, 22, "Oslo", theft)
	require.NotEmpty(t, region)
	for _, f := range region {
		assert.NotContains(t, f.DetailFields, flow.DestinationPort, "the pair of both rules is left out")
	}
}

// Given exempt flows on both sides of a window's end, then a restart between any two batches changes nothing.
func TestARestartKeepsWhatIsExempt(t *testing.T) {
	flows := office(8, monday, 12)
	random := rand.New(rand.NewPCG(3, 3))
	for i := range flows {
		flows[i].NoAlert, flows[i].NoLearning = flow.RuleSet(random.IntN(4)), flow.RuleSet(random.IntN(4))
		flows[i].Time -= random.Int64N(int64(4 * time.Minute)) // some come early, some late
	}
	straight := newDetector(t, twoRules())
	run(t, straight, flows, 100)
	d, kept, early := newDetector(t, twoRules()), shards{}, false
	for i, rest := 0, flows; len(rest) > 0; i++ {
		n := min(len(rest), 5)
		run(t, d, rest[:n], n)
		rest = rest[n:]
		if !waitingUntaught(d) && i%1000 != 0 {
			continue
		}
		early = early || waitingUntaught(d)
		kept.snapshot(d, nothing)
		d, _ = load(t, twoRules(), kept)
		again := saved(d)
		require.Empty(t, kept.differences(again))
	}
	require.True(t, early, "no flow of a next window was exempt when a snapshot was taken")
	assert.Equal(t, straight.Fingerprint(), d.Fingerprint())
}

// waitingUntaught says whether some window that is not open yet holds what is exempt.
func waitingUntaught(d *Detector) bool {
	return slices.ContainsFunc(d.lanes[0].spaces, func(s *space) bool { return len(s.next.untaught) > 0 })
}

func TestUntaughtBytesDoNotWrapAround(t *testing.T) {
	w := newWindow()
	w.sums = append(w.sums, sum{bytes: 10}, sum{bytes: 10}, sum{bytes: math.MaxInt64})
	for _, bytes := range []int64{math.MinInt64, -1, math.MinInt64} {
		w.leaveUntaught(0, bytes)
	}
	for range 3 {
		w.leaveUntaught(1, math.MaxInt64)
	}
	assert.EqualValues(t, math.MaxInt64, w.taught(0))
	assert.Negative(t, w.taught(1), "more than there is")
	assert.EqualValues(t, math.MaxInt64, w.taught(2))
	w.teachBesides(2, 5, ancient)
	assert.NotContains(t, w.untaught, uint32(2), "what is ancient teaches nothing")
}
