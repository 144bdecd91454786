package detector

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
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

// Given a backlog, then what live traffic teaches is the same as if there had been none, to the bit, once the outage
// is forgotten.
func TestABacklogTeachesNothing(t *testing.T) {
	o := deadOffice(3, monday.AddDate(0, 0, 15).Add(9*time.Hour), 30*time.Hour)
	with, without := newDetector(t, twoRules()), newDetector(t, twoRules())
	_, rest := o.comeBack(with, time.Hour)
	live(with, rest, monday.AddDate(0, 0, 28))
	o.backlog = nil
	_, rest = o.comeBack(without, time.Hour)
	live(without, rest, monday.AddDate(0, 0, 28))
	require.Positive(t, with.Stats().Missed)
	assert.Equal(t, with.Stats().Missed, with.Stats().Late)
	assert.Empty(t, with.lanes[0].outage.gaps, "it is forgotten after four days")
	assert.Empty(t, with.lanes[0].spaces[0].missed.sums)
	assert.Equal(t, without.Fingerprint(), with.Fingerprint())
}

// Given a theft while the feed was dead, when the backlog tells of it, then it is found as one of the outage, whoever
// sends it, with its sender.
func TestATheftInTheBacklogIsFound(t *testing.T) {
	at := monday.AddDate(0, 0, 15).Add(13 * time.Hour)
	stolen := within(at, time.Hour, 60, "ws-c", 4444, "California", 300e6)
	o := deadOffice(3, monday.AddDate(0, 0, 15).Add(9*time.Hour+30*time.Minute), 11*time.Hour, stolen...)
	d := newDetector(t, twoRules())
	found, _ := o.comeBack(d, 40*time.Minute)
	i := slices.IndexFunc(found, func(f Finding) bool { return f.Values[0] == "4444" && f.DetailFields == nil })
	require.GreaterOrEqual(t, i, 0)
	f := found[i]
	assert.Equal(t, monday.AddDate(0, 0, 15).Add(12*time.Hour), f.WindowStart, "the first window that is missing")
	assert.Equal(t, monday.AddDate(0, 0, 15).Add(18*time.Hour), f.WindowEnd)
	assert.Equal(t, at.Truncate(time.Minute), f.First.Truncate(time.Minute))
	assert.False(t, f.Time.Before(monday.AddDate(0, 0, 15).Add(18*time.Hour)), "the decision falls in the open window")
	assert.True(t, f.FirstSeen)
	assert.Equal(t, []string{"ws-c"}, contributors(&f, flow.Host))
}

// Given an outage, when somebody dates what he sends into it, then he gets no more past than the missing windows would
// have let pass, once: the next megabytes are found, a day later too, and after a restart.
func TestAForgedTimestampBuysWhatTheOutageWouldHaveLetPassAndNoMore(t *testing.T) {
	o := deadOffice(4, monday.AddDate(0, 0, 15).Add(9*time.Hour), 12*time.Hour)
	d := newDetector(t, small(1000))
	live(d, o.before, o.back)
	parts := split(o.then, o.back.Add(24*time.Hour))
	live(d, parts[0], o.back.Add(24*time.Hour))
	s := d.lanes[0].spaces[0]
	forged := monday.AddDate(0, 0, 15).Add(13 * time.Hour)
	now := o.back.Add(24 * time.Hour)
	found := d.Observe([]flow.Flow{one(forged, "ws-b", 4444, "Hesse", 1000)}, now, nil)
	require.Len(t, s.missed.sums, 1)
	upper := s.missed.outlooks[0].threshold
	assert.GreaterOrEqual(t, upper, int64(1<<20))
	assert.Less(t, upper, int64(200e6), "of four windows of a new port")
	found = d.Observe([]flow.Flow{one(forged, "ws-b", 4444, "Hesse", upper-2000)}, now, found)
	assert.NotContains(t, valuesOf(found), "4444")

	d, _ = load(t, small(1000), saved(d))
	found = d.Observe([]flow.Flow{one(forged.Add(time.Hour), "ws-b", 4444, "Hesse", 1001)}, now.Add(time.Minute), nil)
	assert.Contains(t, valuesOf(found), "4444")

	// Dated before the outage, or after it is forgotten, a record joins the open window.
	for port, at := range map[uint16]time.Time{5555: forged.AddDate(0, 0, -1), 6666: forged.AddDate(0, 0, -9), 7777: forged.AddDate(-1, 0, 0)} {
		found = d.Observe([]flow.Flow{one(at, "ws-b", port, "Hesse", 900e6)}, now.Add(time.Minute), nil)
		assert.Contains(t, valuesOf(found), strconv.Itoa(int(port)))
	}
}

