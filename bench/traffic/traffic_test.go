package traffic_test

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/flow"
)

var monday = time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)

func play(t testing.TB, p traffic.Plan) []traffic.Labelled {
	t.Helper()
	flows, err := p.Flows()
	require.NoError(t, err)
	return slices.Collect(flows)
}

// left returns the bytes of a record that left the office, and where they went.
func left(l traffic.Labelled) (int64, flow.Place) {
	if l.Direction == flow.Inbound {
		return l.Received, l.SourcePlace
	}
	return l.Sent, l.DestinationPlace
}

func upload(name string) traffic.Theft {
	return traffic.Theft{
		Name: name, Start: monday.Add(26 * time.Hour), Duration: 2 * time.Hour, Bytes: 1_234_567_891,
		Host: "ws-07", Process: "rclone", Port: 4444, Region: "Tashkent", Shape: traffic.Steady,
	}
}

func TestTheSameSeedMakesTheSameFlows(t *testing.T) {
	p := traffic.SmallOffice(7, monday, 2)
	first := play(t, p)
	assert.Equal(t, first, play(t, p))
	p.Seed++
	assert.NotEqual(t, first, play(t, p))
}

func TestFlowsComeInTheOrderOfTimeWithinThePlan(t *testing.T) {
	p := traffic.SmallOffice(1, monday, 3)
	p.Thefts = []traffic.Theft{upload("late hours")}
	last := p.Start.UnixNano()
	for _, l := range play(t, p) {
		require.GreaterOrEqual(t, l.Time, last)
		require.Less(t, l.Time, p.End().UnixNano())
		last = l.Time
	}
}

func TestAReaderMayStopEarly(t *testing.T) {
	flows, err := traffic.SmallOffice(1, monday, 365).Flows()
	require.NoError(t, err)
	n := 0
	for range flows {
		if n++; n == 1000 {
			break
		}
	}
	assert.Equal(t, 1000, n)
}

func TestATheftLeavesTheOrdinaryFlowsAsTheyWere(t *testing.T) {
	p := traffic.SmallOffice(3, monday, 2)
	clean := play(t, p)
	p.Thefts = []traffic.Theft{upload("one")}
	ordinary := slices.DeleteFunc(play(t, p), func(l traffic.Labelled) bool { return l.Theft != "" })
	assert.Equal(t, clean, ordinary)
}

func TestANewGroupLeavesTheFlowsOfTheOthersAsTheyWere(t *testing.T) {
	p := traffic.SmallOffice(3, monday, 1)
	before := play(t, p)
	p.Groups = append([]traffic.Group{{
		Name: "new", Hosts: 2, Prefix: netip.MustParsePrefix("10.30.0.0/24"),
		Habits: []traffic.Habit{{Service: traffic.Service{Name: "web", Port: 443}, PerDay: 50, Rhythm: traffic.AroundTheClock()}},
	}}, p.Groups...)
	after := play(t, p)
	assert.Greater(t, len(after), len(before))
	after = slices.DeleteFunc(after, func(l traffic.Labelled) bool { return l.Host == "new-01" || l.Host == "new-02" })
	assert.Equal(t, before, after)
}

func TestTheOfficeIsOfTheSizeItSays(t *testing.T) {
	n := len(play(t, traffic.SmallOffice(1, monday, 1)))
	assert.Greater(t, n, 8_000)
	assert.Less(t, n, 16_000)
}

func TestPeopleWorkByDayAndOnWeekdays(t *testing.T) {
	var day, night, weekday, weekend float64
	for _, l := range play(t, traffic.SmallOffice(1, monday, 7)) {
		if l.Process != "firefox" {
			continue
		}
		at := time.Unix(0, l.Time).UTC()
		switch {
		case at.Weekday() == time.Saturday || at.Weekday() == time.Sunday:
			weekend++
			continue
		case at.Hour() >= 9 && at.Hour() < 12:
			day++
		case at.Hour() < 3:
			night++
		}
		weekday++
	}
	assert.Greater(t, day/night, 10.0, "of three hours each")
	assert.Greater(t, (weekday/5)/(weekend/2), 8.0, "of a day each")
}

func TestAServerFollowsItsClientsAndABackupTheClock(t *testing.T) {
	var evening, morning int
	nights := map[int]int64{}
	for _, l := range play(t, traffic.SmallOffice(1, monday, 7)) {
		at := time.Unix(0, l.Time).UTC()
		switch l.Process {
		case "nginx":
			require.Equal(t, flow.Inbound, l.Direction)
			if at.Hour() == 19 {
				evening++
			} else if at.Hour() == 3 {
				morning++
			}
		case "restic":
			require.Contains(t, []int{1, 2}, at.Hour())
			nights[at.YearDay()] += l.Sent
		}
	}
	assert.Greater(t, evening, 2*morning)
	assert.Len(t, nights, 7)
	for _, bytes := range nights {
		assert.Greater(t, bytes, int64(2e9))
	}
}

