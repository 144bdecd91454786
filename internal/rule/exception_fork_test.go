package rule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Given exceptions of which much is spent, when they are forked, then the fork matches the same, has its whole ceiling, and
// neither knows what the other spends.
func TestAForkHasAccountsOfItsOwn(t *testing.T) {
	first := compiled(t, kept)
	large := func() *flow.Flow { return backupFlow(func(f *flow.Flow) { f.Bytes = 9000 }) }
	require.True(t, first.Admit(1, large(), noon))
	require.False(t, first.Admit(1, large(), noon), "9 of 10 kB are spent")

	fork := first.Fork(noon.Add(time.Hour))
	assert.Equal(t, first.Match(large(), nil, nil), fork.Match(large(), nil, nil))
	assert.Zero(t, fork.Reports(noon)[1].Flows)
	assert.Equal(t, noon.Add(time.Hour), fork.Reports(noon)[1].Since)
	assert.True(t, fork.Admit(1, large(), noon))
	assert.EqualValues(t, 9000, first.Reports(noon)[1].Bytes)
	assert.EqualValues(t, 9000, fork.Reports(noon)[1].Bytes)
}

// The windows of calendars are worked out once, for all forks.
func TestAForkSeesTheWindowsOfCalendars(t *testing.T) {
	first := oneCalendar(t, "rrule: FREQ=DAILY, start: 2027-01-01T22:00, duration: 1h")
	fork := first.Fork(noon)
	far := at(t, "2031-06-30T22:30:00Z")
	assert.False(t, holdsAt(fork, far))
	first.Extend(far)
	assert.True(t, holdsAt(fork, far))
	assert.Equal(t, CalendarOpen, fork.Reports(at(t, "2027-07-01T22:30:00Z"))[0].Status)
}

// Given an exception and a calendar for different rules, when the calendar's is gone, then both hold as they did.
func TestExceptionsAndCalendarsFollowTheRulesTogether(t *testing.T) {
	exceptions := compiled(t, "exceptions: [{name: a, match: {ports: [443]}, rules: [by_port]}]")
	planned := calendars(t, "calendars: [{name: a, rules: [by_region], when: [{start: 2027-06-30, end: 2027-07-01}]}]")
	excepted := func() flow.RuleSet {
		f := backupFlow(nil)
		require.True(t, exceptions.Admit(first(exceptions, f), f, noon))
		require.True(t, planned.Admit(first(planned, f), f, noon))
		return f.NoAlert
	}
	port, region := Rule{ID: "by_port", Enabled: true}, Rule{ID: "by_region", Enabled: true}
	assert.Equal(t, flow.RuleNumber(0)|flow.RuleNumber(1), excepted())
	require.ErrorContains(t, Renumber([]Rule{{ID: "a", Enabled: true}, port}, exceptions, planned), `calendars[0].rules[0]: no such rule "by_region"`)
	assert.Equal(t, flow.RuleNumber(0)|flow.RuleNumber(1), excepted())
	require.NoError(t, Renumber([]Rule{{ID: "a", Enabled: true}, {ID: "b", Enabled: true}, port, region}, exceptions, planned))
	assert.Equal(t, flow.RuleNumber(2)|flow.RuleNumber(3), excepted())
}

// A file that changes is read once, for all forks.
func TestAForkSeesTheFilesOfNetworks(t *testing.T) {
	l := listedIn(t, "192.0.2.0/24\n")
	fork := l.Fork(noon)
	require.NoError(t, l.Open(0))
	t.Cleanup(l.Close)
	f := backupFlow(nil)
	assert.Empty(t, fork.Match(f, nil, nil))
	l.write(t, 0, "198.51.100.0/24\n")
	require.NoError(t, l.reload())
	assert.Equal(t, []int32{0}, fork.Match(f, nil, nil))
}

// Given an exception for one rule, when a rule comes whose id sorts before, then it holds for its own rule still, in the
// forks too; and when its own rule is gone, that is an error and all stays as it was.
func TestExceptionsHoldForTheSameRulesWhenOthersCome(t *testing.T) {
	rules := []Rule{{ID: "m", Enabled: true}, {ID: "z", Enabled: true}}
	e, err := NewExceptions([]ExceptionConfig{{Name: "one rule", Rules: []string{"m"}, Match: ExceptionMatchConfig{Ports: []any{443}}}},
		ExceptionOptions{Rules: rules})
	require.NoError(t, err)
	fork := e.Fork(noon)
	excepted := func() flow.RuleSet {
		f := &flow.Flow{Port: 443, Time: noon.UnixNano(), Bytes: 1}
		for _, i := range fork.Match(f, nil, nil) {
			fork.Admit(int(i), f, noon)
		}
		return f.NoAlert
	}
	assert.Equal(t, flow.RuleNumber(0), excepted())
	require.NoError(t, Renumber(append([]Rule{{ID: "a", Enabled: true}}, rules...), e))
	assert.Equal(t, flow.RuleNumber(1), excepted())
	require.ErrorContains(t, Renumber(rules[1:], e), `exceptions[0].rules[0]: no such rule "m"; there are z`)
	assert.Equal(t, flow.RuleNumber(1), excepted())
	require.NoError(t, Renumber(rules, new(Exceptions)))
}
