package rule

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/flow"
)

func decodeCalendars(t testing.TB, text string) ([]CalendarConfig, error) {
	t.Helper()
	var raw map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &raw))
	var config struct {
		Calendars []CalendarConfig `mapstructure:"calendars"`
	}
	err := confmap.NewFromStringMap(raw).Unmarshal(&config)
	return config.Calendars, err
}

// calendars are compiled at noon of the 30th of June 2027.
func calendars(t testing.TB, text string) *Exceptions {
	t.Helper()
	configs, err := decodeCalendars(t, text)
	require.NoError(t, err)
	compiled, err := NewCalendars(configs, ExceptionOptions{Rules: someRules(), ASN: announcedBy, Now: noon})
	require.NoError(t, err)
	return compiled
}

// oneCalendar is of one window.
func oneCalendar(t testing.TB, when string) *Exceptions {
	t.Helper()
	return calendars(t, "calendars: [{name: a, when: [{"+when+"}]}]")
}

// at reads an instant.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return instant
}

// holdsAt says whether a flow of that moment falls under the first of the calendars.
func holdsAt(e *Exceptions, instant time.Time) bool {
	return first(e, backupFlow(func(f *flow.Flow) { f.Time = instant.UnixNano() })) == 0
}

// assertWindow holds that a window is from one instant until just before another.
func assertWindow(t *testing.T, e *Exceptions, from, until string) {
	t.Helper()
	assert.False(t, holdsAt(e, at(t, from).Add(-1)), "before %s", from)
	assert.True(t, holdsAt(e, at(t, from)), "at %s", from)
	assert.True(t, holdsAt(e, at(t, until).Add(-1)), "before %s", until)
	assert.False(t, holdsAt(e, at(t, until)), "at %s", until)
}

func TestACalendarHoldsOnce(t *testing.T) {
	assertWindow(t, oneCalendar(t, "start: 2027-03-26T22:00, end: 2027-03-29T04:00"), "2027-03-26T22:00:00Z", "2027-03-29T04:00:00Z")
	assertWindow(t, oneCalendar(t, "start: 2027-03-26, end: 2027-03-29"), "2027-03-26T00:00:00Z", "2027-03-29T00:00:00Z")
	// The clocks are set forward in between.
	assertWindow(t, oneCalendar(t, "start: 2027-03-26T22:00, end: 2027-03-29T04:00, time_zone: Europe/Berlin"),
		"2027-03-26T21:00:00Z", "2027-03-29T02:00:00Z")
}

// Given a patch night from 22 to 4 o'clock in Berlin, then it begins by the clock on the wall, summer and winter, and lasts
// six hours, also in the nights in which the clocks are set.
func TestAPatchNightBeginsByTheClockOnTheWall(t *testing.T) {
	e := calendars(t, `
calendars:
  - name: patches
    time_zone: Europe/Berlin
    when: [{rrule: FREQ=DAILY, start: 2027-01-01T22:00, duration: 6h}]
`)
	assertWindow(t, e, "2027-02-01T21:00:00Z", "2027-02-02T03:00:00Z")
	assertWindow(t, e, "2027-03-27T21:00:00Z", "2027-03-28T03:00:00Z") // to 5 o'clock of the summer
	assertWindow(t, e, "2027-03-28T20:00:00Z", "2027-03-29T02:00:00Z")
	assertWindow(t, e, "2027-10-30T20:00:00Z", "2027-10-31T02:00:00Z") // to 3 o'clock of the winter
	assertWindow(t, e, "2027-10-31T21:00:00Z", "2027-11-01T03:00:00Z")
	assert.False(t, holdsAt(e, at(t, "2026-12-31T22:00:00Z")), "before it began")
}