// Given a second outage before the first is forgotten, then the windows of both may bring what both would have.
func TestTwoOutagesAreOneBacklog(t *testing.T) {
	first := deadOffice(5, monday.AddDate(0, 0, 15).Add(8*time.Hour), 9*time.Hour)
	second := split(first.then, monday.AddDate(0, 0, 16).Add(8*time.Hour), monday.AddDate(0, 0, 16).Add(17*time.Hour))
	d := newDetector(t, twoRules())
	found := live(d, first.before, first.back)
	half := len(first.backlog) / 2
	found = d.Observe(first.backlog[:half], first.back, found)
	found = append(found, live(d, second[0], monday.AddDate(0, 0, 16).Add(17*time.Hour))...)
	parts := split(second[2], monday.AddDate(0, 0, 16).Add(17*time.Hour+30*time.Minute))
	found = append(found, live(d, parts[0], monday.AddDate(0, 0, 16).Add(18*time.Hour))...)
	require.Len(t, d.lanes[0].outage.gaps, 2)
	now := monday.AddDate(0, 0, 16).Add(18 * time.Hour)
	for batch := range slices.Chunk(slices.Concat(first.backlog[half:], second[1]), 500) {
		found = d.Observe(batch, now, found)
	}
	assert.Empty(t, found)
	assert.Greater(t, d.Stats().Missed, int64(len(first.backlog)))

	// A year of an outage every other day remembers the last ones only.
	l := d.lanes[0]
	for range 180 {
		l.miss(l.bucket+2, l.bucket+5)
		l.enter(l.bucket + 16)
	}
	assert.LessOrEqual(t, len(l.outage.gaps), 8)
}

// Given a restart in the middle of a backlog, then all goes on as without it, to the bit.
func TestARestartInABacklogChangesNothing(t *testing.T) {
	stolen := within(monday.AddDate(0, 0, 15).Add(13*time.Hour), time.Hour, 60, "ws-c", 4444, "California", 300e6)
	o := deadOffice(6, monday.AddDate(0, 0, 15).Add(9*time.Hour), 30*time.Hour, stolen...)
	old := office(7, monday.AddDate(0, 0, -60), 1) // a replay beside
	straight, d := newDetector(t, twoRules()), newDetector(t, twoRules())
	live(straight, o.before, o.back)
	live(d, o.before, o.back)
	parts := split(o.then, o.back.Add(time.Hour))
	live(straight, parts[0], o.back.Add(time.Hour))
	live(d, parts[0], o.back.Add(time.Hour))
	now := o.back.Add(time.Hour)
	var want, got []Finding
	kept := shards{}
	for batch := range slices.Chunk(slices.Concat(o.backlog, old), 700) {
		want = straight.Observe(batch, now, want)
		kept.snapshot(d, nothing)
		d, _ = load(t, twoRules(), kept)
		again := saved(d)
		require.Empty(t, kept.differences(again))
		kept = again
		got = d.Observe(batch, now, got)
	}
	require.NotEmpty(t, want)
	assert.Equal(t, want, got)
	assert.Equal(t, straight.Fingerprint(), d.Fingerprint())
	want, got = run(t, straight, parts[1], 300), run(t, d, parts[1], 300)
	assert.Equal(t, want, got)
	assert.Equal(t, straight.Fingerprint(), d.Fingerprint())
}

// Given a collector that was down, when it is back and its clock ticks before the first record, then the time without
// it is no silence, and a backlog that comes in its order is learned as if nothing had happened.
func TestABacklogInOrderAfterARestartIsLikeNoOutage(t *testing.T) {
	flows := office(8, monday, 20)
	straight := newDetector(t, twoRules())
	want := run(t, straight, flows, 250)
	parts := split(flows, monday.AddDate(0, 0, 15).Add(10*time.Hour))
	d := newDetector(t, twoRules())
	got := live(d, parts[0], monday.AddDate(0, 0, 15).Add(10*time.Hour))
	d, _ = load(t, twoRules(), saved(d))
	now := monday.AddDate(0, 0, 16).Add(2 * time.Hour)
	got = d.Tick(now, got)
	got = d.Tick(now.Add(time.Minute), got)
	got = append(got, run(t, d, parts[1], 250)...)
	assert.Equal(t, want, got)
	assert.Equal(t, straight.Fingerprint(), d.Fingerprint())

	// If nothing comes after all, the clock goes on from there.
	before := d.Stats().WindowsClosed
	d, _ = load(t, twoRules(), saved(d))
	d.Tick(now, nil)
	assert.Equal(t, before, d.Stats().WindowsClosed)
	d.Tick(now.Add(7*time.Hour), nil)
	assert.Equal(t, before+3, d.Stats().WindowsClosed)
}

