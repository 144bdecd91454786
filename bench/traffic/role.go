package traffic

import (
	"math/rand/v2"
	"time"
)

// deskWork is a person's day in front of a machine: small requests to everywhere,
// and now and then something large. How large differs from person to person.
func deskWork() []Habit {
	return []Habit{
		{
			Service: Service{"web", 443, "firefox"}, PerDay: 87, Rhythm: WorkingHours(), Differ: 0.4,
			Sent: Size{Median: 3e3, Sigma: 1.6, Max: 1e7}, Received: Size{Median: 3e4, Sigma: 1.9, Max: 5e8},
		}, {
			Service: Service{"file storage", 443, "onedrive"}, PerDay: 4, Rhythm: WorkingHours(), Regions: near(), Share: 0.85, Differ: 0.8,
			Sent: Size{Median: 5e5, Sigma: 2, Max: 2e9}, Received: Size{Median: 9e4, Sigma: 1.5, Max: 1e9},
		}, {
			Service: Service{"plain web", 80, "firefox"}, PerDay: 9, Rhythm: WorkingHours(),
			Sent: Size{Median: 700, Sigma: 1.1, Max: 2e6}, Received: Size{Median: 9e3, Sigma: 1.7, Max: 1e8},
		}, {
			Service: Service{"names", 53, "systemd-resolved"}, PerDay: 8, Rhythm: WorkingHours(), Regions: []string{"California", "Virginia"},
			Sent: Size{Median: 75, Sigma: 0.3, Max: 500}, Received: Size{Median: 180, Sigma: 0.5, Max: 4000},
		}, {
			Service: Service{"push", 5228, "chrome"}, PerDay: 3, Rhythm: WorkingHours(), Regions: []string{"California", "Leinster"}, Share: 0.7,
			Sent: Size{Median: 3e3, Sigma: 0.8, Max: 1e5}, Received: Size{Median: 6e3, Sigma: 0.9, Max: 1e6},
		}, {
			Service: Service{"mail", 993, "thunderbird"}, PerDay: 7, Rhythm: WorkingHours(), Regions: []string{"Leinster", "Hesse"}, Share: 0.6,
			Sent: Size{Median: 4e3, Sigma: 1.6, Max: 3e7}, Received: Size{Median: 4e4, Sigma: 1.9, Max: 3e8},
		}, {
			Service: Service{"mail submission", 587, "thunderbird"}, PerDay: 3, Rhythm: WorkingHours(), Regions: []string{"Leinster"}, Share: 0.6,
			Sent: Size{Median: 4e4, Sigma: 1.9, Max: 2.5e7}, Received: Size{Median: 2e3, Sigma: 0.3, Max: 1e4},
		}, {
			Service: Service{"call", 3478, "teams"}, PerDay: 0.6, Rhythm: WorkingHours(), Regions: []string{"Hesse", "Leinster"}, Share: 0.9,
			Sent: Size{Median: 2e7, Sigma: 1.1, Max: 4e8}, Received: Size{Median: 3e7, Sigma: 1.1, Max: 9e8}, Parts: 3, Lasts: 20 * time.Minute,
		}, {
			// The benign hour that looks most like theft: 437 MB in 56 minutes were measured.
			Service: Service{"video call", 3478, "teams"}, PerDay: 0.06, Rhythm: WorkingHours(), Regions: []string{"Hesse", "Leinster"}, Share: 0.9,
			Sent: Size{Median: 4.37e8, Sigma: 0.35, Max: 1.2e9}, Received: Size{Median: 5e8, Sigma: 0.4, Max: 2e9},
			Parts: 8, Lasts: 56 * time.Minute, Benign: "video call",
		}, {
			Service: Service{"odd", 0, "spotify"}, PerDay: 0.7, Rhythm: WorkingHours(),
			Sent: Size{Median: 3e3, Sigma: 1.2, Max: 1e6}, Received: Size{Median: 5e3, Sigma: 1.5, Max: 1e7},
		}, {
			Service: Service{"other web", 8443, "firefox"}, PerDay: 0.8, Rhythm: WorkingHours(), Share: 0.5,
			Sent: Size{Median: 2e3, Sigma: 1.5, Max: 5e6}, Received: Size{Median: 2e4, Sigma: 1.6, Max: 1e8},
		}, {
			Service: Service{"chat", 5222, "pidgin"}, PerDay: 4, Rhythm: WorkingHours(), Regions: []string{"Virginia"}, Share: 0.2,
			Sent: Size{Median: 4e3, Sigma: 1.2, Max: 5e6}, Received: Size{Median: 9e3, Sigma: 1.3, Max: 5e6},
		}, {
			Service: Service{"bank", 3000, "java"}, PerDay: 2, Rhythm: WorkingHours(), Regions: []string{"Zurich"}, Share: 0.06,
			Sent: Size{Median: 3e4, Sigma: 1.4, Max: 2e7}, Received: Size{Median: 9e3, Sigma: 1.3, Max: 5e6},
		}, {
			Service: Service{"customer's files", 990, "filezilla"}, PerDay: 0.5, Rhythm: WorkingHours(), Regions: []string{"Lombardy", "Texas", "Tokyo"}, Share: 0.08,
			Sent: Size{Median: 2e6, Sigma: 1.8, Max: 8e8}, Received: Size{Median: 1e5, Sigma: 2, Max: 5e8},
		},
	}
}