// What clocks show twice is meant as the first time, and what they skip as if they did not.
func TestTimesThatClocksShowTwiceOrNever(t *testing.T) {
	for _, c := range [][3]string{
		{"Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:30:00Z"},
		{"Europe/Berlin", "2027-03-28T02:00", "2027-03-28T01:00:00Z"},
		{"Europe/Berlin", "2027-03-28T03:00", "2027-03-28T01:00:00Z"},
		{"Europe/Berlin", "2027-10-31T02:30", "2027-10-31T00:30:00Z"},
		{"Europe/Berlin", "2027-10-31T03:00", "2027-10-31T02:00:00Z"},
		{"America/New_York", "2027-03-14T02:30", "2027-03-14T07:30:00Z"},
		{"America/New_York", "2027-11-07T01:30", "2027-11-07T05:30:00Z"},
		{"Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45:00Z"}, // half an hour is set back
		{"Pacific/Kiritimati", "2027-01-01T00:00", "2026-12-31T10:00:00Z"},
		{"Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00:00Z"}, // a day that there was not
	} {
		zone, err := time.LoadLocation(c[0])
		require.NoError(t, err)
		var local LocalTime
		require.NoError(t, local.UnmarshalText([]byte(c[1])))
		assert.Equal(t, c[2], local.in(zone).Format(time.RFC3339), "%s in %s", c[1], c[0])
	}
}

// Each rule against a calendar that is counted off by hand, day by day for five years.
func TestRecurrencesAsTheyAreCountedByHand(t *testing.T) {
	lastOfMonth := func(d time.Time) int { return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }
	start := time.Date(2026, 1, 1, 22, 0, 0, 0, time.UTC) // a Thursday
	for text, begins := range map[string]func(d time.Time) bool{
		"FREQ=MONTHLY;BYDAY=-1FR":       func(d time.Time) bool { return d.Weekday() == time.Friday && d.Day() > lastOfMonth(d)-7 },
		"rrule:freq=monthly;byday=2tu":  func(d time.Time) bool { return d.Weekday() == time.Tuesday && (d.Day()-1)/7 == 1 },
		"FREQ=MONTHLY;BYMONTHDAY=-1,15": func(d time.Time) bool { return d.Day() == 15 || d.Day() == lastOfMonth(d) },
		"FREQ=MONTHLY;BYMONTHDAY=31":    func(d time.Time) bool { return d.Day() == 31 },
		"FREQ=WEEKLY;BYDAY=SA,SU":       func(d time.Time) bool { return d.Weekday() == time.Saturday || d.Weekday() == time.Sunday },
		"FREQ=DAILY;INTERVAL=3":         func(d time.Time) bool { return int(d.Sub(start).Hours()/24)%3 == 0 },
		"FREQ=YEARLY;BYMONTH=3,6,9,12;BYDAY=-1SU": func(d time.Time) bool {
			return d.Month()%3 == 0 && d.Weekday() == time.Sunday && d.Day() > lastOfMonth(d)-7
		},
		"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1": func(d time.Time) bool { // the last working day
			for later := d.AddDate(0, 0, 1); later.Month() == d.Month(); later = later.AddDate(0, 0, 1) {
				if later.Weekday() != time.Saturday && later.Weekday() != time.Sunday {
					return false
				}
			}
			return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday
		},
		"FREQ=DAILY;COUNT=10":               func(d time.Time) bool { return d.Before(start.AddDate(0, 0, 10)) },
		"FREQ=DAILY;UNTIL=20260131":         func(d time.Time) bool { return d.Year() == 2026 && d.Month() == 1 },
		"FREQ=DAILY;UNTIL=20260131T220000":  func(d time.Time) bool { return d.Year() == 2026 && d.Month() == 1 },
		"FREQ=DAILY;UNTIL=20260131T215959Z": func(d time.Time) bool { return d.Before(time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)) },
		"FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO":  func(d time.Time) bool { _, week := d.ISOWeek(); return week == 20 && d.Weekday() == time.Monday },
		"FREQ=YEARLY;BYYEARDAY=-1":          func(d time.Time) bool { return d.Month() == 12 && d.Day() == 31 },
		"FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=MO": func(d time.Time) bool {
			return d.Weekday() == time.Monday && int(d.Sub(time.Date(2025, 12, 29, 22, 0, 0, 0, time.UTC)).Hours()/24)%14 == 0
		},
	} {
		e := oneCalendar(t, "start: 2026-01-01T22:00, duration: 1h, rrule: '"+text+"'")
		for d := start.AddDate(0, 0, -400); d.Year() < 2031; d = d.AddDate(0, 0, 1) {
			if now := d.AddDate(-1, 0, 0); now.After(noon) {
				e.Extend(now)
			}
			want := !d.Before(start) && begins(d)
			if holdsAt(e, d) != want || holdsAt(e, d.Add(-time.Minute)) {
				require.Failf(t, "it holds when it should not, or not when it should", "%s: %v", text, d)
			}
		}
	}
}

