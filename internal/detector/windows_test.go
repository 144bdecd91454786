package detector

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

var farAhead = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

func one(at time.Time, host string, port uint16, region string, bytes int64) flow.Flow {
	return flow.Flow{
		Time: at.UnixNano(), Bytes: bytes, Host: host, Port: port,
		Source:      netip.MustParseAddr("10.0.0.12"),
		Destination: netip.MustParseAddr("203.0.113.9"),
		Place:       flow.Place{Region: region, Country: "US"},
	}
}

// within is a theft or a habit: bytes in equal parts over a time.
func within(at time.Time, over time.Duration, parts int, host string, port uint16, region string, bytes int64) []flow.Flow {
	var flows []flow.Flow
	for i := range parts {
		flows = append(flows, one(at.Add(over*time.Duration(i)/time.Duration(parts)), host, port, region, bytes/int64(parts)))
	}
	return flows
}

// history runs the office with the given flows among its own and returns what was found of the entity.
func history(t *testing.T, seed uint64, days int, entity string, extra ...[]flow.Flow) []Finding {
	t.Helper()
	flows := office(seed, monday, days)
	for _, e := range extra {
		flows = append(flows, e...)
	}
	sortByTime(flows)
	var about []Finding
	for _, f := range run(t, newDetector(t, twoRules()), flows, 250) {
		if f.Values[0] == entity {
			about = append(about, f)
		}
	}
	return about
}

func TestAQuietNewPortIsLeftAlone(t *testing.T) {
	at := monday.AddDate(0, 0, 20).Add(15 * time.Hour)
	assert.Empty(t, history(t, 4, 22, "31337", within(at, time.Hour, 2, "ws-d", 31337, "Hesse", 2000)))
}

func TestANightlyBackupIsLearnedInTwoWeeks(t *testing.T) {
	var backups [][]flow.Flow
	for night := range 28 {
		size := int64(20e9 + 3e9*float64(night%5))
		backups = append(backups, within(monday.AddDate(0, 0, night).Add(90*time.Minute), time.Hour, 40, "nas", 873, "Ireland", size))
	}
	for _, f := range history(t, 5, 28, "873", backups...) {
		assert.Less(t, f.Time, monday.AddDate(0, 0, 14), "%v %v", f.Score, f.Why)
	}
}

func TestAServiceThatRampsUpOverAWeekIsLeftAlone(t *testing.T) {
	var days [][]flow.Flow
	for day := range 14 {
		for hour := 8; hour < 18; hour++ {
			for host := range min(12, 1+2*day) {
				at := monday.AddDate(0, 0, 12+day).Add(time.Duration(hour) * time.Hour)
				days = append(days, within(at, time.Hour, 3, "ws-"+string(rune('a'+host)), 9443, "Virginia", 60e3))
			}
		}
	}
	assert.Empty(t, history(t, 6, 27, "9443", days...))
}

func TestARecordFromTheFutureMovesNothing(t *testing.T) {
	flows := office(7, monday, 9)
	a, b := newDetector(t, twoRules()), newDetector(t, twoRules())
	run(t, a, flows, 100)
	b.Observe([]flow.Flow{one(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), "x", 1, "Y", 1e12)}, farAhead, nil)
	assert.Zero(t, b.Stats().Newest, "not even the first record begins in the future")
	run(t, b, flows[:1000], 100)
	b.Observe([]flow.Flow{one(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), "x", 1, "Y", 1e12)}, farAhead, nil)
	run(t, b, flows[1000:], 100)
	assert.Equal(t, a.Fingerprint(), b.Fingerprint())
	assert.Equal(t, int64(2), b.Stats().Future)
}

