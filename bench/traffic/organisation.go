package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Options say what organisation to make. Only Start and Days have no default.
type Options struct {
	Start time.Time // any instant of the first day
	Days  int
	Hosts int // 20..2000; 0: 60
	// Location is whose clock people and jobs follow; nil: that of Start.
	Location *time.Location
	// Churn is the share of the people's machines, 0..1, that get a new name and address each week.
	Churn float64
	// HolidayWeeks lists Mondays; from each, five days are off.
	HolidayWeeks []time.Time
	// Errands is how many harmless large uploads are made a week; 0: one in two weeks
	// for each sixty hosts, less than 0: none.
	Errands float64
}

const (
	fewestHosts  = 20
	mostHosts    = 2000
	defaultHosts = 60
	holidayDays  = 5
)

func (o *Options) complete() error {
	if o.Hosts == 0 {
		o.Hosts = defaultHosts
	}
	if o.Hosts < fewestHosts || o.Hosts > mostHosts {
		return fmt.Errorf("%w: an organisation of %d hosts; give %d to %d", ErrPlan, o.Hosts, fewestHosts, mostHosts)
	}
	if o.Location == nil {
		o.Location = o.Start.Location()
	}
	if o.Errands == 0 {
		o.Errands = float64(o.Hosts) / (2 * defaultHosts)
	}
	year, month, day := o.Start.In(o.Location).Date()
	o.Start = time.Date(year, month, day, 0, 0, 0, 0, o.Location)
	return nil
}

// Organisation is one to measure quality on: people at workstations, some behind a VPN gateway
// that hides who they are, developers, servers of several kinds, and what the world does
// to them. Its services wander from day to day and grow; it takes up new services, makes
// large harmless uploads, and its people travel. About 130 flows a host and weekday.
//
// Two seeds make two organisations, which differ in who is busy, how much services wander
// and when things happen. Options out of range give an error that wraps [ErrPlan].
func Organisation(seed uint64, o Options) (Plan, error) {
	if err := o.complete(); err != nil {
		return Plan{}, err
	}
	rng := rand.New(rand.NewPCG(seed, streamID("organisation")))
	p := Plan{
		Seed:    seed,
		Start:   o.Start,
		Days:    o.Days,
		Regions: worldRegions(),
		Groups:  roles(rng, o),
		Probes:  8,
		IPv6:    0.12,
		Growth:  0.005 + 0.025*rng.Float64(), // a week
		Drift:   Drift{Spread: 0.15 + 0.15*rng.Float64(), Memory: 0.8},
	}
	for _, monday := range o.HolidayWeeks {
		for day := range holidayDays {
			p.Holidays = append(p.Holidays, monday.In(o.Location).AddDate(0, 0, day))
		}
	}
	p.Trips = trips(rng, &p)
	p.Errands = errands(rng, &p, o.Errands)
	if err := p.validate(); err != nil {
		return Plan{}, err
	}
	return p, nil
}

// worldRegions are the office's and further ones: some that hardly anybody goes to, and
// some that nobody goes to unless a theft does.
func worldRegions() []Region {
	regions := officeRegions()
	for _, p := range []flow.Place{
		{Region: "Attica", Country: "GR"}, {Region: "Harju", Country: "EE"}, {Region: "Kyiv City", Country: "UA"},
		{Region: "Dubai", Country: "AE"}, {Region: "Bangkok", Country: "TH"}, {Region: "Buenos Aires", Country: "AR"},
		{Region: "Nairobi County", Country: "KE"}, {Region: "Hanoi", Country: "VN"}, {Region: "Auckland", Country: "NZ"},
		{Region: "Bogota D.C.", Country: "CO"}, {Region: "Sofia-Capital", Country: "BG"}, {Region: "Cairo Governorate", Country: "EG"},
	} {
		regions = append(regions, Region{Place: p, Weight: 0.015})
	}
	for _, p := range []flow.Place{
		{Region: "Almaty", Country: "KZ"}, {Region: "Minsk City", Country: "BY"}, {Region: "Ulaanbaatar", Country: "MN"},
		{Region: "Antananarivo", Country: "MG"}, {Region: "Paramaribo", Country: "SR"}, {Region: "Vientiane", Country: "LA"},
		{Region: "Chisinau", Country: "MD"}, {Region: "Bishkek", Country: "KG"}, {Region: "Port Moresby", Country: "PG"},
		{Region: "Maputo City", Country: "MZ"}, {Region: "Tirana", Country: "AL"}, {Region: "Yerevan", Country: "AM"},
	} {
		regions = append(regions, Region{Place: p})
	}
	return regions
}