func TestUntilIsAnInstantWhereItSaysSo(t *testing.T) {
	for until, want := range map[string]bool{"20270702T015959Z": false, "20270702T020000Z": true, "20270701T220000": true, "20270701T215959": false, "20270701": true} {
		e := oneCalendar(t, "start: 2027-06-01T22:00, duration: 1h, time_zone: America/New_York, rrule: FREQ=DAILY;UNTIL="+until)
		assert.Equal(t, want, holdsAt(e, at(t, "2027-07-02T02:30:00Z")), until)
		assert.True(t, holdsAt(e, at(t, "2027-07-01T02:30:00Z")), until)
		assert.False(t, holdsAt(e, at(t, "2027-07-03T02:30:00Z")), until)
	}
}

func TestWindowsOfACalendarMayOverlapAndDifferInZone(t *testing.T) {
	e := calendars(t, `
calendars:
  - name: move
    time_zone: Asia/Tokyo
    when:
      - {start: 2027-07-02T09:00, end: 2027-07-02T12:00}
      - {start: 2027-07-02T09:30, end: 2027-07-02T09:40}
      - {start: 2027-07-02T01:00, end: 2027-07-02T05:00, time_zone: UTC}
      - {rrule: FREQ=DAILY;COUNT=2, start: 2027-07-02T14:00, duration: 40h}
`)
	assertWindow(t, e, "2027-07-02T00:00:00Z", "2027-07-04T21:00:00Z")
	for instant := at(t, "2027-07-02T00:00:00Z"); instant.Before(at(t, "2027-07-04T21:00:00Z")); instant = instant.Add(5 * time.Minute) {
		assert.True(t, holdsAt(e, instant), "%v", instant)
	}
}

func TestACalendarMatchesAllOrWhatItNames(t *testing.T) {
	const when = "when: [{start: 2027-06-30, end: 2027-07-01}]"
	inside := backupFlow(nil)
	assert.Equal(t, 0, first(calendars(t, "calendars: [{name: a, "+when+"}]"), inside))
	assert.Equal(t, 0, first(calendars(t, "calendars: [{name: a, match: {ports: [443]}, "+when+"}]"), inside))
	assert.Equal(t, -1, first(calendars(t, "calendars: [{name: a, match: {ports: [22]}, "+when+"}]"), inside))
	assert.Equal(t, 1, first(calendars(t, "calendars: [{name: a, match: {ports: [22]}, "+when+"}, {name: b, "+when+"}]"), inside))
}

func TestACalendarSaysWhatItsFlowsAreKeptFrom(t *testing.T) {
	e := calendars(t, `
calendars:
  - name: month-end
    when: [{start: 2027-06-30, end: 2027-07-01}]
    rules: [by_region]
    action: [skip_learning]
    max_bytes: 1500B
`)
	f := backupFlow(nil)
	require.True(t, e.Admit(first(e, f), f, noon))
	assert.Equal(t, [2]flow.RuleSet{0, flow.RuleNumber(1)}, [2]flow.RuleSet{f.NoAlert, f.NoLearning})
	assert.False(t, e.Admit(first(e, f), backupFlow(nil), noon), "above its ceiling")
	assert.Equal(t, ExceptionReport{
		Name: "month-end", Status: CalendarOpen, Since: noon, Flows: 1, Bytes: 1000, AboveFlows: 1, AboveBytes: 1000,
	}, e.Reports(noon)[0])
}

