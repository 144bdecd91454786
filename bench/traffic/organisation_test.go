package traffic_test

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/traffic"
	"github.com/otel-exfil/exfil/internal/flow"
)

func organisation(t testing.TB, seed uint64, o traffic.Options) traffic.Plan {
	t.Helper()
	if o.Start.IsZero() {
		o.Start = monday
	}
	p, err := traffic.Organisation(seed, o)
	require.NoError(t, err)
	return p
}

func quantile(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[int(q*float64(len(v)-1))]
}

// shareOfTop is the part of the sum that the largest n make.
func shareOfTop(v []float64, n int) float64 {
	v = slices.Sorted(slices.Values(v))
	top, sum := 0.0, 0.0
	for i, x := range v {
		sum += x
		if i >= len(v)-n {
			top += x
		}
	}
	return top / sum
}

// person reports whether somebody sits at the host.
func person(host string) bool { return strings.HasPrefix(host, "ws") || strings.HasPrefix(host, "dev") }

// The figures were measured on 500 virtual machines over three months, on four desktops, on a
// firewall and at twelve points of presence. The machines were servers: what regularity
// they show is asked of servers here.
func TestTheOrganisationLooksLikeWhatWasMeasured(t *testing.T) {
	const hosts, days = 120, 7
	flows := play(t, organisation(t, 1, traffic.Options{Hosts: hosts, Days: days}))

	byHour, byClock, total := map[string]map[int64]float64{}, map[string]*[24]float64{}, map[string]float64{}
	var sessions []float64
	var weekday, weekend float64
	for i := range flows {
		l := &flows[i]
		bytes, _ := left(*l)
		at := time.Unix(0, l.Time).UTC()
		if byHour[l.Host] == nil {
			byHour[l.Host], byClock[l.Host] = map[int64]float64{}, &[24]float64{}
		}
		byHour[l.Host][l.Time/int64(time.Hour)] += float64(bytes)
		byClock[l.Host][at.Hour()] += float64(bytes)
		total[l.Host] += float64(bytes)
		sessions = append(sessions, float64(bytes))
		if wd := at.Weekday(); wd == time.Saturday || wd == time.Sunday {
			weekend++
		} else {
			weekday++
		}
	}
	var all, servers, peaks, clock, totals []float64
	for host, hours := range byHour {
		var logs, bytes []float64
		for _, b := range hours {
			logs, bytes = append(logs, math.Log(b)), append(bytes, b)
		}
		all = append(all, deviation(logs))
		peaks = append(peaks, slices.Max(bytes)/quantile(bytes, 0.5))
		totals = append(totals, total[host])
		if !person(host) && host != "" {
			servers = append(servers, deviation(logs))
			c := byClock[host]
			clock = append(clock, slices.Max(c[:])/max(1, slices.Min(c[:])))
		}
	}
	between := func(what string, low, got, high float64) {
		t.Helper()
		assert.GreaterOrEqual(t, got, low, what)
		assert.LessOrEqual(t, got, high, what)
	}
	between("flows of sixty hosts a day", 7000, float64(len(flows))/days*60/hosts, 9500)
	between("sd of ln bytes of an hour, the most regular tenth of servers", 0.15, quantile(servers, 0.1), 0.45)
	between("the same, median server", 0.8, quantile(servers, 0.5), 1.7)
	between("the same, least regular tenth of all hosts", 2.5, quantile(all, 0.9), 4)
	assert.Greater(t, quantile(peaks, 0.5), 127.0, "largest hour over median hour, median host")
	assert.Greater(t, quantile(peaks, 0.9), 2820.0, "largest hour over median hour, ninth tenth")
	between("share of the bytes of the first 2 % of hosts", 0.4, shareOfTop(totals, len(totals)/50), 0.85)
	between("share of the bytes of 1 % of sessions", 0.8, shareOfTop(sessions, len(sessions)/100), 0.99)
	between("hour of day, largest over smallest, first quarter of servers", 1, quantile(clock, 0.25), 4)
	between("weekday over weekend, flows a day", 1.3, weekday/weekend*2/5, 12)
}