// newServices are two that people take up while the plan lasts: one on a known port,
// one on a port of its own.
func newServices(rng *rand.Rand, span time.Duration) []Habit {
	later := func() time.Duration { return time.Duration((0.25 + 0.5*rng.Float64()) * float64(span)) }
	return []Habit{
		{
			Service: Service{"new drawing board", 443, "figma"}, PerDay: 3, Rhythm: WorkingHours(), Regions: []string{"Prague"}, Share: 0.4, Differ: 0.6,
			Sent: Size{Median: 4e5, Sigma: 1.6, Max: 2e8}, Received: Size{Median: 1e6, Sigma: 1.4, Max: 3e8},
			Since: later(), Ramp: 12 * hoursPerDay * time.Hour, Benign: "new SaaS",
		}, {
			Service: Service{"new meeting room", 9443, "roomkit"}, PerDay: 1, Rhythm: WorkingHours(), Regions: []string{"Madrid"}, Share: 0.3, Differ: 0.6,
			Sent: Size{Median: 3e6, Sigma: 1.3, Max: 4e8}, Received: Size{Median: 5e6, Sigma: 1.3, Max: 4e8},
			Since: later(), Ramp: 8 * hoursPerDay * time.Hour, Benign: "new SaaS",
		},
	}
}

func codeWork() []Habit {
	return []Habit{
		{
			Service: Service{"source code", 22, "git"}, PerDay: 7, Rhythm: WorkingHours(), Regions: []string{"Virginia", "Hesse"}, Differ: 0.8,
			Sent: Size{Median: 3e4, Sigma: 2.2, Max: 5e8}, Received: Size{Median: 8e4, Sigma: 2, Max: 5e8},
		}, {
			Service: Service{"images", 443, "docker"}, PerDay: 0.5, Rhythm: WorkingHours(), Regions: []string{"Virginia"}, Share: 0.6, Differ: 0.7,
			Sent: Size{Median: 2e7, Sigma: 1.5, Max: 3e9}, Received: Size{Median: 2e8, Sigma: 1.3, Max: 5e9},
		}, {
			Service: Service{"database", 5432, "psql"}, PerDay: 3, Rhythm: WorkingHours(), Regions: []string{"Hesse"}, Share: 0.4,
			Sent: Size{Median: 2e4, Sigma: 1.8, Max: 3e8}, Received: Size{Median: 2e5, Sigma: 2, Max: 1e9},
		},
	}
}

// selfCare is what every machine that is on does by itself.
func selfCare(process string) []Habit {
	return []Habit{
		{
			Service: Service{"time", 123, process}, PerDay: 2, Rhythm: AroundTheClock(), Regions: []string{"Hesse"},
			Sent: Size{Median: 76, Sigma: 0.1, Max: 200}, Received: Size{Median: 76, Sigma: 0.1, Max: 200},
		}, {
			Service: Service{"telemetry", 443, process}, Every: 3 * time.Hour, Regions: []string{"Virginia", "Washington"}, Differ: 0.5,
			Sent: Size{Median: 4e4, Sigma: 0.7, Max: 4e6}, Received: Size{Median: 4e3, Sigma: 0.8, Max: 1e6},
		},
	}
}