func TestLateRecordsJoinTheOpenWindow(t *testing.T) {
	d := newDetector(t, twoRules())
	d.Observe([]flow.Flow{one(monday, "a", 443, "Hesse", 10)}, farAhead, nil)
	d.Observe([]flow.Flow{one(monday.Add(4*time.Hour), "a", 443, "Hesse", 20)}, farAhead, nil)
	d.Observe([]flow.Flow{one(monday.Add(time.Hour), "a", 443, "Hesse", 5)}, farAhead, nil)
	assert.Equal(t, int64(1), d.Stats().Late)
	s := d.lanes[0].spaces[0]
	require.Len(t, s.current.sums, 1)
	assert.Equal(t, int64(25), s.current.sums[0].bytes)
}

func TestSilenceClosesWindowsByTheClock(t *testing.T) {
	d := newDetector(t, twoRules())
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) // replaying March in December
	assert.Empty(t, d.Tick(now, nil), "nothing to close before the first record")
	d.Observe([]flow.Flow{one(monday.Add(time.Hour), "a", 443, "Hesse", 10)}, now, nil)
	d.Tick(now.Add(2*time.Hour), nil)
	assert.Zero(t, d.Stats().WindowsClosed, "the window is open until 03:05")
	d.Tick(now.Add(2*time.Hour+5*time.Minute), nil)
	assert.Equal(t, int64(1), d.Stats().WindowsClosed)
	d.Tick(now.Add(time.Hour), nil)
	assert.Equal(t, int64(1), d.Stats().WindowsClosed, "a clock set back moves nothing")
}

func TestAnOutageIsNotSilence(t *testing.T) {
	// The port sends all day, every day; then the feed is dead for four days.
	var flows []flow.Flow
	for w := range 8 * 14 {
		flows = append(flows, one(monday.Add(time.Duration(w)*3*time.Hour), "a", 443, "Hesse", 1e6))
	}
	d := newDetector(t, twoRules())
	run(t, d, flows, 10)
	s := d.lanes[0].spaces[0]
	before := s.entities[0].Series
	run(t, d, []flow.Flow{one(monday.AddDate(0, 0, 18), "a", 443, "Hesse", 1e6)}, 1)
	after := s.entities[0].Series
	assert.InDelta(t, before.Total+1, after.Total, 0.6, "the missing windows do not count as inactive")
	assert.InDelta(t, 1, after.Active/after.Total, 1e-3)
	assert.Equal(t, int64(8*18-1), d.Stats().WindowsClosed, "the last one is open for its lateness")
}

func TestRegularSilenceOfAFeedIsSilence(t *testing.T) {
	var flows []flow.Flow
	for day := range 20 { // one window a day
		flows = append(flows, one(monday.AddDate(0, 0, day).Add(10*time.Hour), "a", 443, "Hesse", 1e6))
	}
	d := newDetector(t, twoRules())
	run(t, d, flows, 1)
	e := d.lanes[0].spaces[0].entities[0]
	assert.InDelta(t, 8, e.Total/e.Active, 1, "it is active in one window of eight")
}

func TestAGapOfYearsIsPassedQuickly(t *testing.T) {
	d := newDetector(t, twoRules())
	run(t, d, []flow.Flow{one(time.Unix(0, 0), "a", 443, "Hesse", 1), one(monday, "a", 443, "Hesse", 1)}, 1)
	assert.Less(t, d.Stats().WindowsClosed, int64(100))
	assert.Equal(t, monday, d.Stats().Newest)
}

func TestInstantsAtTheEdgesOfTimeAreLeftOut(t *testing.T) {
	d := newDetector(t, twoRules())
	for _, at := range []int64{math.MinInt64, math.MinInt64 + 1, earliest - 1, math.MaxInt64} {
		d.Observe([]flow.Flow{one(time.Unix(0, at), "a", 443, "Hesse", 1)}, farAhead, nil)
	}
	assert.Equal(t, int64(4), d.Stats().Future)
	assert.Zero(t, d.Stats().Newest)
	at := monday.Add(time.Hour)
	run(t, d, []flow.Flow{one(time.Unix(0, earliest), "a", 443, "Hesse", 1),
		one(at, "a", 443, "Hesse", math.MaxInt64), one(at, "a", 443, "Hesse", math.MaxInt64)}, 1)
	assert.Equal(t, at, d.Stats().Newest)
	assert.Equal(t, int64(math.MaxInt64), d.lanes[0].spaces[0].current.sums[0].bytes, "sums do not overflow")
}