func TestADesktopSendsWhatDesktopsSend(t *testing.T) {
	type day struct {
		host string
		day  int64
	}
	uploads := map[day]float64{}
	ports, regions, sites := map[string]map[uint16]bool{}, map[string]map[string]bool{}, map[string]map[netip.Addr]bool{}
	v6 := 0
	for _, l := range play(t, organisation(t, 3, traffic.Options{Days: 5, Errands: -1})) {
		if !strings.HasPrefix(l.Host, "ws") {
			continue
		}
		if ports[l.Host] == nil {
			ports[l.Host], regions[l.Host], sites[l.Host] = map[uint16]bool{}, map[string]bool{}, map[netip.Addr]bool{}
		}
		uploads[day{l.Host, l.Time / int64(24*time.Hour)}] += float64(l.Sent)
		ports[l.Host][l.DestinationPort] = true
		regions[l.Host][l.DestinationPlace.Region] = true
		sites[l.Host][l.Destination] = true
		if l.Destination.Is6() {
			v6++
		}
	}
	var bytes, nPorts, nRegions, nSites []float64
	for _, b := range uploads {
		bytes = append(bytes, b)
	}
	for host := range ports {
		nPorts = append(nPorts, float64(len(ports[host])))
		nRegions = append(nRegions, float64(len(regions[host])))
		nSites = append(nSites, float64(len(sites[host])))
	}
	assert.InDelta(t, 6e6, quantile(bytes, 0.15), 5e6, "bytes of a quiet day")
	assert.InDelta(t, 470e6, quantile(bytes, 0.95), 350e6, "bytes of a busy day")
	assert.InDelta(t, 15, quantile(nPorts, 0.5), 7, "ports")
	assert.InDelta(t, 38, quantile(nRegions, 0.5), 13, "regions")
	assert.InDelta(t, 360, quantile(nSites, 0.5), 200, "addresses")
	assert.Positive(t, v6)
}

func TestAnOrganisationIsTheSameForTheSameSeedOnly(t *testing.T) {
	o := traffic.Options{Days: 1, Hosts: 20, HolidayWeeks: []time.Time{monday.AddDate(0, 0, 7)}}
	one := play(t, organisation(t, 1, o))
	assert.Equal(t, one, play(t, organisation(t, 1, o)))
	assert.NotEqual(t, one, play(t, organisation(t, 2, o)))
}

func TestAnOrganisationThatCannotBeIsRefused(t *testing.T) {
	for says, o := range map[string]traffic.Options{
		"2001 hosts": {Days: 1, Hosts: 2001},
		"19 hosts":   {Days: 1, Hosts: 19},
		"days is 0":  {Hosts: 60},
		"churn 1.5":  {Days: 1, Churn: 1.5},
	} {
		o.Start = monday
		_, err := traffic.Organisation(1, o)
		require.ErrorIs(t, err, traffic.ErrPlan, says)
		assert.ErrorContains(t, err, says)
	}
}

func TestMachinesThatComeAndGoKeepTheirHabits(t *testing.T) {
	p := organisation(t, 5, traffic.Options{Days: 15, Hosts: 20, Churn: 1.0 / 3})
	byWeek := [3]map[string]netip.Addr{{}, {}, {}}
	for _, l := range play(t, p) {
		if l.Host == "" || l.Source.Is6() || l.Direction == flow.Inbound {
			continue
		}
		week := int(time.Unix(0, l.Time).Sub(monday) / (7 * 24 * time.Hour))
		seen, known := byWeek[week][l.Host]
		require.True(t, !known || seen == l.Source, "a name has one address: %s", l.Host)
		byWeek[week][l.Host] = l.Source
	}
	gone, people := 0, 0
	for host, address := range byWeek[0] {
		again, stayed := byWeek[1][host]
		assert.True(t, !stayed || again == address)
		if person(host) {
			people++
			if !stayed {
				gone++
			}
		} else {
			assert.True(t, stayed, "a server keeps its name: %s", host)
		}
	}
	assert.InDelta(t, 1.0/3, float64(gone)/float64(people), 0.25)

	at := monday.Add(24 * time.Hour * 8)
	for host := range byWeek[0] {
		name := p.HostAt(host, at)
		assert.Contains(t, []bool{true, !person(host)}, byWeek[1][name].IsValid(), "%s is called %s", host, name)
	}
	assert.Empty(t, p.HostAt("nobody", at))
}

