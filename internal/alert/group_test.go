package alert

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// grouped makes a gate whose alerts hold each other back for a day where they have all of this in common.
func grouped(t *testing.T, by ...string) *Gate {
	t.Helper()
	grouping, err := rule.ParseGrouping("", by)
	require.NoError(t, err)
	return newGate(func(o *GateOptions) {
		o.Policy = func(string) Policy { return Policy{SuppressFor: 24 * time.Hour, Grouping: grouping} }
	})
}

// sentBy is a finding most of whose bytes a host's user sent; "" nobody did.
func sentBy(f detector.Finding, host, user string) detector.Finding {
	f.Actual, f.Contributors = 100, nil
	for _, c := range []detector.Contribution{
		{Field: flow.Host, Values: []string{host}, Bytes: []int64{60}},
		{Field: flow.User, Values: []string{user}, Bytes: []int64{51}},
	} {
		if c.Values[0] != "" {
			f.Contributors = append(f.Contributors, c)
		}
	}
	return f
}

func TestOneMachinesTheftsOnManyPortsAreOneGroup(t *testing.T) {
	g := grouped(t, "source")
	require.Len(t, admit(g, sentBy(at(0, "4444", 80), "ws-1", "")), 1)
	for window := range 3 {
		assert.Empty(t, admit(g, sentBy(at(window, strconv.Itoa(window), 80), "ws-1", "")), "another port of the same machine")
	}
	assert.Len(t, admit(g, sentBy(at(1, "8080", 80), "ws-2", "")), 1, "another machine on a port of its own")
	assert.Len(t, admit(g, sentBy(at(2, "4444", 80), "ws-3", "")), 1, "and on one that has alerted")
	worse := admit(g, sentBy(at(3, "22", 90), "ws-1", ""))
	require.Len(t, worse, 1, "much worse is news")
	assert.Equal(t, 3, worse[0].Suppressed)
}

func TestAnAddressIsNoHostOfThatName(t *testing.T) {
	g := grouped(t, "source")
	host := sentBy(at(0, "4444", 80), "10.1.2.3", "")
	address := host
	address.Values = []string{"8080"}
	address.Contributors = []detector.Contribution{{Field: flow.SourceAddress, Values: []string{"10.1.2.3"}, Bytes: []int64{60}}}
	assert.Len(t, admit(g, host, address), 2)
}

// What has in common only that nobody sent most of it is no group: the entity stands in.
func TestWhereNobodySentMostOfItTheEntityIsTheGroup(t *testing.T) {
	g := grouped(t, "source", "user.name")
	assert.Len(t, admit(g, sentBy(at(0, "4444", 80), "", ""), sentBy(at(0, "8080", 80), "", "")), 2)
	assert.Len(t, admit(g, sentBy(at(0, "22", 80), "ws-1", ""), sentBy(at(0, "23", 80), "ws-1", "")), 2, "whose user is not known")
	assert.Empty(t, admit(g, sentBy(at(1, "4444", 80), "", ""), sentBy(at(1, "22", 80), "ws-1", "")))
	assert.Len(t, admit(g, sentBy(at(1, "24", 80), "ws-1", "ana"), sentBy(at(1, "24", 80), "ws-1", "ana")), 1)
	assert.Empty(t, admit(g, sentBy(at(1, "25", 80), "ws-1", "ana")))
	assert.Len(t, admit(g, sentBy(at(1, "25", 80), "ws-1", "ben")), 1)
}

func TestAnEntityAloneIsHeldBackWhoeverSends(t *testing.T) {
	g := grouped(t, "entity")
	require.Len(t, admit(g, sentBy(at(0, "4444", 80), "ws-1", "")), 1)
	assert.Empty(t, admit(g, sentBy(at(1, "4444", 80), "ws-2", "")))
	assert.Len(t, admit(g, sentBy(at(1, "8080", 80), "ws-1", "")), 1)
}