func TestNothingFiresInTheWarmUp(t *testing.T) {
	theft := within(monday.AddDate(0, 0, 5).Add(10*time.Hour), time.Hour, 10, "ws-a", 4444, "Hesse", 5e9)
	assert.Empty(t, history(t, 8, 7, "4444", theft))
	s := twoRules()
	d := newDetector(t, s)
	states := map[int]State{}
	for day := range 24 {
		run(t, d, []flow.Flow{one(monday.AddDate(0, 0, day), "a", 443, "Hesse", 10)}, 1)
		states[day] = d.Stats().State
	}
	assert.Equal(t, Learning, states[6])
	assert.Equal(t, Warming, states[8])
	assert.Equal(t, Ready, states[22])
	assert.Equal(t, monday.AddDate(0, 0, 7), d.Stats().ReadyAt)
}

func TestOneRecordOfAClockThatStoodDoesNotEndTheWarmUp(t *testing.T) {
	for _, stood := range []time.Time{time.Unix(0, 0), monday.AddDate(0, 0, -10)} {
		d := newDetector(t, twoRules())
		run(t, d, []flow.Flow{one(stood, "a", 443, "Hesse", 10)}, 1)
		assert.Empty(t, run(t, d, office(1, monday, 6), 250))
		assert.Equal(t, Learning, d.Stats().State)
		assert.WithinDuration(t, monday.AddDate(0, 0, 7), d.Stats().ReadyAt, 6*time.Hour, "as far as it can be told")
	}
}

func TestALongOutageIsMissingFromItsFirstWindow(t *testing.T) {
	flows := office(2, monday, 14)
	d := newDetector(t, twoRules())
	run(t, d, flows, 250)
	before := d.lanes[0].ordinal
	run(t, d, []flow.Flow{one(monday.AddDate(0, 0, 44), "a", 443, "Hesse", 10)}, 1)
	assert.Equal(t, before+1, d.lanes[0].ordinal, "30 days without a record count as nothing")
}

func TestALateRecordDecidesInTheWindowThatItJoins(t *testing.T) {
	d := newDetector(t, twoRules())
	run(t, d, office(3, monday, 15), 250)
	var times []time.Time
	for _, f := range run(t, d, []flow.Flow{one(monday.AddDate(0, 0, 3), "ws-a", 4444, "Hesse", 500e6)}, 1) {
		times = append(times, f.Time)
		assert.False(t, f.Time.Before(f.WindowStart), "%v in %v", f.Time, f.WindowStart)
		assert.False(t, f.First.Before(f.WindowStart))
	}
	assert.NotEmpty(t, times)
}

func TestAFloodOfFindingsNeitherGrowsNorLosesTheirSenders(t *testing.T) {
	s := twoRules()
	for i := range s.Watches {
		s.Watches[i].MaxEntities = 20_000
	}
	d := newDetector(t, s)
	run(t, d, office(4, monday, 15), 250)
	at := monday.AddDate(0, 0, 15).Add(time.Hour)
	var found []Finding
	for port := range 15_000 {
		found = d.Observe([]flow.Flow{one(at, "ws-a", uint16(20_000+port), "Hesse", 3<<20)}, farAhead, found)
	}
	assert.LessOrEqual(t, d.tallies.lent, maxTallies)
	require.Greater(t, len(found), maxTallies)
	last := found[len(found)-1]
	require.NotEmpty(t, last.Contributors)
	assert.Equal(t, []string{"10.0.0.12"}, last.Contributors[0].Values)
}