func TestUpdatesComeInTheAfternoonOfEachWorkingDay(t *testing.T) {
	days := map[int]bool{}
	for _, l := range play(t, traffic.SmallOffice(1, monday, 8)) {
		// Nothing else of a workstation's own receives as much.
		if l.Process == "svchost" && l.Received > 2e6 {
			at := time.Unix(0, l.Time).UTC()
			require.GreaterOrEqual(t, at.Hour(), 12)
			require.Less(t, at.Hour(), 16)
			days[at.Day()] = true
		}
	}
	assert.Equal(t, map[int]bool{6: true, 7: true, 8: true, 9: true, 10: true, 13: true}, days)
}

// A generator with thin tails would make any detector look good. The figures below are
// the lower ends of what was measured on real machines: a log-normal spread, and
// few flows that carry nearly everything.
func TestBytesHaveHeavyTails(t *testing.T) {
	var sizes []float64
	hours := map[int64]float64{}
	for _, l := range play(t, traffic.SmallOffice(1, monday, 5)) {
		if l.Host == "ws-03" {
			sizes = append(sizes, float64(l.Sent))
			hours[l.Time/int64(time.Hour)] += float64(l.Sent)
		}
	}
	slices.Sort(sizes)
	total, top := 0.0, 0.0
	for i, s := range sizes {
		total += s
		if i >= len(sizes)*99/100 {
			top += s
		}
	}
	assert.Greater(t, top/total, 0.6, "share of the bytes that one flow in a hundred carries")

	var logs []float64
	for _, b := range hours {
		logs = append(logs, math.Log(b))
	}
	assert.Greater(t, deviation(logs), 1.0, "standard deviation of ln(bytes of an hour)")
}

func deviation(v []float64) float64 {
	mean, sq := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sq += (x - mean) * (x - mean)
	}
	return math.Sqrt(sq / float64(len(v)))
}

func TestAWorkstationSeesTheWorldOfADesktop(t *testing.T) {
	ports, regions, sites := map[uint16]bool{}, map[string]bool{}, map[netip.Addr]bool{}
	v6 := 0
	for _, l := range play(t, traffic.SmallOffice(1, monday, 5)) {
		if l.Host != "ws-05" {
			continue
		}
		ports[l.DestinationPort], regions[l.DestinationPlace.Region], sites[l.Destination] = true, true, true
		if l.Destination.Is6() {
			v6++
		}
		require.Equal(t, l.Source.Is6(), l.Destination.Is6())
		require.True(t, l.Source.IsPrivate())
		require.False(t, l.Destination.IsPrivate())
		require.NotEmpty(t, l.DestinationPlace.Country)
	}
	assert.GreaterOrEqual(t, len(ports), 8)
	assert.GreaterOrEqual(t, len(regions), 20)
	assert.GreaterOrEqual(t, len(sites), 150)
	assert.Greater(t, v6, 10)
}

func TestScannersTouchManyPortsWithFewBytes(t *testing.T) {
	ports := map[uint16]bool{}
	for _, l := range play(t, traffic.SmallOffice(1, monday, 7)) {
		if l.Direction == flow.Inbound && l.Process == "" {
			ports[l.DestinationPort] = true
			bytes, place := left(l)
			require.Less(t, bytes, int64(1000))
			require.NotEqual(t, "Tashkent", place.Region, "nobody goes there unless a theft does")
		}
	}
	assert.Greater(t, len(ports), 500)
}

func TestATheftIsExactlyWhatItsPlanSays(t *testing.T) {
	for _, shape := range []traffic.Shape{traffic.Steady, traffic.Burst, traffic.Ramp, traffic.Office} {
		t.Run(string(shape), func(t *testing.T) {
			theft := upload("the theft")
			theft.Shape = shape
			theft.Start, theft.Duration = monday.Add(30*time.Minute), 47*time.Hour
			theft.Flows = 97
			p := traffic.SmallOffice(5, monday, 2)
			p.Thefts = []traffic.Theft{theft}

			var sum int64
			var times []time.Time
			for _, l := range play(t, p) {
				if l.Theft == "" {
					continue
				}
				assert.Equal(t, "the theft", l.Theft)
				assert.Equal(t, "ws-07", l.Host)
				assert.Equal(t, "user-07", l.User)
				assert.Equal(t, "rclone", l.Process)
				assert.Equal(t, uint16(4444), l.DestinationPort)
				assert.Equal(t, flow.Place{Region: "Tashkent", Country: "UZ"}, l.DestinationPlace)
				assert.Positive(t, l.Sent)
				sum += l.Sent
				times = append(times, time.Unix(0, l.Time).UTC())
			}
			assert.Equal(t, theft.Bytes, sum)
			require.Len(t, times, 97)
			assert.False(t, times[0].Before(theft.Start))
			assert.False(t, times[96].After(theft.End()))
			switch shape {
			case traffic.Burst:
				assert.Less(t, times[96].Sub(times[0]), time.Second)
			case traffic.Office:
				for _, at := range times {
					assert.GreaterOrEqual(t, at.Hour(), 8)
					assert.Less(t, at.Hour(), 18)
				}
			default:
				assert.Greater(t, times[96].Sub(times[0]), 40*time.Hour)
			}
		})
	}
}