// Given a collector that runs for ten years, then its patch nights come as ever, as long as it is asked now and then what
// is to come.
func TestRecurringWindowsAreWorkedOutAsTimeGoesOn(t *testing.T) {
	e := oneCalendar(t, "rrule: FREQ=DAILY, start: 2027-01-01T22:00, duration: 1h")
	far := at(t, "2037-06-30T22:30:00Z")
	assert.False(t, holdsAt(e, far))
	for month := range 120 {
		now := noon.AddDate(0, month, 0)
		e.Extend(now)
		require.True(t, holdsAt(e, now.Add(10*time.Hour+30*time.Minute)), "%v", now)
		require.True(t, holdsAt(e, now.AddDate(1, 0, 0).Add(10*time.Hour+30*time.Minute)), "%v: a year ahead", now)
	}
	assert.True(t, holdsAt(e, far))
	assert.True(t, holdsAt(e, at(t, "2027-01-01T22:30:00Z")), "and what was stays known")
	assert.Less(t, cap(e.list[0].schedule.table.Load().spans), 12*366+100)
}

// Given flows that are matched by several at once, while the windows that come are worked out, then each is answered.
func TestWindowsAreWorkedOutWhileFlowsAreMatched(t *testing.T) {
	e := oneCalendar(t, "rrule: FREQ=DAILY, start: 2027-01-01T22:00, duration: 1h")
	fork := e.Fork(noon)
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for night := range 200 {
				instant := at(t, "2027-06-30T22:30:00Z").AddDate(0, 0, night)
				assert.True(t, holdsAt(fork, instant))
				assert.False(t, holdsAt(e, instant.Add(time.Hour)))
			}
		})
	}
	for year := range 10 {
		e.Extend(noon.AddDate(year, 0, 0))
	}
	done.Wait()
}

func TestAClockThatIsWrongEndsNoCalendar(t *testing.T) {
	e := oneCalendar(t, "rrule: FREQ=DAILY, start: 2027-01-01T22:00, duration: 1h")
	for _, now := range []time.Time{{}, time.Unix(0, 0), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), noon} {
		e.Extend(now)
		assert.True(t, holdsAt(e, at(t, "2027-06-30T22:30:00Z")), "%v", now)
	}
	configs, err := decodeCalendars(t, "calendars: [{name: a, when: [{rrule: FREQ=DAILY, start: 2027-01-01T22:00, duration: 1h}]}]")
	require.NoError(t, err)
	early, err := NewCalendars(configs, ExceptionOptions{Now: time.Unix(0, 0)})
	require.NoError(t, err)
	assert.False(t, holdsAt(early, at(t, "2027-06-30T22:30:00Z")), "a clock that is yet to be set")
	early.Extend(noon)
	assert.True(t, holdsAt(early, at(t, "2027-06-30T22:30:00Z")))
}

// Whatever time a flow says it is of, the answer is what a look through all windows gives, costs no memory and moves nothing.
func TestTimesThatAreForgedAreAskedAtNoCost(t *testing.T) {
	e := oneCalendar(t, "rrule: 'FREQ=DAILY;BYHOUR=1,5,22', start: 2024-01-01T01:00, duration: 90m, time_zone: Europe/London")
	x := &e.list[0]
	spans := x.schedule.table.Load().spans
	times := []int64{math.MinInt64, math.MaxInt64, -1, 0, spans[0].from - 1, spans[0].from, spans[len(spans)-1].until}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		near := spans[random.IntN(len(spans))]
		times = append(times, int64(random.Uint64()), near.from+random.Int64N(int64(3*time.Hour)), near.until)
	}
	for _, at := range times {
		want := false
		for _, s := range spans {
			want = want || s.from <= at && at < s.until
		}
		require.Equal(t, want, e.agenda.Load().at(at) != nil, "%d", at)
		require.Equal(t, want, x.schedule.table.Load().holds(at), "%d", at)
	}
	f, matched := backupFlow(nil), make([]int32, 0, 1)
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		for _, f.Time = range times {
			matched = e.Match(f, nil, matched[:0])
		}
	}))
	assert.Len(t, x.schedule.table.Load().spans, len(spans))
}