// partners is the server side of business: some servers talk evenly, some by day.
func partners() []Habit {
	return []Habit{
		{
			Service: Service{"partner interface", 443, "java"}, PerDay: 90, Rhythm: AroundTheClock(), Regions: near(), Share: 0.6, Differ: 1.5,
			Sent: Size{Median: 2e4, Sigma: 1.2, Max: 2e8}, Received: Size{Median: 2e4, Sigma: 1.2, Max: 1e8},
		}, {
			Service: Service{"shop", 443, "java"}, PerDay: 120, Rhythm: ClientHours(), Regions: near(), Share: 0.5, Differ: 1.5,
			Sent: Size{Median: 1e4, Sigma: 1.3, Max: 2e8}, Received: Size{Median: 2e4, Sigma: 1.2, Max: 1e8},
		}, {
			Service: Service{"message queue", 5671, "java"}, PerDay: 40, Rhythm: ClientHours(), Regions: []string{"Leinster"}, Share: 0.3, Differ: 1,
			Sent: Size{Median: 3e4, Sigma: 1, Max: 5e7}, Received: Size{Median: 1e4, Sigma: 1, Max: 1e7},
		},
	}
}

func monthEnd() Job {
	return Job{
		Service: Service{"accounts", 22, "sftp"}, At: 19 * time.Hour, Delay: time.Hour, Lasts: 100 * time.Minute, Flows: 20,
		Sent: Size{Median: 8e8, Sigma: 0.4, Max: 2e10}, Received: Size{Median: 1e6, Sigma: 0.3, Max: 5e7}, Differ: 0.8,
		Region: "Zurich", MonthEnd: true, Benign: "month-end job",
	}
}

// readings are what machines send that do nothing else: the same each half hour.
func readings() Habit {
	return Habit{
		Service: Service{"readings", 8883, "telegraf"}, Every: 30 * time.Minute, Regions: []string{"Hesse"}, Differ: 1.5,
		Sent: Size{Median: 6e4, Sigma: 0.3, Max: 1e7}, Received: Size{Median: 4e3, Sigma: 0.2, Max: 1e5},
	}
}

func nightlyExport() Job {
	return Job{
		Service: Service{"nightly export", 443, "rclone"}, At: 23 * time.Hour, Delay: 40 * time.Minute, Lasts: 4 * time.Hour, Flows: 24,
		Sent: Size{Median: 6e8, Sigma: 0.4, Max: 5e10}, Received: Size{Median: 3e6, Sigma: 0.3, Max: 5e7}, Differ: 1.5, Region: "North Holland",
	}
}

func weeklyArchive() Job {
	return Job{
		Service: Service{"weekly archive", 873, "rsync"}, At: 3 * time.Hour, Delay: time.Hour, Lasts: 6 * time.Hour, Flows: 40,
		Days: []time.Weekday{time.Saturday},
		Sent: Size{Median: 4e9, Sigma: 0.3, Max: 1e11}, Received: Size{Median: 6e6, Sigma: 0.3, Max: 5e7}, Differ: 1, Region: "Bavaria",
	}
}

func post() []Habit {
	return []Habit{
		{
			Service: Service{"outgoing mail", 25, "postfix"}, PerDay: 170, Rhythm: WorkingHours(),
			Sent: Size{Median: 2e4, Sigma: 1.7, Max: 2.5e7}, Received: Size{Median: 900, Sigma: 0.3, Max: 5e3},
		}, {
			Service: Service{"incoming mail", 25, "postfix"}, PerDay: 260, Rhythm: ClientHours(), Serves: true,
			Sent: Size{Median: 2e4, Sigma: 1.6, Max: 2.5e7}, Received: Size{Median: 900, Sigma: 0.3, Max: 5e3},
		},
	}
}

// site443 is a web server's day; its answers are what leaves.
func site443() Habit {
	return Habit{
		Service: Service{"own site", 443, "nginx"}, PerDay: 450, Rhythm: ClientHours(), Serves: true,
		Sent: Size{Median: 1500, Sigma: 0.6, Max: 1e6}, Received: Size{Median: 5e4, Sigma: 1.7, Max: 5e8},
	}
}

// outwardScan is the organisation's own look at addresses that it rents elsewhere.
func outwardScan() Habit {
	return Habit{
		Service: Service{"scan", 0, "nmap"}, PerDay: 60, Rhythm: AroundTheClock(), Regions: near(),
		Sent: Size{Median: 120, Sigma: 0.5, Max: 2000}, Received: Size{Median: 80, Sigma: 0.7, Max: 2000},
	}
}