func TestAnotherUserOfTheEntityIsNews(t *testing.T) {
	g := grouped(t, "entity", "source", "user.name")
	require.Len(t, admit(g, sentBy(at(0, "4444", 80), "ws-1", "ana")), 1)
	assert.Empty(t, admit(g, sentBy(at(1, "4444", 80), "ws-1", "ana")))
	assert.Empty(t, admit(g, sentBy(at(1, "4444", 80), "", "")), "nobody is no news")
	assert.Len(t, admit(g, sentBy(at(2, "4444", 80), "ws-1", "ben")), 1)
	assert.Len(t, admit(g, sentBy(at(3, "4444", 80), "ws-2", "ben")), 1)
	assert.Empty(t, admit(g, sentBy(at(4, "4444", 80), "ws-1", "ana"), sentBy(at(5, "4444", 80), "ws-2", "ben")))
}

// A user of the detail is known for sure, whatever the contributors say.
func TestTheDetailSaysWho(t *testing.T) {
	g := grouped(t, "user.name")
	detail := func(port, user string) detector.Finding {
		f := at(0, port, 80)
		f.DetailFields, f.DetailValues = []flow.Field{flow.User, flow.DestinationPort}, []string{user, port}
		return f
	}
	assert.Len(t, admit(g, detail("4444", "ana"), detail("8080", "ana"), detail("22", "ben")), 2)
	assert.Len(t, admit(g, detail("23", detector.OverflowValue), detail("24", detector.OverflowValue)), 2, "many are nobody")
}

func TestARuleMayBeOneGroup(t *testing.T) {
	for _, by := range [][]string{nil, {"rule"}} {
		g := grouped(t, by...)
		require.Len(t, admit(g, sentBy(at(0, "4444", 80), "ws-1", "")), 1)
		assert.Empty(t, admit(g, sentBy(at(1, "8080", 80), "ws-2", "")))
		other := at(1, "8080", 80)
		other.Rule = "unusual_region"
		assert.Len(t, admit(g, other), 1, "another rule is another group")
	}
}

// Whatever the groups are, a window of an entity is told of once, and once more when it closes far worse.
func TestAWindowIsToldOfOnceWhateverTheGroups(t *testing.T) {
	g := grouped(t, "source")
	f := at(0, "4444", 78)
	first := admit(g, sentBy(f, "ws-1", ""))
	require.Len(t, first, 1)
	assert.Empty(t, admit(g, sentBy(f, "ws-2", "")), "more of the same window's bytes come from another by now")
	update := admit(g, sentBy(closing(f, 90), "ws-2", ""))
	require.Len(t, update, 1)
	assert.Equal(t, first[0].UID, update[0].UpdateOf)
}

func TestWithoutSuppressionNothingIsHeldBackForComingLate(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.Policy = policy(0) })
	assert.Len(t, admit(g, at(3, "4444", 80), at(2, "4444", 80)), 2)
}

// suppressions are what a gate sums up.
func suppressions(alerts []Alert) (all []Suppression) {
	for _, a := range alerts {
		if s, ok := a.(Suppression); ok {
			all = append(all, s)
		}
	}
	return all
}

func TestWhatNoAlertHasCountedIsSummedUpWhenTheSuppressionEnds(t *testing.T) {
	g := newGate(nil)
	first := admit(g, at(0, "4444", 80))
	require.Len(t, first, 1)
	held, again, bigger := at(1, "4444", 81), at(1, "4444", 85), at(3, "4444", 76)
	held.Actual, again.Actual, bigger.Actual = 1000, 1500, 70_000
	assert.Empty(t, admit(g, held, again, bigger))

	end := first[0].Finding.Time.Add(24 * time.Hour)
	assert.Empty(t, suppressions(g.Tick(end.Add(-1), nil)), "it goes on")
	out := g.Tick(end.Add(time.Hour), nil)
	require.Len(t, out, 1)
	s := out[0].(Suppression)
	assert.Equal(t, Suppression{
		Rule: "unusual_destination_port", Entity: true, Fields: []flow.Field{flow.DestinationPort}, Values: []string{"4444"},
		Windows: 2, Bytes: 71_500, Score: 85, First: held.Time, Last: bigger.Time, Until: end, Alert: first[0].UID,
	}, s)
	assert.Equal(t, end, s.At())
	assert.Empty(t, g.Tick(end.Add(2*time.Hour), nil), "once")

	later := admit(g, at(9, "4444", 80))
	require.Len(t, later, 1)
	assert.Equal(t, 2, later[0].Suppressed, "the next alert says what was held back since the last, too")
	assert.Empty(t, suppressions(g.Tick(end.Add(100*time.Hour), nil)))
}