func TestARampStealsMostAtItsEnd(t *testing.T) {
	theft := upload("ramp")
	theft.Shape = traffic.Ramp
	p := traffic.SmallOffice(5, monday, 2)
	p.Thefts = []traffic.Theft{theft}
	var early, late int64
	for _, l := range play(t, p) {
		switch {
		case l.Theft == "":
		case time.Unix(0, l.Time).Before(theft.Start.Add(theft.Duration / 2)):
			early += l.Sent
		default:
			late += l.Sent
		}
	}
	assert.Greater(t, late, 2*early)
}

func TestATheftOfNoNumberOfFlowsIsCutByItsSize(t *testing.T) {
	p := traffic.SmallOffice(5, monday, 2)
	p.Thefts = []traffic.Theft{upload("by size")}
	n := 0
	for _, l := range play(t, p) {
		if l.Theft != "" {
			n++
		}
	}
	assert.Equal(t, 49, n, "1.23 GB at 25 MB a flow")
}

func TestAPlanThatCannotBePlayedSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*traffic.Plan)
		says  string
	}{
		"no days":            {func(p *traffic.Plan) { p.Days = 0 }, "days is 0"},
		"no regions":         {func(p *traffic.Plan) { p.Regions = nil }, "no regions"},
		"too many regions":   {func(p *traffic.Plan) { p.Regions = make([]traffic.Region, 65) }, "65 regions"},
		"share of IPv6":      {func(p *traffic.Plan) { p.IPv6 = 1.1 }, "ipv6 is 1.1"},
		"start not midnight": {func(p *traffic.Plan) { p.Start = p.Start.Add(time.Minute) }, "midnight"},
		"group unnamed":      {func(p *traffic.Plan) { p.Groups[0].Name = "" }, "no name"},
		"group empty":        {func(p *traffic.Plan) { p.Groups[0].Hosts = 0 }, "0 hosts"},
		"group too large":    {func(p *traffic.Plan) { p.Groups[0].Hosts = 255 }, "more than"},
		"group nowhere":      {func(p *traffic.Plan) { p.Groups[0].Prefix = netip.Prefix{} }, "prefix"},
		"habit to nowhere":   {func(p *traffic.Plan) { p.Groups[0].Habits[0].Regions = []string{"Atlantis"} }, "Atlantis"},
		"job to nowhere":     {func(p *traffic.Plan) { p.Groups[0].Jobs[0].Region = "Atlantis" }, "Atlantis"},
		"theft unnamed":      {func(p *traffic.Plan) { p.Thefts[0].Name = "" }, "no name"},
		"theft too early":    {func(p *traffic.Plan) { p.Thefts[0].Start = monday.Add(-1) }, "within the plan's"},
		"theft too late":     {func(p *traffic.Plan) { p.Thefts[0].Duration = 48 * time.Hour }, "within the plan's"},
		"theft of nothing":   {func(p *traffic.Plan) { p.Thefts[0].Bytes = 0 }, "0 bytes"},
		"theft by nobody":    {func(p *traffic.Plan) { p.Thefts[0].Host = "ws-99" }, "ws-99"},
		"theft to nowhere":   {func(p *traffic.Plan) { p.Thefts[0].Region = "Atlantis" }, "Atlantis"},
		"theft without port": {func(p *traffic.Plan) { p.Thefts[0].Port = 0 }, "no port"},
		"theft of no shape":  {func(p *traffic.Plan) { p.Thefts[0].Shape = "round" }, "round"},
		"theft never at work": {func(p *traffic.Plan) {
			p.Thefts[0].Shape = traffic.Office
		}, "no working hour"},
	} {
		t.Run(name, func(t *testing.T) {
			p := traffic.SmallOffice(1, monday, 2)
			p.Thefts = []traffic.Theft{upload("one")}
			c.spoil(&p)
			_, err := p.Flows()
			require.ErrorIs(t, err, traffic.ErrPlan)
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func BenchmarkFlows(b *testing.B) {
	flows, err := traffic.SmallOffice(1, monday, 365).Flows()
	require.NoError(b, err)
	n := 0
	for b.Loop() {
		n = 0
		for range flows {
			if n++; n == 10_000 {
				break
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/flow")
}