func TestOneHostHiddenInABusyPortIsFoundByTheDetailKey(t *testing.T) {
	flows := office(9, monday, 24)
	for w := range 8 * 24 { // a heavy but regular host keeps port 443 busy
		at := monday.Add(time.Duration(w) * 3 * time.Hour)
		flows = append(flows, within(at, 3*time.Hour, 6, "proxy", 443, "Virginia", 40e9+int64(w%7)*1e9)...)
	}
	theftAt := monday.AddDate(0, 0, 22).Add(12 * time.Hour)
	flows = append(flows, within(theftAt, time.Hour, 20, "ws-b", 443, "Virginia", 5e9)...)
	sortByTime(flows)
	var hit *Finding
	for _, f := range run(t, newDetector(t, twoRules()), flows, 250) {
		if f.Values[0] == "443" && !f.Time.Before(theftAt) {
			hit = &f
			break
		}
	}
	require.NotNil(t, hit)
	assert.Equal(t, []flow.Field{flow.Host, flow.DestinationPort}, hit.DetailFields)
	assert.Equal(t, []string{"ws-b", "443"}, hit.DetailValues)
	assert.Equal(t, "port", hit.Rule)
}

func TestAPairIsFoundUnderItsRarerHalf(t *testing.T) {
	s := twoRules()
	// Only the pair is watched for: the floors of the rules' other keys are out of reach.
	flows := office(10, monday, 24)
	theftAt := monday.AddDate(0, 0, 22).Add(12 * time.Hour)
	flows = append(flows, within(theftAt, time.Hour, 20, "ws-b", 443, "Jilin", 2e9)...)
	sortByTime(flows)
	found := 0
	for _, f := range run(t, newDetector(t, s), flows, 250) {
		if len(f.DetailValues) == 2 && f.DetailValues[0] == "443" && f.DetailValues[1] == "Jilin" {
			found++
			assert.Equal(t, "region", f.Rule, "443 is busy, Jilin was never seen")
			assert.Equal(t, []string{"Jilin"}, f.Values)
		}
	}
	assert.NotZero(t, found)
}

func TestACustomKeyNeedsSettingsOnly(t *testing.T) {
	s := twoRules()
	s.Watches = append(s.Watches, Watch{Rule: "host_port", By: []flow.Field{flow.Host, flow.DestinationPort},
		Spans: []time.Duration{24 * time.Hour, 3 * time.Hour}, Threshold: 75, Budget: 1, MinBytes: 1 << 20, MaxEntities: 1000})
	flows := office(11, monday, 24)
	flows = append(flows, within(monday.AddDate(0, 0, 22).Add(12*time.Hour), time.Hour, 20, "ws-b", 2222, "Hesse", 200e9)...)
	sortByTime(flows)
	spans := map[time.Duration]bool{}
	for _, f := range run(t, newDetector(t, s), flows, 250) {
		if f.Rule == "host_port" && f.Values[1] == "2222" {
			assert.Equal(t, []string{"ws-b", "2222"}, f.Values)
			assert.Empty(t, f.DetailFields)
			spans[f.Span] = true
		}
	}
	assert.Equal(t, map[time.Duration]bool{3 * time.Hour: true, 24 * time.Hour: true}, spans)
}

func TestRulesShareTheBudgetAmongTheirKeys(t *testing.T) {
	s := twoRules()
	spaces := newSpaces(s, 3*time.Hour, newKeyer(s), &tallyPool{})
	shares := map[string]float64{}
	sum := 0.0
	for _, sp := range spaces {
		shares[fmt.Sprint(sp.fields)] = sp.share
		sum += sp.share
	}
	assert.InDelta(t, 2, sum, 1e-9, "two rules, one budget each")
	assert.InDelta(t, .6/.85, shares["[destination.port]"], 1e-9)
	assert.InDelta(t, .05/.85, shares["[host.name destination.port]"], 1e-9)
	assert.InDelta(t, .4/.85, shares["[destination.port destination.geo.region_name]"], 1e-9)

	s.Watches = s.Watches[:1]
	for i, want := range []float64{.6 / .7, .05 / .7, .05 / .7} {
		assert.InDelta(t, want, newSpaces(s, 3*time.Hour, newKeyer(s), &tallyPool{})[i].share, 1e-9)
	}
	s.Watches = append(s.Watches, s.Watches[0])
	s.Watches[1].Rule = "port_again"
	assert.Len(t, newSpaces(s, 3*time.Hour, newKeyer(s), &tallyPool{}), 6, "two rules of one key are found independently")
}

