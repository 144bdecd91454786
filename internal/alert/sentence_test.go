package alert

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

func TestTheSentence(t *testing.T) {
	port := portFinding()
	assert.Equal(t, "10.1.2.3 and 2 others sent 4.2 GB to port 4444 in 40 min; usual at most 12 MB (350×); first seen",
		sentence(withUsual(port, 12_000_000)))

	for want, change := range map[string]func(*detector.Finding){
		"10.1.2.3 sent ":                        func(f *detector.Finding) { trim(f, 1) },
		"10.1.2.3 and 1 other sent ":            func(f *detector.Finding) { trim(f, 2) },
		"10.1.2.3 and 2 or more others sent ":   func(f *detector.Finding) { f.Most = 3 },
		"10.1.2.3 and perhaps others sent ":     func(f *detector.Finding) { f.Most = 1; repeat(f, 1) },
		"10.1.2.3 and 9 or more others sent ":   func(f *detector.Finding) { repeat(f, detector.MaxContributors) },
		"Senders that are not known sent ":      func(f *detector.Finding) { f.Contributors = nil },
		"srv-1 sent ":                           func(f *detector.Finding) { hosts(f, 4_000_000_000) },
		"10.1.2.3 and 2 others sent 4.2 GB to ": func(f *detector.Finding) { hosts(f, 1_000_000_000) },
		" in 25 min; ": func(f *detector.Finding) {
			f.First = f.WindowStart.Add(15 * time.Minute)
			f.Time = f.WindowStart.Add(40 * time.Minute)
		},
		" in 20 s; ":                           func(f *detector.Finding) { f.Time = f.WindowStart.Add(20 * time.Second) },
		" in 1 s; ":                            func(f *detector.Finding) { f.Time = f.WindowStart },
		" in 2.5 h; ":                          func(f *detector.Finding) { f.Time = f.WindowStart.Add(150 * time.Minute) },
		" in 3 h; ":                            func(f *detector.Finding) { f.Phase, f.Time = detector.Closing, f.Time.Add(9*time.Hour) },
		"; usually silent; first seen":         func(f *detector.Finding) { f.Why.Deviation = 0.01 },
		"; usually silent at this hour":        func(f *detector.Finding) { f.Why.Deviation, f.Why.Season = 1.2, true },
		"; usual about 25 kB":                  func(f *detector.Finding) { f.Why.Deviation, f.Why.Silence = 0.01, 0.1 },
		" to ports too rare to be told apart ": func(f *detector.Finding) { f.Values = []string{detector.OverflowValue} },
		"ws-17 sent 4.2 GB to port 22 in region Victoria in": func(f *detector.Finding) {
			f.DetailFields = []flow.Field{flow.Host, flow.DestinationPort, flow.DestinationRegion}
			f.DetailValues = []string{"ws-17", "22", "Victoria"}
		},
		"user alice, process rclone sent 4.2 GB in": func(f *detector.Finding) {
			f.Fields, f.Values = []flow.Field{flow.User, flow.Process}, []string{"alice", "rclone"}
		},
		"10.9.9.9 sent 4.2 GB to 198.51.100.7, port 22 in": func(f *detector.Finding) {
			f.Fields = []flow.Field{flow.SourceAddress, flow.DestinationAddress, flow.DestinationPort}
			f.Values = []string{"10.9.9.9", "198.51.100.7", "22"}
		},
	} {
		f := portFinding()
		change(&f)
		assert.Contains(t, sentence(&f), want)
	}
}

// withUsual gives a finding the deviation at which the usual bytes are most.
func withUsual(f detector.Finding, most int64) *detector.Finding {
	log := func(bytes int64) float64 { return math.Log(float64(bytes) + scaleOffset) }
	f.Why.Deviation = usualDeviation * (log(f.Actual) - log(f.Typical)) / (log(most) - log(f.Typical))
	return &f
}

func trim(f *detector.Finding, n int) {
	c := &f.Contributors[0]
	c.Values, c.Bytes = c.Values[:n], c.Bytes[:n]
}