func TestPeopleBehindTheGatewayCannotBeToldApart(t *testing.T) {
	p := organisation(t, 5, traffic.Options{Days: 1, Hosts: 60})
	sources := map[netip.Addr]int{}
	for _, l := range play(t, p) {
		if l.Host == "" {
			assert.Empty(t, l.User)
			if l.Source.Is4() {
				sources[l.Source]++
			}
		}
	}
	require.Len(t, sources, 1)
	for address, flows := range sources {
		assert.Equal(t, address.String(), p.HostAt("vpn-03", monday))
		assert.Greater(t, flows, 100)
	}
}

// counts are the flows of people's browsing by day of the plan.
func counts(t *testing.T, p traffic.Plan) []int {
	n := make([]int, p.Days)
	for _, l := range play(t, p) {
		if l.Process == "firefox" {
			n[int(time.Unix(0, l.Time).Sub(p.Start)/(24*time.Hour))]++
		}
	}
	return n
}

func TestHardlyAnybodyWorksInAHolidayWeek(t *testing.T) {
	n := counts(t, organisation(t, 2, traffic.Options{Days: 8, Hosts: 20, HolidayWeeks: []time.Time{monday}}))
	for day := range 5 {
		assert.Less(t, n[day], n[7]/10, "day %d of the holidays, against the Monday after", day)
	}
}

// On 30 March 2025 Berlin's clocks went from 2 to 3 in the morning.
func TestPeopleFollowTheClockOnTheWall(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	start := time.Date(2025, 3, 28, 0, 0, 0, 0, berlin)
	p := organisation(t, 2, traffic.Options{Start: start.UTC(), Days: 5, Hosts: 40, Location: berlin, Errands: -1})
	assert.Equal(t, start, p.Start)
	byUTC := map[int]map[int]int{28: {}, 31: {}}
	for _, l := range play(t, p) {
		at := time.Unix(0, l.Time).UTC()
		if l.Process == "firefox" && byUTC[at.Day()] != nil {
			byUTC[at.Day()][at.Hour()]++
		}
	}
	assert.Greater(t, float64(byUTC[31][6]), 1.6*float64(byUTC[28][6]), "eight in the morning is six in UTC from then on, and was seven")
}

func TestServicesWanderAndGrow(t *testing.T) {
	p := traffic.Plan{
		Seed: 4, Start: monday, Days: 140, Regions: []traffic.Region{{Place: flow.Place{Region: "Here"}, Weight: 1}},
		Growth: 0.05, Drift: traffic.Drift{Spread: 0.2, Memory: 0.8},
		Groups: []traffic.Group{{
			Name: "meter", Hosts: 1, Prefix: netip.MustParsePrefix("10.1.0.0/24"),
			Habits: []traffic.Habit{{
				Service: traffic.Service{Name: "readings", Port: 8883}, Every: 30 * time.Minute,
				Sent: traffic.Size{Median: 1e6}, Parts: 2, Lasts: time.Minute,
			}},
		}},
	}
	daily, n := make([]float64, p.Days), 0
	for _, l := range play(t, p) {
		daily[int(l.Time-monday.UnixNano())/int(24*time.Hour)] += float64(l.Sent)
		n++
	}
	assert.Equal(t, p.Days*24*2*2, n, "by the clock")
	var logs, steps []float64
	for i, b := range daily {
		logs = append(logs, math.Log(b)-float64(i)/7*math.Log(1.05))
		if i > 0 {
			steps = append(steps, logs[i]-logs[i-1])
		}
	}
	assert.InDelta(t, 0.2, deviation(logs), 0.1, "around the growth")
	assert.InDelta(t, 0.2*math.Sqrt(2*(1-0.8)), deviation(steps), 0.03, "from day to day")
	assert.InDelta(t, math.Log(48e6), logs[0], 0.6)
}