func TestAFloodOfPortsNeitherGrowsNorBlinds(t *testing.T) {
	s := twoRules()
	for i := range s.Watches {
		s.Watches[i].MaxEntities = 200
		s.Watches[i].Details = nil
	}
	d := newDetector(t, s)
	flows := office(12, monday, 16)
	run(t, d, flows, 250)
	flood := monday.AddDate(0, 0, 16).Add(time.Hour)
	var found []Finding
	for port := range 60000 {
		found = d.Observe([]flow.Flow{one(flood.Add(time.Duration(port)*100*time.Millisecond), "ws-a", uint16(port+1000), "Hesse", 100)}, farAhead, found)
	}
	st := d.Stats()
	assert.LessOrEqual(t, st.Entities["port"], 201)
	assert.NotZero(t, st.Overflowed)
	main := d.lanes[0].spaces[0]
	for _, port := range []string{"443", "80", "22"} {
		known := false
		for i := range main.entities {
			known = known || main.values(&main.entities[i])[0] == port && main.entities[i].windows > 20
		}
		assert.True(t, known, "port %s is still known", port)
	}

	for i := range 40 { // the theft hides in the flood
		found = d.Observe([]flow.Flow{one(flood.Add(time.Hour+50*time.Minute+time.Duration(i)*time.Second), "ws-a", 999, "Hesse", 50e6)}, farAhead, found)
	}
	require.NotEmpty(t, found)
	var names []string
	for _, f := range found {
		names = append(names, f.Rule+" "+f.Values[0])
	}
	assert.Contains(t, names, "port "+OverflowValue)

	// Days later the flood's ports make room.
	for day := range 3 {
		run(t, d, within(monday.AddDate(0, 0, 17+day), time.Hour, 10, "ws-a", uint16(500+day), "Hesse", 1e4), 1)
	}
	assert.NotZero(t, d.Stats().Evicted)
}

func TestTheWindowThatEndsFarBeyondIsReportedOnceMore(t *testing.T) {
	at := monday.AddDate(0, 0, 21).Add(12*time.Hour + 10*time.Minute)
	found := history(t, 13, 23, "443", within(at, time.Hour, 4000, "ws-c", 443, "California", 400e9))
	phases := map[string][]Phase{}
	for _, f := range found {
		phases[fmt.Sprint(f.DetailValues)] = append(phases[fmt.Sprint(f.DetailValues)], f.Phase)
		if f.Phase == Closing {
			assert.Equal(t, f.WindowEnd, f.Time)
			assert.Greater(t, f.Actual, int64(400e9), "all of the window")
		}
	}
	assert.Equal(t, []Phase{Crossing, Closing}, phases["[]"])
}

func TestContributorsAreExactUpToAFewAndWholeBeyond(t *testing.T) {
	pool := tallyPool{keyer: newKeyer(twoRules())}
	by := &pool.keyer.naming
	var few, many tally
	total := int64(0)
	for i := range 5000 {
		host := "host-" + string(rune('a'+i%3))
		f := one(monday, host, 443, "Hesse", int64(100+i%3))
		few.add(uint64(i%3)+1, &f, f.Time, by)
		f.Host = "thief"
		f.Destination = netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
		many.add(uint64(i)+1, &f, f.Time, by)
		total += f.Bytes
	}
	byField := func(t *tally) map[flow.Field]Contribution {
		m := map[flow.Field]Contribution{}
		for _, c := range pool.contributions(t) {
			m[c.Field] = c
		}
		return m
	}
	exact := byField(&few)
	assert.Equal(t, []string{"host-c", "host-b", "host-a"}, exact[flow.Host].Values)
	assert.Equal(t, []int64{1666 * 102, 1667 * 101, 1667 * 100}, exact[flow.Host].Bytes)
	assert.NotContains(t, exact, flow.User)
	rough := byField(&many)
	assert.Equal(t, []string{"thief"}, rough[flow.Host].Values)
	assert.Equal(t, []int64{total}, rough[flow.Host].Bytes, "one host to thousands of addresses is still one host")
	assert.Len(t, rough[flow.DestinationAddress].Values, MaxContributors)
}

