package alert

import (
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

var (
	windowStart = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	now         = time.Date(2026, 3, 3, 12, 40, 7, 0, time.UTC)
)

const threeHours = 3 * time.Hour

// portFinding is an upload of 4.2 GB from three machines to port 4444, never used before.
func portFinding() detector.Finding {
	f := detector.Finding{
		Rule:        "unusual_destination_port",
		Fields:      []flow.Field{flow.DestinationPort},
		Values:      []string{"4444"},
		Phase:       detector.Crossing,
		Time:        windowStart.Add(40 * time.Minute),
		WindowStart: windowStart,
		WindowEnd:   windowStart.Add(threeHours),
		Span:        threeHours,
		Score:       91.25,
		FalseAlarms: 0.0052,
		Probability: 0.00021,
		Actual:      4_200_000_000,
		Typical:     25_000,
		Upper:       64_000_000,
		Flows:       1312,
		FirstSeen:   true,
		State:       detector.Ready,
		Why:         detector.Why{Surprise: 7.6, Silence: 3.9, Deviation: 3.9, Peers: true, Calibrated: true},
		Contributors: []detector.Contribution{
			{Field: flow.SourceAddress, Values: []string{"10.1.2.3", "10.1.2.9", "10.1.7.1"}, Bytes: []int64{3_900_000_000, 200_000_000, 100_000_000}},
			{Field: flow.User, Values: []string{"alice", "bob"}, Bytes: []int64{2_000_000_000, 1_000_000_000}},
			{Field: flow.Process, Values: []string{"rclone"}, Bytes: []int64{3_900_000_000}},
			{Field: flow.DestinationAddress, Values: []string{"198.51.100.7", "192.0.2.1", "198.51.100.8"}, Bytes: []int64{3_000_000_000, 800_000_000, 400_000_000}},
			{Field: flow.DestinationPort, Values: []string{"4444"}, Bytes: []int64{4_200_000_000}},
			{Field: flow.DestinationRegion, Values: []string{"California", "Victoria"}, Bytes: []int64{3_400_000_000, 800_000_000}},
		},
		FlowIDs: []string{"1:LQU9qZlK+B5F3KDmev6m5PMibrg=", "CHhAvVGS1DHFjwGM9"},
	}
	for i := range f.Contributors {
		c := &f.Contributors[i]
		for j := range c.Values { // one after the other, the last of them in this window
			c.FirstSeen = append(c.FirstSeen, windowStart.AddDate(0, 0, j+1-len(c.Values)))
		}
	}
	return f
}

// regionFinding is one workstation that sends far more to a well-known region than it ever did.
func regionFinding() detector.Finding {
	f := portFinding()
	f.Rule = "unusual_region"
	f.Fields, f.Values = []flow.Field{flow.DestinationRegion}, []string{"California"}
	f.DetailFields = []flow.Field{flow.Host, flow.DestinationRegion}
	f.DetailValues = []string{"ws-17", "California"}
	f.Score, f.FalseAlarms = 78.5, 0.7
	f.Actual, f.Typical, f.Upper, f.Flows = 950_000_000, 4_000_000, 900_000_000, 88
	f.FirstSeen, f.Age, f.Windows = false, 21*24*time.Hour, 42
	f.Why = detector.Why{Surprise: 6.4, Silence: 1.1, Deviation: 3.3, Season: true, Calibrated: true}
	f.Contributors = []detector.Contribution{
		{Field: flow.SourceAddress, Values: []string{"10.1.2.17"}, Bytes: []int64{950_000_000}},
		{Field: flow.Host, Values: []string{"ws-17"}, Bytes: []int64{950_000_000}},
		{Field: flow.DestinationPort, Values: []string{"443", "22"}, Bytes: []int64{900_000_000, 50_000_000}},
		{Field: flow.DestinationRegion, Values: []string{"California"}, Bytes: []int64{950_000_000}},
	}
	return f
}

// countryFinding is a window that closed far above the score it crossed at.
func countryFinding() detector.Finding {
	f := regionFinding()
	f.Rule = "unusual_country"
	f.Fields, f.Values = []flow.Field{flow.DestinationCountry}, []string{"AU"}
	f.DetailFields, f.DetailValues = nil, nil
	f.Phase, f.Time = detector.Closing, f.WindowEnd
	f.Score = 96
	f.State = detector.Warming
	f.Why.Calibrated, f.Why.Peers = false, true
	f.Windows = 1
	return f
}

// addressFinding is one address that took more than it usually does.
func addressFinding() detector.Finding {
	f := regionFinding()
	f.Rule = "unusual_destination_ip"
	f.Fields, f.Values = []flow.Field{flow.DestinationAddress}, []string{"198.51.100.7"}
	f.DetailFields, f.DetailValues = nil, nil
	f.Why.Season = false
	return f
}