func TestWhatTheNextAlertCountsIsNotSummedUp(t *testing.T) {
	g := newGate(nil)
	require.Len(t, admit(g, at(0, "4444", 80)), 1)
	assert.Empty(t, admit(g, at(1, "4444", 80)))
	worse := admit(g, at(2, "4444", 95))
	require.Len(t, worse, 1)
	assert.Equal(t, 1, worse[0].Suppressed)
	assert.Empty(t, suppressions(g.Tick(windowStart.Add(30*time.Hour), nil)))
	assert.Empty(t, admit(g, at(3, "4444", 80)))
	summed := suppressions(g.Tick(windowStart.Add(31*time.Hour), nil))
	require.Len(t, summed, 1)
	assert.Equal(t, worse[0].UID, summed[0].Alert)
	assert.Equal(t, 1, summed[0].Windows)
}

// The finding that comes when the suppression is over alerts, behind the sum of what was held back before it.
func TestTheSumComesBeforeTheNextAlert(t *testing.T) {
	g := newGate(nil)
	out := g.Admit([]detector.Finding{at(0, "4444", 80), at(1, "4444", 80), at(8, "4444", 80)}, nil)
	require.Len(t, out, 3)
	assert.IsType(t, Suppression{}, out[1])
	assert.Equal(t, 1, out[2].(Anomaly).Suppressed)
}

func TestAGroupIsSummedUpByWhatItsFindingsHaveInCommon(t *testing.T) {
	g := grouped(t, "source")
	admit(g, sentBy(at(0, "4444", 80), "ws-1", ""))
	// Two keys find each of the windows, by turns.
	for range 2 {
		assert.Empty(t, admit(g, sentBy(at(1, "8080", 80), "ws-1", ""), sentBy(at(1, "22", 82), "ws-1", "")))
	}
	summed := suppressions(g.Tick(windowStart.Add(48*time.Hour), nil))
	require.Len(t, summed, 1)
	assert.Equal(t, []flow.Field{flow.Host}, summed[0].Fields)
	assert.Equal(t, []string{"ws-1"}, summed[0].Values)
	assert.Equal(t, 2, summed[0].Windows)
	assert.EqualValues(t, 200, summed[0].Bytes)

	whole := grouped(t)
	admit(whole, at(0, "4444", 80), at(1, "8080", 80))
	summed = suppressions(whole.Tick(windowStart.Add(48*time.Hour), nil))
	require.Len(t, summed, 1)
	assert.Empty(t, summed[0].Fields, "nothing but the rule")
}

// What the cap holds back is in the Overflow.
func TestWhatTheCapHoldsBackIsNotSummedUpAgain(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 })
	require.Len(t, admit(g, at(0, "2", 80)), 1)
	admit(g, at(9, "1", 80), at(9, "2", 80))
	out := g.Tick(windowStart.Add(100*time.Hour), nil)
	require.Len(t, out, 1)
	assert.Equal(t, 1, out[0].(Overflow).Alerts)
}

// Given many groups that fall due at once, no more are summed up in an interval than alerts may leave, the others in
// the next ones, and none twice.
func TestSumsAreBoundedInAnInterval(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 4 })
	for interval := range 5 {
		for port := range 4 {
			f := at(0, strconv.Itoa(4*interval+port), 80)
			f.Time = windowStart.Add(time.Duration(interval) * 15 * time.Minute)
			require.Len(t, admit(g, f), 1)
		}
	}
	for port := range 20 {
		require.Empty(t, admit(g, at(1, strconv.Itoa(port), 80)))
	}
	due := windowStart.Add(48 * time.Hour)
	var told []string
	for tick := range 20 {
		next := suppressions(g.Tick(due.Add(time.Duration(tick)*5*time.Minute), nil))
		assert.LessOrEqual(t, len(next), 4)
		for _, s := range next {
			told = append(told, s.Values[0])
		}
	}
	require.Len(t, told, 20)
	assert.Equal(t, "0", told[0], "the longest over first")
	seen := map[string]bool{}
	for _, port := range told {
		assert.False(t, seen[port])
		seen[port] = true
	}
}