func TestWhatLooksLikeTheftIsLabelled(t *testing.T) {
	p := organisation(t, 9, traffic.Options{Start: monday.AddDate(0, 0, 7), Days: 21, Hosts: 24, Errands: 4})
	require.NotEmpty(t, p.Errands)
	require.NotEmpty(t, p.Trips)
	bytes, first := map[string]float64{}, map[string]time.Time{}
	growing := map[int]int{}
	for _, l := range play(t, p) {
		require.Empty(t, l.Theft)
		if l.Benign == "" {
			continue
		}
		at := time.Unix(0, l.Time).UTC()
		if first[l.Benign].IsZero() {
			first[l.Benign] = at
		}
		bytes[l.Benign] += float64(l.Sent)
		switch l.Benign {
		case "video call":
			require.Equal(t, uint16(3478), l.DestinationPort)
		case "month-end job":
			require.Equal(t, 31, at.Day())
		case "travel":
			require.True(t, slices.ContainsFunc(p.Trips, func(trip traffic.Trip) bool {
				return trip.Region == l.DestinationPlace.Region && strings.HasPrefix(l.Host, trip.Host)
			}))
		case "new SaaS":
			growing[int(at.Sub(p.Start)/(7*24*time.Hour))]++
		}
	}
	for _, what := range []string{"video call", "month-end job", "travel", "new SaaS", "image upload", "first full backup"} {
		assert.Greater(t, bytes[what], 1e4, what)
	}
	assert.Greater(t, bytes["image upload"], 1e9)
	assert.Greater(t, first["new SaaS"].Sub(p.Start), 5*24*time.Hour, "in the second quarter of the time at the earliest")
	assert.Greater(t, growing[2], 2*growing[1], "people take it up by and by")
}

func TestAnOrganisationsFieldsAreChecked(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*traffic.Plan)
		says  string
	}{
		"drift":          {func(p *traffic.Plan) { p.Drift.Memory = 1 }, "memory 1"},
		"growth":         {func(p *traffic.Plan) { p.Growth = -1 }, "growth is -1"},
		"trip of nobody": {func(p *traffic.Plan) { p.Trips = []traffic.Trip{{Host: "x", Region: "Hesse"}} }, `no host "x"`},
		"trip nowhere":   {func(p *traffic.Plan) { p.Trips = []traffic.Trip{{Host: "ws-01", Region: "Atlantis"}} }, "Atlantis"},
		"errand": {func(p *traffic.Plan) {
			p.Errands = []traffic.Errand{{Name: "image", Start: monday, Duration: time.Hour, Bytes: 1e6, Host: "x", Port: 1, Region: "Hesse"}}
		}, `errand "image"`},
		"every":  {func(p *traffic.Plan) { p.Groups[4].Habits[0].Every = 7 * time.Minute }, "every 7m0s"},
		"absent": {func(p *traffic.Plan) { p.Groups[0].Absent = 2 }, "absent 2"},
	} {
		t.Run(name, func(t *testing.T) {
			p := organisation(t, 1, traffic.Options{Days: 1, Hosts: 20})
			c.spoil(&p)
			_, err := p.Flows()
			require.ErrorIs(t, err, traffic.ErrPlan)
			assert.ErrorContains(t, err, c.says)
		})
	}
}

func BenchmarkOrganisation(b *testing.B) {
	flows, err := organisation(b, 1, traffic.Options{Days: 14}).Flows()
	require.NoError(b, err)
	n := 0
	for b.Loop() {
		n = 0
		for range flows {
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/flow")
}