func TestLocalTimesQuotedOrNot(t *testing.T) {
	for _, text := range []string{
		"2027-03-26T22:00:00", `"2027-03-26T22:00:00"`, "2027-03-26T22:00", `"2027-03-26 22:00"`, "2027-03-26 22:00:00",
	} {
		configs, err := decodeCalendars(t, "calendars: [{when: [{start: "+text+"}]}]")
		require.NoError(t, err, text)
		written, err := configs[0].When[0].Start.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, "2027-03-26T22:00:00", string(written), text)
	}
	assert.Empty(t, LocalTime{}.String())
	for _, text := range []string{"2027-03-26T22:00:00+01:00", `"2027-03-26T22:00:00Z"`, "26.03.2027", "22:00"} {
		_, err := decodeCalendars(t, "calendars: [{when: [{start: "+text+"}]}]")
		require.ErrorIs(t, err, ErrInvalid, text)
		assert.ErrorContains(t, err, "write it as 2027-03-26T22:00", text)
	}
}

func TestTooManyCalendarsAreRefused(t *testing.T) {
	_, err := NewCalendars(make([]CalendarConfig, MaxCalendars+1), ExceptionOptions{})
	require.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, "calendars: 201 are too many; at most 200")

	var start LocalTime
	require.NoError(t, start.UnmarshalText([]byte("2027-01-01T22:00")))
	busy := make([]CalendarConfig, 11)
	for i := range busy {
		busy[i] = CalendarConfig{Name: fmt.Sprint(i), When: []WhenConfig{{
			Start: start, RRule: "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23", Duration: time.Minute,
		}}}
	}
	_, err = NewCalendars(busy, ExceptionOptions{})
	require.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, "calendars: their recurring windows may begin 264 times a day; at most 250 in all")

	busy[0].When = make([]WhenConfig, maxWhen+1)
	_, err = NewCalendars(busy[:1], ExceptionOptions{})
	assert.ErrorContains(t, err, "calendars[0].when: 101 windows are too many; at most 100")
}

// Given calendars of each kind, then those that have ended, or of which windows pass unused, are told of once.
func TestCalendarsThatNeedSomebodyAreToldOfOnce(t *testing.T) {
	e := calendars(t, `
calendars:
  - {name: move, when: [{start: 2027-07-03, end: 2027-07-05}]}
  - {name: month-end, match: {ports: [22]}, when: [{rrule: FREQ=MONTHLY;BYMONTHDAY=-1, start: 2027-01-31T20:00, duration: 8h}]}
  - {name: patches, match: {ports: [443]}, when: [{rrule: FREQ=DAILY, start: 2027-01-01T22:00, duration: 6h}]}
`)
	day := func(n int) time.Time { return noon.AddDate(0, 0, n) } // from the 30th of June
	statuses := func(now time.Time) (all []ExceptionStatus) {
		for _, r := range e.Reports(now) {
			all = append(all, r.Status)
		}
		return all
	}
	assert.Equal(t, []ExceptionStatus{CalendarWaiting, CalendarWaiting, CalendarWaiting}, statuses(day(0)))
	assert.Equal(t, []ExceptionStatus{CalendarWaiting, CalendarOpen, CalendarOpen}, statuses(day(0).Add(11*time.Hour)))
	assert.Equal(t, []ExceptionStatus{CalendarOpen, CalendarWaiting, CalendarWaiting}, statuses(day(3)))
	assert.Empty(t, news(e, day(3)))
	assert.Equal(t, map[string]ExceptionStatus{"move": CalendarEnded}, news(e, day(6)))
	assert.Empty(t, news(e, day(29)))
	assert.Equal(t, map[string]ExceptionStatus{"patches": CalendarIdle}, news(e, day(30)), "a month of nights unused")
	assert.Empty(t, news(e, day(62)), "of the month's ends there were two")
	assert.Equal(t, map[string]ExceptionStatus{"month-end": CalendarIdle}, news(e, day(100)))
	f := backupFlow(func(f *flow.Flow) { f.Port, f.Time = 22, at(t, "2027-09-30T21:00:00Z").UnixNano() })
	e.Admit(first(e, f), f, day(101))
	assert.Empty(t, news(e, day(101)))
	assert.Equal(t, []ExceptionStatus{CalendarEnded, CalendarWaiting, CalendarIdle}, statuses(day(101)))
	assert.Len(t, CalendarStatuses(), 4)
}