// Given outages of four hours every other day for three weeks, whose backlogs are lost, then the windows that they cut
// short raise no alarm, and a theft is found as ever.
func TestWindowsThatWereCutShortDoNoHarm(t *testing.T) {
	flows := append(office(1, monday, 31), within(monday.AddDate(0, 0, 30).Add(13*time.Hour), time.Hour, 60, "ws-c", 443, "California", 60e6)...)
	sortByTime(flows)
	flows = slices.DeleteFunc(flows, func(f flow.Flow) bool {
		since := time.Unix(0, f.Time).Sub(monday)
		day := int(since / (24 * time.Hour))
		begin := time.Duration(day*7%20) * time.Hour
		into := since % (24 * time.Hour)
		return day > 7 && day < 30 && day%2 == 0 && into >= begin && into < begin+4*time.Hour
	})
	found := run(t, newDetector(t, twoRules()), flows, 250)
	require.NotEmpty(t, found)
	for _, f := range found {
		assert.False(t, f.Time.Before(monday.AddDate(0, 0, 30).Add(13*time.Hour)), "%v %v %v", f.Time, f.Values, f.Score)
	}
}

// Given a clock that is a day ahead for a moment, then the records of the next day, all late, raise no alarm, a
// theft among them is found, and from then on all is as ever.
func TestAClockThatJumpsAheadRaisesNoAlarm(t *testing.T) {
	jump := monday.AddDate(0, 0, 16).Add(10 * time.Hour)
	flows := append(office(9, monday, 20), within(jump.Add(4*time.Hour), time.Hour, 60, "ws-c", 4444, "California", 500e6)...)
	sortByTime(flows)
	parts := split(flows, jump)
	d := newDetector(t, twoRules())
	found := live(d, parts[0], jump)
	require.Empty(t, found)
	found = d.Tick(jump.Add(24*time.Hour), found)
	found = append(found, live(d, parts[1], monday.AddDate(0, 0, 20))...)
	require.NotEmpty(t, found)
	for _, f := range found {
		assert.True(t, f.Values[0] == "4444" || f.Values[0] == "California", "%v %v %v", f.Time, f.Values, f.DetailValues)
	}
	assert.Equal(t, monday.AddDate(0, 0, 20).Add(-9*time.Hour).Truncate(24*time.Hour), d.Stats().Newest.Truncate(24*time.Hour))
}

// Given a clock that is set back by an hour, then records are ahead of it and left out, and are counted, until it is
// put right.
func TestAClockThatIsSetBackLeavesOutWhatIsAheadOfIt(t *testing.T) {
	d := newDetector(t, twoRules())
	at := monday.Add(10 * time.Hour)
	d.Observe([]flow.Flow{one(at, "a", 443, "Hesse", 10)}, at, nil)
	d.Observe([]flow.Flow{one(at.Add(time.Minute), "a", 443, "Hesse", 10)}, at.Add(-time.Hour), nil)
	assert.Equal(t, int64(1), d.Stats().Future)
	d.Tick(at.Add(-2*time.Hour), nil)
	d.Observe([]flow.Flow{one(at.Add(2*time.Minute), "a", 443, "Hesse", 10)}, at.Add(2*time.Minute), nil)
	assert.Equal(t, int64(1), d.Stats().Future)
	assert.Equal(t, int64(20), d.lanes[0].spaces[0].current.sums[0].bytes)
	assert.Zero(t, d.Stats().WindowsClosed)
}