// roles are the organisation's groups: three quarters of the hosts are people's, the rest servers.
func roles(rng *rand.Rand, o Options) []Group {
	of := func(share float64) int { return max(1, int(math.Round(share*float64(o.Hosts)))) }
	network := func(n byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, n}), 16) }
	span := time.Duration(o.Days) * hoursPerDay * time.Hour
	desk := append(deskWork(), newServices(rng, span)...)
	groups := []Group{
		{Name: "ws", Hosts: of(0.48), People: true, Spread: 0.8, Churn: o.Churn, Absent: 0.06, Habits: append(desk, selfCare("svchost")...), Jobs: []Job{updates("svchost")}},
		{Name: "dev", Hosts: of(0.15), People: true, Spread: 0.9, Churn: o.Churn, Absent: 0.06, Habits: append(append(desk, codeWork()...), selfCare("systemd")...), Jobs: []Job{updates("packagekitd")}},
		{Name: "vpn", Hosts: of(0.08), Shared: true, Spread: 0.7, Absent: 0.2, Habits: append(desk, selfCare("")...)},
		{Name: "app", Hosts: of(0.11), Spread: 0.6, Habits: append(selfCare("systemd"), partners()...), Jobs: []Job{updates("packagekitd"), monthEnd()}},
		{Name: "sensor", Hosts: of(0.08), Habits: []Habit{readings()}},
		{Name: "batch", Hosts: of(0.05), Habits: selfCare("systemd"), Jobs: []Job{nightlyExport(), weeklyArchive()}},
		{Name: "backup", Hosts: of(0.004), Habits: selfCare("systemd"), Jobs: backupServer().Jobs},
		{Name: "mail", Hosts: of(0.004), Habits: append(selfCare("systemd"), post()...)},
		{Name: "web", Hosts: of(0.02), Spread: 1, Habits: append(selfCare("systemd"), site443())},
		{Name: "scanner", Hosts: 1, Habits: []Habit{outwardScan()}},
	}
	for i := range groups {
		groups[i].Prefix = network(byte(40 + i))
	}
	return groups
}

// trips sends one of the workstations' people on a journey in each fortnight for each
// sixty hosts: for two to nine days, to where hardly anybody goes.
func trips(rng *rand.Rand, p *Plan) []Trip {
	var trips []Trip
	for range poisson(rng, float64(p.Days)/14*float64(p.Groups[0].Hosts)/30) {
		days := 2 + rng.IntN(8)
		trips = append(trips, Trip{
			Host:     memberName(rng, &p.Groups[0]),
			Start:    p.Start.AddDate(0, 0, rng.IntN(p.Days)),
			Duration: time.Duration(days) * hoursPerDay * time.Hour,
			Region:   seldom(rng, p.Regions),
		})
	}
	return trips
}

func memberName(rng *rand.Rand, g *Group) string {
	return fmt.Sprintf("%s-%02d", g.Name, 1+rng.IntN(g.Hosts))
}

// seldom picks one of the regions that have next to no weight.
func seldom(rng *rand.Rand, regions []Region) string {
	var names []string
	for _, r := range regions {
		if r.Weight > 0 && r.Weight < 0.3 {
			names = append(names, r.Region)
		}
	}
	return names[rng.IntN(len(names))]
}

// errands are the large uploads that are meant, so many a week.
func errands(rng *rand.Rand, p *Plan, perWeek float64) []Errand {
	if perWeek < 0 {
		return nil
	}
	var list []Errand
	for range poisson(rng, perWeek*float64(p.Days)/daysPerWeek) {
		e := imageUpload(rng, &p.Groups[1])
		if rng.IntN(3) == 0 {
			e = firstBackup(rng, &p.Groups[1])
		}
		e.Name = fmt.Sprintf("errand %d", len(list)+1)
		// A working day's morning, or the evening for what takes all night.
		e.Start = p.Start.AddDate(0, 0, rng.IntN(p.Days)).Add(time.Duration(e.Start.Hour())*time.Hour + time.Duration(rng.IntN(120))*time.Minute)
		if e.Start.Add(e.Duration).After(p.End()) {
			continue
		}
		list = append(list, e)
	}
	return list
}

// firstBackup is the first copy of a machine to where its later ones will only add changes.
func firstBackup(rng *rand.Rand, from *Group) Errand {
	return Errand{
		Label: "first full backup", Start: time.Time{}.Add(20 * time.Hour), Duration: 9 * time.Hour, Flows: 300,
		Bytes: Size{Median: 30e9, Sigma: 0.7, Max: 2e11}.draw(rng), Host: memberName(rng, from),
		Process: "duplicati", Port: 443, Region: "Hesse", Shape: Steady,
	}
}

// imageUpload brings the image of a machine to a cloud, or to whoever builds on it.
func imageUpload(rng *rand.Rand, from *Group) Errand {
	port, region := uint16(443), "Virginia"
	if rng.IntN(3) == 0 {
		port, region = 22, "Mazovia"
	}
	return Errand{
		Label: "image upload", Start: time.Time{}.Add(9 * time.Hour), Duration: 50 * time.Minute, Flows: 50,
		Bytes: Size{Median: 4e9, Sigma: 0.5, Max: 2e10}.draw(rng), Host: memberName(rng, from),
		Process: "qemu-img", Port: port, Region: region, Shape: Steady,
	}
}