func repeat(f *detector.Finding, n int) {
	c := &f.Contributors[0]
	for len(c.Values) < n {
		c.Values, c.Bytes = append(c.Values, "10.1.0.1"), append(c.Bytes, 1)
	}
}

func hosts(f *detector.Finding, bytes int64) {
	f.Contributors = append(f.Contributors, detector.Contribution{Field: flow.Host, Values: []string{"srv-1"}, Bytes: []int64{bytes}})
}

func TestUsualIsThe95thPercentileOfWhatWasPredicted(t *testing.T) {
	// Centre ln(1 MB + 1 kB), scale 1.2: the median is 1 MB and 4 scales above it are 122 MB.
	centre := math.Log(1e6 + 1e3)
	f := detector.Finding{Typical: 1e6, Actual: int64(math.Exp(centre+4*1.2) - 1e3), Why: detector.Why{Deviation: 4}}
	most, ok := usual(&f)
	require.True(t, ok)
	assert.InEpsilon(t, math.Exp(centre+2.015*1.2)-1e3, float64(most), 1e-4)

	for name, change := range map[string]func(*detector.Finding){
		"no deviation":         func(f *detector.Finding) { f.Why.Deviation = 0 },
		"no number":            func(f *detector.Finding) { f.Why.Deviation = math.NaN() },
		"less than typical":    func(f *detector.Finding) { f.Actual = 1e5 },
		"a nonsensical centre": func(f *detector.Finding) { f.Typical = -5 },
		"beyond all bytes":     func(f *detector.Finding) { f.Why.Deviation, f.Actual = 0.05, math.MaxInt64 },
	} {
		other := f
		change(&other)
		_, ok := usual(&other)
		assert.False(t, ok, name)
	}
}

func TestTheExplanationWeighsTheParts(t *testing.T) {
	port, region, country := portFinding(), regionFinding(), countryFinding()
	assert.Equal(t, "The bytes are 3.9 deviations above the 25 kB that is typical of port 4444 (weight 66 %). "+
		"That it is active at all was to be expected in 2 % of windows (weight 34 %). "+
		"It was never seen before, so it is compared with what others send when they are new. "+
		"By this deployment's own ordinary windows, 0.0052 false alarms a week and rule are to be expected at this score. "+
		"10.1.2.3 sent 93 % of the bytes.", explanation(&port))
	assert.Equal(t, "What is unusual is host ws-17 towards region California, not region California as a whole. "+
		"The bytes are 3.3 deviations above the 4.0 MB that is typical of host ws-17 towards region California at this hour (weight 85 %). "+
		"That it is active at all was to be expected in 33 % of windows at such hours (weight 15 %). "+
		"It is compared with its own 42 active windows. "+
		"By this deployment's own ordinary windows, 0.7 false alarms a week and rule are to be expected at this score. "+
		"ws-17 sent 100 % of the bytes.", explanation(&region))
	port.FalseAlarms = 2e-9
	assert.Contains(t, explanation(&port), "less than 0.001 false alarms a week", "nobody has observed so rare an event")
	text := explanation(&country)
	assert.Contains(t, text, "It was active in 1 window before, too few to stand on")
	assert.Contains(t, text, "The score is nominal")
	assert.Contains(t, text, "The baselines are young yet")

	low := portFinding()
	low.Why = detector.Why{Deviation: -0.5, Surprise: 0, Silence: 0}
	low.Contributors = nil
	assert.Contains(t, explanation(&low), "0.5 deviations below the 25 kB that is typical of port 4444. That it is active at all was to be expected in 100 % of windows. ")
}

func TestCombinationsReadAsPhrases(t *testing.T) {
	for want, key := range map[string]struct {
		fields []flow.Field
		values []string
	}{
		"host ws-17 on port 443":                       {[]flow.Field{flow.DestinationPort, flow.Host}, []string{"443", "ws-17"}},
		"port 443 towards region Victoria":             {[]flow.Field{flow.DestinationPort, flow.DestinationRegion}, []string{"443", "Victoria"}},
		"user bob with process scp towards country NZ": {[]flow.Field{flow.User, flow.Process, flow.DestinationCountry}, []string{"bob", "scp", "NZ"}},
	} {
		assert.Equal(t, want, combination(key.fields, key.values))
	}
}