// Given an office whose hours follow the local clock, when that is put forward in spring and back in autumn, then it is quiet.
func TestDaylightSavingIsQuiet(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for name, change := range map[string]time.Time{
		"spring": time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), "autumn": time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := change.Truncate(24*time.Hour).AddDate(0, 0, -20)
			_, before := change.Add(-time.Hour).In(berlin).Zone()
			_, after := change.Add(time.Hour).In(berlin).Zone()
			flows := office(10, from, 30)
			for i := range flows {
				local := time.Duration(before) * time.Second
				if flows[i].Time-int64(local) >= change.UnixNano() {
					local = time.Duration(after) * time.Second
				}
				flows[i].Time -= int64(local)
			}
			sortByTime(flows)
			s := twoRules()
			s.Location = berlin
			assert.Empty(t, run(t, newDetector(t, s), flows, 250))
		})
	}
}

// Given batches that are delivered twice now and then, as at-least-once does, then the office is as quiet as ever, and
// a theft is found in the same window.
func TestBatchesThatComeTwiceRaiseNoAlarm(t *testing.T) {
	flows := append(office(11, monday, 24), within(monday.AddDate(0, 0, 22).Add(13*time.Hour), time.Hour, 60, "ws-c", 4444, "California", 300e6)...)
	sortByTime(flows)
	want := verdicts(run(t, newDetector(t, twoRules()), flows, 250))
	require.NotEmpty(t, want)
	var twice []flow.Flow
	for i := 0; i < len(flows); i += 250 {
		batch := flows[i:min(i+250, len(flows))]
		twice = append(twice, batch...)
		if i/250%20 == 7 {
			twice = append(twice, batch...)
		}
	}
	assert.Equal(t, want, verdicts(run(t, newDetector(t, twoRules()), twice, 250)))
}

// Given a replay of two months of last year beside live traffic, then what live traffic teaches is as without it:
// the same windows count as active, with the same bytes.
func TestAReplayBesideLiveTrafficTeachesNothing(t *testing.T) {
	flows := office(12, monday, 18)
	begin := monday.AddDate(0, 0, 15).Add(9*time.Hour + 30*time.Minute)
	parts := split(flows, begin, begin.Add(2*time.Hour))
	with, without := newDetector(t, twoRules()), newDetector(t, twoRules())
	run(t, with, parts[0], 100)
	run(t, without, parts[0], 100)
	old := office(13, monday.AddDate(-1, 0, 0), 60)
	part := len(old)/len(parts[1]) + 1
	for i := range parts[1] {
		now := time.Unix(0, parts[1][i].Time)
		without.Observe(parts[1][i:i+1], now, nil)
		with.Observe(parts[1][i:i+1], now, nil)
		with.Observe(old[min(len(old), part*i):min(len(old), part*(i+1))], now, nil)
	}
	assert.Equal(t, int64(len(old)), with.Stats().Late)
	run(t, with, parts[2], 100)
	run(t, without, parts[2], 100)
	for i, s := range without.lanes[0].spaces {
		other := with.lanes[0].spaces[i]
		for at := range s.entities {
			want := &s.entities[at]
			found, ok := other.index.get(other.keyer.hashOf(other.fields, want.key, false), other.entities)
			require.True(t, ok)
			got := &other.entities[found]
			require.Equal(t, want.key, got.key)
			assert.Equal(t, want.windows, got.windows)
			assert.InEpsilon(t, want.Active, got.Active, 1e-5)
			assert.InEpsilon(t, want.Mean, got.Mean, 1e-5)
		}
	}
}

func TestMissingWindowsThatCannotBeAreRefused(t *testing.T) {
	l := newDetector(t, twoRules()).lanes[0]
	l.enter(1000)
	for name, gaps := range map[string][]gap{
		"backwards":           {{900, 890}},
		"empty":               {{900, 900}},
		"not yet":             {{990, 1001}},
		"long ago":            {{100, 110}},
		"not in order":        {{950, 960}, {940, 945}},
		"overlapping":         {{950, 960}, {955, 970}},
		"more than there are": slices.Repeat([]gap{{950, 960}}, maxGaps+1),
	} {
		var w codec.Writer
		(&outage{gaps: gaps}).save(&w)
		var o outage
		r := codec.NewReader(w.Data)
		o.load(r, l)
		require.ErrorIs(t, r.Err(), codec.ErrMalformed, name)
	}
	var w codec.Writer
	(&outage{gaps: []gap{{950, 960}, {965, 1000}}}).save(&w)
	var o outage
	r := codec.NewReader(w.Data)
	o.load(r, l)
	require.NoError(t, r.End())
	assert.Equal(t, []gap{{950, 960}, {965, 1000}}, o.gaps)
}