func TestTalliesAreBounded(t *testing.T) {
	p := tallyPool{keyer: newKeyer(twoRules())}
	var last *tally
	for range maxTallies {
		last = p.get()
		require.NotNil(t, last)
	}
	assert.Nil(t, p.get())
	f := one(monday, "ws-a", 443, "Hesse", 5)
	for range 3 {
		assert.Equal(t, []int64{5}, p.contributions(p.spare(1, &f, f.Time))[0].Bytes, "it holds one flow at a time")
	}
	p.put(last)
	assert.NotNil(t, p.get())
}

func TestWrongSettings(t *testing.T) {
	for name, spoil := range map[string]func(*Settings){
		"no rule":          func(s *Settings) { s.Watches = nil },
		"negative":         func(s *Settings) { s.WarmUp = -1 },
		"no key":           func(s *Settings) { s.Watches[0].By = nil },
		"detail too small": func(s *Settings) { s.Watches[0].Details = [][]flow.Field{{flow.Host}} },
		"no span":          func(s *Settings) { s.Watches[0].Spans = nil },
		"odd span":         func(s *Settings) { s.Watches[0].Spans = []time.Duration{5 * time.Hour} },
		"lateness":         func(s *Settings) { s.Lateness = 4 * time.Hour },
		"threshold":        func(s *Settings) { s.Watches[0].Threshold = math.NaN() },
		"budget":           func(s *Settings) { s.Watches[0].Budget = 0 },
	} {
		s := twoRules()
		spoil(&s)
		_, err := New(s)
		assert.ErrorIs(t, err, ErrSettings, name)
	}
}

func TestKeysCanBeReadBack(t *testing.T) {
	f := one(monday, "a\x00b\x1f", 443, "Île-de-France", 1)
	fields := []flow.Field{flow.Host, flow.DestinationPort, flow.DestinationRegion, flow.User}
	assert.Equal(t, []string{"a\x00b\x1f", "443", "Île-de-France", ""}, keyValues(string(appendKey(nil, fields, &f))))
	assert.Empty(t, keyValues("\xff"))
	assert.Empty(t, keyValues("\x09ab"))
}

// Before a window opens nothing is expected of it, and who sends is told apart from a sixteenth of the floor on. Once it opens, from a
// sixteenth of the threshold: a nightly backup that has only begun is far from that.
func TestWhatIsFarFromItsThresholdOnceTheWindowOpensIsNotToldApart(t *testing.T) {
	d := newDetector(t, twoRules())
	run(t, d, nightly(0, 21, 0, nil), 500)
	midnight := monday.AddDate(0, 0, 21)
	nas := func(at time.Duration, bytes int64) []flow.Flow {
		return []flow.Flow{one(midnight.Add(at), "nas", 873, "Oslo", bytes)}
	}
	const keys = 5
	run(t, d, nas(time.Minute, 100e6), 1)
	assert.Equal(t, keys, d.tallies.lent, "the window before is open yet")
	run(t, d, nas(6*time.Minute, 1000), 1)
	assert.Zero(t, d.tallies.lent)
	run(t, d, nas(time.Hour, 25e9), 1)
	assert.Equal(t, keys, d.tallies.lent)
	found := run(t, d, nas(2*time.Hour, 900e9), 1)
	require.NotEmpty(t, found)
	assert.NotEmpty(t, found[0].Contributors)
}
