package traffic

import (
	"net/netip"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// SmallOffice is an office of forty hosts: people at workstations, developers among
// them, a few servers, one that makes backups at night, a mail and a web server that
// clients outside use. It makes about ten thousand flows on a weekday and has no
// thefts; set Thefts to add some.
func SmallOffice(seed uint64, start time.Time, days int) Plan {
	return Plan{
		Seed:    seed,
		Start:   start,
		Days:    days,
		Regions: officeRegions(),
		Groups:  []Group{workstations(), developers(), appServers(), backupServer(), mailServer(), webServer()},
		Probes:  60,
		IPv6:    0.12,
	}
}

// near are the regions where what the office pays for stands: its cloud, its mail, its storage.
func near() []string { return []string{"Virginia", "Hesse", "Leinster", "North Holland"} }

// browsing is what sits at the far end of any person's day: small requests to
// everywhere, and now and then something larger to where files are kept. One flow in
// a hundred carries most of the bytes.
func browsing(scale float64) []Habit {
	return []Habit{
		{
			Service: Service{"web", 443, "firefox"}, PerDay: 110 * scale, Rhythm: WorkingHours(),
			Sent: Size{Median: 2500, Sigma: 1.2, Max: 2e6}, Received: Size{Median: 25e3, Sigma: 1.8, Max: 5e8},
		}, {
			Service: Service{"file storage", 443, "onedrive"}, PerDay: 3 * scale, Rhythm: WorkingHours(), Regions: near(),
			Sent: Size{Median: 7e5, Sigma: 1.7, Max: 1.5e8}, Received: Size{Median: 9e4, Sigma: 1.5, Max: 1e9},
		}, {
			Service: Service{"plain web", 80, "firefox"}, PerDay: 20 * scale, Rhythm: WorkingHours(),
			Sent: Size{Median: 700, Sigma: 0.9, Max: 2e5}, Received: Size{Median: 9e3, Sigma: 1.7, Max: 1e8},
		}, {
			Service: Service{"names", 53, "systemd-resolved"}, PerDay: 25 * scale, Rhythm: WorkingHours(), Regions: []string{"California", "Virginia"},
			Sent: Size{Median: 75, Sigma: 0.3, Max: 500}, Received: Size{Median: 180, Sigma: 0.5, Max: 4000},
		}, {
			Service: Service{"push", 5228, "chrome"}, PerDay: 6 * scale, Rhythm: WorkingHours(), Regions: []string{"California", "Leinster"},
			Sent: Size{Median: 3e3, Sigma: 0.8, Max: 1e5}, Received: Size{Median: 6e3, Sigma: 0.9, Max: 1e6},
		}, {
			Service: Service{"mail", 993, "thunderbird"}, PerDay: 14 * scale, Rhythm: WorkingHours(), Regions: []string{"Leinster", "Hesse"},
			Sent: Size{Median: 4e3, Sigma: 1.4, Max: 3e7}, Received: Size{Median: 4e4, Sigma: 1.9, Max: 3e8},
		}, {
			Service: Service{"mail submission", 587, "thunderbird"}, PerDay: 5 * scale, Rhythm: WorkingHours(), Regions: []string{"Leinster"},
			Sent: Size{Median: 4e4, Sigma: 1.9, Max: 2.5e7}, Received: Size{Median: 2e3, Sigma: 0.3, Max: 1e4},
		}, {
			// The benign flow that looks most like a theft: hundreds of MB within an hour.
			Service: Service{"video call", 3478, "teams"}, PerDay: 0.5 * scale, Rhythm: WorkingHours(), Regions: []string{"Hesse", "Leinster"},
			Sent: Size{Median: 9e7, Sigma: 0.9, Max: 6e8}, Received: Size{Median: 1.2e8, Sigma: 0.9, Max: 9e8},
		}, {
			Service: Service{"odd", 0, "spotify"}, PerDay: 0.6 * scale, Rhythm: WorkingHours(),
			Sent: Size{Median: 3e3, Sigma: 1.1, Max: 6e5}, Received: Size{Median: 5e3, Sigma: 1.5, Max: 1e7},
		}, {
			Service: Service{"other web", 8443, "firefox"}, PerDay: 1.5 * scale, Rhythm: WorkingHours(),
			Sent: Size{Median: 2e3, Sigma: 1.2, Max: 1e6}, Received: Size{Median: 2e4, Sigma: 1.6, Max: 1e8},
		},
	}
}

// upkeep is what every machine does by itself.
func upkeep(process string) []Habit {
	return []Habit{
		{
			Service: Service{"time", 123, process}, PerDay: 8, Rhythm: AroundTheClock(), Regions: []string{"Hesse"},
			Sent: Size{Median: 76, Sigma: 0.1, Max: 200}, Received: Size{Median: 76, Sigma: 0.1, Max: 200},
		}, {
			Service: Service{"telemetry", 443, process}, PerDay: 10, Rhythm: AroundTheClock(), Regions: []string{"Virginia", "Washington"},
			Sent: Size{Median: 15e3, Sigma: 0.9, Max: 2e6}, Received: Size{Median: 4e3, Sigma: 0.8, Max: 1e6},
		},
	}
}

// updates is what brings every machine up to date on working days: much comes, little leaves.
func updates(process string) Job {
	return Job{
		Service: Service{"updates", 443, process}, At: 12 * time.Hour, Delay: 3 * time.Hour, Lasts: 20 * time.Minute, Flows: 6,
		Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
		Sent: Size{Median: 4e5, Sigma: 0.8, Max: 1e7}, Received: Size{Median: 4e7, Sigma: 1.2, Max: 2e9}, Region: "Washington",
	}
}

func workstations() Group {
	return Group{
		Name: "ws", Hosts: 26, Prefix: netip.MustParsePrefix("10.20.1.0/24"), People: true, Spread: 0.5,
		Habits: append(browsing(1), upkeep("svchost")...),
		Jobs:   []Job{updates("svchost")},
	}
}

func developers() Group {
	return Group{
		Name: "dev", Hosts: 8, Prefix: netip.MustParsePrefix("10.20.2.0/24"), People: true, Spread: 0.7,
		Habits: append(append(browsing(1.2), upkeep("systemd")...), Habit{
			Service: Service{"source code", 22, "git"}, PerDay: 9, Rhythm: WorkingHours(), Regions: []string{"Virginia", "Hesse"},
			Sent: Size{Median: 3e4, Sigma: 2, Max: 8e7}, Received: Size{Median: 8e4, Sigma: 2, Max: 5e8},
		}),
		Jobs: []Job{updates("packagekitd")},
	}
}

func appServers() Group {
	return Group{
		Name: "app", Hosts: 3, Prefix: netip.MustParsePrefix("10.20.3.0/24"), Spread: 0.3,
		Habits: append(upkeep("systemd"), Habit{
			Service: Service{"partner interface", 443, "java"}, PerDay: 170, Rhythm: AroundTheClock(), Regions: near(),
			Sent: Size{Median: 9e3, Sigma: 1, Max: 5e6}, Received: Size{Median: 2e4, Sigma: 1.2, Max: 1e8},
		}),
		Jobs: []Job{updates("packagekitd")},
	}
}

func backupServer() Group {
	return Group{
		Name: "backup", Hosts: 1, Prefix: netip.MustParsePrefix("10.20.4.0/24"),
		Habits: upkeep("systemd"),
		Jobs: []Job{{
			Service: Service{"nightly backup", 443, "restic"}, At: time.Hour + 30*time.Minute, Delay: 10 * time.Minute,
			Lasts: 75 * time.Minute, Flows: 30, Region: "Hesse",
			Sent: Size{Median: 7e9, Sigma: 0.25, Max: 3e10}, Received: Size{Median: 6e6, Sigma: 0.3, Max: 5e7},
		}},
	}
}

func mailServer() Group {
	return Group{
		Name: "mail", Hosts: 1, Prefix: netip.MustParsePrefix("10.20.5.0/24"),
		Habits: append(upkeep("systemd"), Habit{
			Service: Service{"outgoing mail", 25, "postfix"}, PerDay: 260, Rhythm: WorkingHours(),
			Sent: Size{Median: 2e4, Sigma: 1.6, Max: 2.5e7}, Received: Size{Median: 900, Sigma: 0.3, Max: 5e3},
		}, Habit{
			Service: Service{"incoming mail", 25, "postfix"}, PerDay: 420, Rhythm: ClientHours(), Serves: true,
			Sent: Size{Median: 2e4, Sigma: 1.6, Max: 2.5e7}, Received: Size{Median: 900, Sigma: 0.3, Max: 5e3},
		}),
	}
}

func webServer() Group {
	return Group{
		Name: "web", Hosts: 1, Prefix: netip.MustParsePrefix("10.20.6.0/24"),
		Habits: append(upkeep("systemd"), Habit{
			Service: Service{"own site", 443, "nginx"}, PerDay: 900, Rhythm: ClientHours(), Serves: true,
			Sent: Size{Median: 1500, Sigma: 0.6, Max: 1e6}, Received: Size{Median: 3e4, Sigma: 1.3, Max: 5e7},
		}),
	}
}

// officeRegions lists where a European office goes: much to few, a little to many, and
// to some hardly ever. Weights fall about as 1/rank.
func officeRegions() []Region {
	place := func(region, country string, weight float64) Region {
		return Region{Place: flow.Place{Region: region, Country: country}, Weight: weight}
	}
	return []Region{
		place("Virginia", "US", 100), place("Hesse", "DE", 80), place("Leinster", "IE", 55),
		place("California", "US", 40), place("North Holland", "NL", 32), place("Washington", "US", 26),
		place("Bavaria", "DE", 20), place("England", "GB", 18), place("Île-de-France", "FR", 15),
		place("Oregon", "US", 13), place("Berlin", "DE", 11), place("Stockholm County", "SE", 9),
		place("Zurich", "CH", 8), place("Lombardy", "IT", 7), place("Vienna", "AT", 6),
		place("Texas", "US", 5.5), place("New York", "US", 5), place("Mazovia", "PL", 4.5),
		place("Uusimaa", "FI", 4), place("Madrid", "ES", 3.6), place("Ontario", "CA", 3.2),
		place("Tokyo", "JP", 2.8), place("Singapore", "SG", 2.5), place("Prague", "CZ", 2.2),
		place("Capital Region", "DK", 2), place("Lisbon", "PT", 1.7), place("New South Wales", "AU", 1.4),
		place("Seoul", "KR", 1.2), place("Maharashtra", "IN", 1), place("Sao Paulo", "BR", 0.8),
		place("Budapest", "HU", 0.6), place("Bucuresti", "RO", 0.5), place("Istanbul", "TR", 0.35),
		place("Gauteng", "ZA", 0.2), place("Beijing", "CN", 0.15), place("Santiago Metropolitan", "CL", 0.08),
		// Nobody goes here, unless a theft does.
		place("Tashkent", "UZ", 0), place("Western Area", "SL", 0),
	}
}