func TestAGroupThatMakesRoomIsSummedUpFirst(t *testing.T) {
	g := newGate(func(o *GateOptions) { o.MaxPerInterval = 1 << 20 })
	require.Len(t, admit(g, at(0, "old", 80)), 1)
	require.Empty(t, admit(g, at(1, "old", 80)))
	var out []Alert
	for i := range maxRemembered {
		out = g.Admit([]detector.Finding{at(1, strconv.Itoa(i), 80)}, out)
	}
	summed := suppressions(out)
	require.Len(t, summed, 1)
	assert.Equal(t, []string{"old"}, summed[0].Values)
	assert.Equal(t, maxRemembered, g.live.groups.len())
	assert.Empty(t, g.live.due)
	assert.Empty(t, suppressions(g.Tick(windowStart.Add(1e3*time.Hour), nil)))
}

func TestASumSurvivesARestart(t *testing.T) {
	g := newGate(nil)
	admit(g, at(0, "4444", 80), at(1, "4444", 83), at(2, "4444", 81))
	g = reopened(t, g, nil)
	assert.Empty(t, admit(g, at(2, "4444", 82)), "a window that counts already")
	g = reopened(t, g, nil)
	summed := suppressions(g.Tick(windowStart.Add(48*time.Hour), nil))
	require.Len(t, summed, 1)
	assert.Equal(t, 2, summed[0].Windows)
	assert.Equal(t, 83.0, summed[0].Score)
	g = reopened(t, g, nil)
	assert.Empty(t, g.Tick(windowStart.Add(72*time.Hour), nil), "once")
}

// Given a state that names hosts and users, when neither may be named any more, then nobody is, and those who may be are.
func TestNamesThatMayNotBeRememberedAreForgotten(t *testing.T) {
	for _, by := range [][]string{{"entity", "source"}, {"entity", "user.name"}, {"source"}, {"user.name", "source"}} {
		g := grouped(t, by...)
		admit(g, sentBy(at(0, "4444", 80), "ws-1", "ana"), sentBy(at(1, "4444", 80), "ws-1", "ana"))
		require.Contains(t, string(saved(g)), map[bool]string{true: "ws-1", false: "ana"}[slices.Contains(by, "source")])
		next := newGate(func(o *GateOptions) {
			o.Remembers = func(f flow.Field) bool { return f != flow.Host && f != flow.User }
		})
		require.NoError(t, next.Load(codec.NewReader(saved(g)), never))
		assert.NotContains(t, string(saved(next)), "ws-1", by)
		assert.NotContains(t, string(saved(next)), "ana", by)
		assert.NoError(t, newGate(nil).Load(codec.NewReader(saved(next)), never))
		all := newGate(nil)
		require.NoError(t, all.Load(codec.NewReader(saved(g)), never))
		assert.Equal(t, saved(g), saved(all))
	}
}

func TestWhatAGroupHoldsBackIsBounded(t *testing.T) {
	g := grouped(t)
	admit(g, at(0, "4444", 80))
	for i := range 100 * maxHeld {
		f := at(1, strconv.Itoa(i), 80)
		f.Actual = 1 << 62
		admit(g, f)
	}
	oldest, _ := g.live.groups.oldest()
	assert.Len(t, oldest.held, maxHeld)
	summed := suppressions(g.Tick(windowStart.Add(48*time.Hour), nil))
	require.Len(t, summed, 1)
	assert.Equal(t, 100*maxHeld, summed[0].Windows)
	assert.Positive(t, summed[0].Bytes, "more than there is room for is as much as there is room for")
}

func TestASuppressionWithoutSomeNames(t *testing.T) {
	noUser := func(f flow.Field) bool { return f == flow.User }
	s := Suppression{Fields: []flow.Field{flow.Host, flow.User}, Values: []string{"ws-1", "ana"}}
	assert.Equal(t, Suppression{Fields: []flow.Field{flow.Host}, Values: []string{"ws-1"}}, s.Without(noUser))
	s.Entity = true
	assert.Equal(t, s, s.Without(noUser), "an entity is told whole")
}
