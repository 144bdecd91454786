package observer

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/rule"
)

// once is a window of UTC, written as 2006-01-02T15:04.
func once(t *testing.T, start, end string) []rule.WhenConfig {
	t.Helper()
	var w rule.WhenConfig
	require.NoError(t, w.Start.UnmarshalText([]byte(start)))
	require.NoError(t, w.End.UnmarshalText([]byte(end)))
	return []rule.WhenConfig{w}
}

// again is a window that recurs, in UTC.
func again(t *testing.T, rrule, start string, lasts time.Duration) []rule.WhenConfig {
	t.Helper()
	w := rule.WhenConfig{RRule: rrule, Duration: lasts}
	require.NoError(t, w.Start.UnmarshalText([]byte(start)))
	return []rule.WhenConfig{w}
}

// benchDuring is a bench with one calendar.
func benchDuring(t *testing.T, c rule.CalendarConfig) *bench {
	t.Helper()
	if c.Name == "" {
		c.Name = "planned"
	}
	return newBench(t, func(cfg *config.Config) { cfg.Calendars = []rule.CalendarConfig{c} })
}

// Given a window on Thursday night, then what leaves in it is not told of, though it comes later, and the same is after it.
func TestACalendarGoesByTheTimeOfTheFlow(t *testing.T) {
	b := benchDuring(t, rule.CalendarConfig{When: once(t, "2026-03-05T00:00", "2026-03-05T00:11")})
	b.days(3)
	planned := b.theft()
	b.now = b.now.Add(2 * time.Minute)
	b.deliver(planned)
	assert.Empty(t, anomalies(b.told()))
	assert.EqualValues(t, 1, b.Stats().Flows[Excepted])
	assert.EqualValues(t, 1, b.Calendars()[0].Flows)
	b.deliver(b.theft())
	assert.Contains(t, anomalies(b.told()), "4444")
	assert.EqualValues(t, 1, b.Calendars()[0].Flows)
}

// What an exception keeps a flow from, and what a calendar does, add up, each in its own account.
func TestExceptionsAndCalendarsAreAskedApart(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) {
		cfg.Exceptions = []rule.ExceptionConfig{{
			Name: "sync", Match: rule.ExceptionMatchConfig{Ports: []any{4444}}, Action: []string{rule.SkipAlert},
		}}
		cfg.Calendars = []rule.CalendarConfig{{
			Name: "sync", When: once(t, "2026-03-05T00:00", "2026-03-05T00:11"), Action: []string{rule.SkipLearning},
		}}
	})
	b.days(3)
	b.deliver(b.theft())
	assert.EqualValues(t, 1, b.Stats().Flows[Excepted], "neither alert nor learning is left")
	assert.EqualValues(t, 1, b.Exceptions()[0].Flows)
	assert.EqualValues(t, 1, b.Calendars()[0].Flows)
	b.now = b.now.Add(10 * time.Minute)
	b.deliver(b.theft())
	assert.EqualValues(t, 1, b.Stats().Flows[Excepted], "it is learned")
	assert.EqualValues(t, 2, b.Exceptions()[0].Flows)
	assert.EqualValues(t, 1, b.Calendars()[0].Flows)
	assert.Empty(t, anomalies(b.told()))
}

// Given an exception and a calendar of one name, and ceilings that are spent, then a restart renews neither and mixes up none.
func TestARestartRenewsNoCeilingOfACalendar(t *testing.T) {
	fresh := func() *bench {
		ceiling, lower := bytesize.Size(900_000_000), bytesize.Size(1000)
		return newBench(t, func(cfg *config.Config) {
			cfg.Exceptions = []rule.ExceptionConfig{{Name: "sync", Match: rule.ExceptionMatchConfig{Ports: []any{22}}, MaxBytes: &lower}}
			cfg.Calendars = []rule.CalendarConfig{{Name: "sync", When: once(t, "2026-03-02", "2026-03-03"), MaxBytes: &ceiling}}
		})
	}
	before, after := fresh(), fresh()
	before.deliver(outbound(before.now, 873, 800_000_000))
	l := after.loads(before)
	after.deliver(outbound(after.now, 873, 200_000_000), outbound(after.now, 22, 1000))
	report := after.Calendars()[0]
	assert.EqualValues(t, 2, report.AboveFlows)
	assert.EqualValues(t, 1, after.Exceptions()[0].Flows)
	assert.Error(t, l.Visit("calendars", []byte{9}))
}

// Given a migration at the weekend and patch nights that nobody uses, then the owners are told when one is over and the other idle.
func TestCalendarsAreReviewedAsTimePasses(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) {
		cfg.Calendars = []rule.CalendarConfig{
			{Name: "migration", Owner: "ana", When: once(t, "2026-03-07", "2026-03-09T06:00")},
			{Name: "patches", Owner: "ana", Match: rule.ExceptionMatchConfig{Ports: []any{873}}, When: again(t, "FREQ=WEEKLY;BYDAY=TU", "2026-03-03T22:00", 6*time.Hour)},
		}
	})
	var warned []string
	for range 24 * 1000 {
		b.now = b.now.Add(time.Hour)
		b.Tick()
		for _, e := range b.log.TakeAll() {
			if e.Level == zap.WarnLevel {
				warned = append(warned, b.now.Format(time.DateTime)+" "+e.Message)
				assert.Equal(t, "ana", e.ContextMap()["owner"])
			}
		}
	}
	assert.Equal(t, []string{
		"2026-03-09 06:00:00 A calendar has ended, and no window of it will come; renew it or remove it",
		"2026-04-01 00:00:00 A calendar has matched nothing for 30 days and three of its windows; correct it or remove it",
	}, warned)

	b.now = time.Date(2028, 11, 28, 23, 0, 0, 0, time.UTC) // a Tuesday, years after the start
	b.Tick()
	b.deliver(outbound(b.now, 873, 1000))
	assert.EqualValues(t, 1, b.Calendars()[1].Flows, "windows are worked out as time goes on")
}

func TestAFileOfNetworksOfACalendarThatIsMissingStopsTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "partners.txt")
	cfg := quick(func(cfg *config.Config) {
		cfg.Calendars = []rule.CalendarConfig{{
			Name: "planned", When: once(t, "2026-03-05", "2026-03-06"), Match: rule.ExceptionMatchConfig{NetworkFiles: []string{path}},
		}}
	})
	require.NoError(t, cfg.Validate(), "it may be validated elsewhere")
	o, err := New(cfg, Settings{Now: func() time.Time { return monday }})
	require.NoError(t, err)
	err = o.Start(t.Context())
	require.ErrorIs(t, err, rule.ErrNetworkFile)
	assert.ErrorContains(t, err, "calendars: ")
	assert.ErrorContains(t, err, path)
	assert.EqualValues(t, 1, o.Stats().NetworkFileFailures)
	require.NoError(t, o.Close())
}