func TestFigures(t *testing.T) {
	for x, want := range map[float64]string{
		350: "350", 1.234: "1.2", 35.4: "35", 4234: "4200", 168000: "170000", 0.00523: "0.0052", 1: "1", 9.99: "10",
		0: "0", -3: "0", math.Inf(1): "0", 0.7: "0.7", 1e18: "1000000000000000000",
	} {
		assert.Equal(t, want, digits(x))
	}
	assert.Equal(t, "0", digits(math.NaN()))
	assert.Equal(t, "less than 0.1 %", percent(1e-9))
	assert.Equal(t, "0.25 %", percent(0.0025))
	assert.Equal(t, 0.0, finite(math.NaN()))
	assert.Equal(t, math.MaxFloat64, finite(math.Inf(1)))
	assert.Equal(t, 5.0, ratio(&detector.Finding{Actual: 5}), "a typical number of no bytes counts as one")
}

// hostile are names as an attacker would choose them.
var hostile = []string{
	"ws\x1b[2Jclean", "two\nlines\r", "\u202egnp.exe", "zero\u200bwidth", "tab\tnul\x00", "bad\xff\xfeutf8", "\u2066iso\u2069",
	strings.Repeat("é", 5000), strings.Repeat("\xf0", 5000), "",
}

func TestHostileNamesCannotReachATerminal(t *testing.T) {
	for _, name := range hostile {
		f := regionFinding()
		f.Values = []string{name}
		f.DetailValues = []string{name, name}
		f.Contributors = append(f.Contributors,
			detector.Contribution{Field: flow.User, Values: []string{name, name}, Bytes: []int64{f.Actual, 1}},
			detector.Contribution{Field: flow.DestinationAddress, Values: []string{name}, Bytes: []int64{1}},
			detector.Contribution{Field: flow.Process})
		f.Contributors[1].Values = []string{name}
		lr := record(t, newWriter(t), anomaly(f))
		explained, _ := lr.Attributes().Get("exfil.explanation")
		for _, sentence := range []string{lr.Body().Str(), explained.Str()} {
			assert.NotContains(t, sentence, "\x1b")
			assert.False(t, strings.ContainsAny(sentence, "\n\r\t\x00\u202e\u200b\u2066\u2069"), "%q", sentence)
			assert.Less(t, len(sentence), 1200)
			assert.True(t, utf8.ValidString(sentence))
		}
		for key, v := range lr.Attributes().All() {
			if strings.HasPrefix(key, "exfil.rule") || strings.HasPrefix(key, "security_rule") || key == "exfil.explanation" {
				continue
			}
			assert.True(t, utf8.ValidString(v.AsString()), key)
			assert.Less(t, len(v.AsString()), 4*maxValue, key)
		}
	}
}

func TestNumbersThatAreNoneStayOut(t *testing.T) {
	f := portFinding()
	f.Score, f.Probability, f.FalseAlarms = math.NaN(), math.Inf(1), math.NaN()
	f.Why = detector.Why{Surprise: math.NaN(), Silence: math.Inf(1), Deviation: math.NaN(), Calibrated: true}
	f.Typical, f.Values = 0, []string{"not a port"}
	lr := record(t, newWriter(t), anomaly(f))
	for key, want := range map[string]float64{"exfil.score": 0, "exfil.probability": 1, "exfil.expected_false_alarms": 0} {
		v, _ := lr.Attributes().Get(key)
		assert.Equal(t, want, v.Double(), key)
	}
	_, ok := lr.Attributes().Get("destination.port")
	assert.False(t, ok)
	explained, _ := lr.Attributes().Get("exfil.explanation")
	assert.NotContains(t, explained.Str()+lr.Body().Str(), "NaN")
}

func TestShorteningKeepsCharactersWhole(t *testing.T) {
	assert.Equal(t, "short", shorten("short", 10))
	assert.Equal(t, "ééé…", shorten("éééééééé", 10))
}

func BenchmarkAppend(b *testing.B) {
	w, a := newWriter(b), anomaly(portFinding())
	b.ReportAllocs()
	for b.Loop() {
		record(b, w, a)
	}
}