func TestExceptionsAndCalendarsAreExtendedAlike(t *testing.T) {
	compiled(t, backup).Extend(noon) // has no schedule, and needs none
}

func TestWindowsThatHavePassedAreWholeOnes(t *testing.T) {
	e := oneCalendar(t, "rrule: FREQ=DAILY, start: 2027-06-01T22:00, duration: 2h")
	table := e.list[0].schedule.table.Load()
	for _, c := range []struct {
		from, until string
		want        int
	}{
		{"2027-06-01T22:00:00Z", "2027-06-04T00:00:00Z", 3},
		{"2027-06-01T22:00:00Z", "2027-06-03T23:59:59Z", 2}, // the third is open
		{"2027-06-01T22:00:01Z", "2027-06-04T00:00:00Z", 2}, // the first had begun
		{"2026-01-01T00:00:00Z", "2027-06-01T00:00:00Z", 0},
		{"2027-06-05T00:00:00Z", "2027-06-05T23:00:00Z", 0},
		{"2027-06-05T00:00:00Z", "2027-06-01T00:00:00Z", 0},
	} {
		assert.Equal(t, c.want, table.passed(at(t, c.from).UnixNano(), at(t, c.until).UnixNano()), "%s to %s", c.from, c.until)
	}
}

// Given calendars whose windows begin and end at all hours, then at each moment those hold that hold by themselves.
func TestManyCalendarsAreAskedAsOne(t *testing.T) {
	text, random := "calendars:\n", rand.New(rand.NewPCG(3, 4))
	for i := range 70 {
		text += fmt.Sprintf("  - {name: c%d, when: [{rrule: FREQ=DAILY;INTERVAL=%d, start: 2027-06-01T%02d:00, duration: %dh}]}\n",
			i, 1+random.IntN(9), random.IntN(24), 1+random.IntN(30))
	}
	e := calendars(t, text)
	for hour := range 60 * 24 {
		instant := noon.Add(time.Duration(hour) * time.Hour / 2).UnixNano()
		var want []int32
		for i := range e.list {
			if e.list[i].schedule.table.Load().holds(instant) {
				want = append(want, int32(i))
			}
		}
		require.Equal(t, want, e.agenda.Load().at(instant))
	}
}

func BenchmarkCalendars(b *testing.B) {
	for _, n := range []int{1, 100} {
		text := "calendars:\n"
		for i := range n {
			text += fmt.Sprintf("  - {name: c%d, match: {ports: [22]}, when: [{rrule: 'FREQ=DAILY', start: 2020-01-01T22:%02d, duration: 4h}]}\n", i, i%60)
		}
		e := calendars(b, text)
		for _, c := range []struct {
			name  string
			times func(i int) int64
		}{
			{"none holds", func(i int) int64 { return noon.UnixNano() + int64(i%10_000)*1e6 }},
			{"all hold", func(i int) int64 { return noon.Add(12*time.Hour).UnixNano() + int64(i%10_000)*1e6 }},
			{"times forged", func(i int) int64 { return noon.UnixNano() - int64(i)*int64(7919*time.Hour)%int64(7*365*day) }},
		} {
			b.Run(fmt.Sprintf("calendars=%d/%s", n, c.name), func(b *testing.B) {
				f, matched, i := backupFlow(nil), make([]int32, 0, 1), 0
				b.ReportAllocs()
				for b.Loop() {
					i++
					f.Time = c.times(i)
					matched = e.Match(f, nil, matched[:0])
				}
			})
		}
	}
}
