package score_test

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/flow"
)

const hour = int64(time.Hour)

// upload is a theft of 400 bytes to port 4444 in Tashkent: 100 in each of the hours 200 to 203.
func upload() score.Truth {
	return score.Truth{
		Name: "upload", Kind: "plateau", First: 200 * hour, Last: 203 * hour,
		Ports: []string{"4444"}, Regions: []string{"Tashkent"}, Hosts: []string{"ws-07"}, Bytes: 400,
		Flows: []score.Increment{{200 * hour, 100}, {201 * hour, 100}, {202 * hour, 100}, {203 * hour, 100}},
	}
}

// twoWeeks is a trial of the hours 168 to 504.
func twoWeeks(thefts ...score.Truth) *score.Trial {
	return &score.Trial{Name: "two weeks", From: 168 * hour, To: 504 * hour, Thefts: thefts}
}

func port(at int64, value string) score.Alarm {
	return score.Alarm{Time: at, Field: flow.DestinationPort, Value: value, Score: 1}
}

func region(at int64, value string) score.Alarm {
	return score.Alarm{Time: at, Field: flow.DestinationRegion, Value: value, Score: 1}
}

func TestAnAlarmFindsATheftByItsPortOrItsRegionAndInItsTime(t *testing.T) {
	for name, c := range map[string]struct {
		alarm score.Alarm
		finds bool
		wrong [2]int
	}{
		"by port":                      {port(202*hour, "4444"), true, [2]int{}},
		"by region":                    {region(202*hour, "Tashkent"), true, [2]int{}},
		"with its first byte":          {port(200*hour, "4444"), true, [2]int{}},
		"just before its first byte":   {port(200*hour-1, "4444"), false, [2]int{1, 0}},
		"when its last window closes":  {port(203*hour+int64(score.Grace), "4444"), true, [2]int{}},
		"later than any window closes": {region(203*hour+int64(score.Grace)+1, "Tashkent"), false, [2]int{0, 1}},
		"another port":                 {port(202*hour, "443"), false, [2]int{1, 0}},
		"a region named like the port": {region(202*hour, "4444"), false, [2]int{0, 1}},
		"a field that is no rule's":    {score.Alarm{Time: 202 * hour, Field: flow.Host, Value: "ws-07"}, false, [2]int{}},
		"before anything is judged":    {port(168*hour-1, "443"), false, [2]int{}},
		"after all is over":            {port(504*hour, "443"), false, [2]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			v := twoWeeks(upload()).Judge([]score.Alarm{c.alarm})
			assert.Equal(t, c.finds, v.Detections[0].Found)
			assert.Equal(t, c.wrong, v.False)
			assert.Equal(t, c.wrong[0]+c.wrong[1], v.FalseAlarms())
		})
	}
}

func TestAlarmsAboutOneEntityWithinADayCountOnce(t *testing.T) {
	v := twoWeeks().Judge([]score.Alarm{
		port(170*hour, "443"), port(180*hour, "443"), port(194*hour-1, "443"), // one
		port(194*hour, "443"),     // a day after the first: another
		port(171*hour, "80"),      // another entity, and out of order
		region(172*hour, "Hesse"), // another rule
	})
	assert.Equal(t, [2]int{3, 1}, v.False)
}

func TestARepeatIsNoFurtherFalseAlarmButMayFindATheft(t *testing.T) {
	v := twoWeeks(upload()).Judge([]score.Alarm{port(190*hour, "4444"), port(201*hour, "4444")})
	assert.True(t, v.Detections[0].Found)
	assert.Equal(t, 1, v.FalseAlarms())

	v = twoWeeks(upload()).Judge([]score.Alarm{port(201*hour, "4444"), port(213*hour, "4444")})
	assert.Equal(t, 0, v.FalseAlarms(), "the aftermath of an alarm that was right")
}

func TestTheEarliestAlarmSaysHowLongItTookAndWhatWasLost(t *testing.T) {
	early, late := region(201*hour+1, "Tashkent"), port(202*hour, "4444")
	early.Host = "ws-01"
	late.Host = "ws-07"
	d := twoWeeks(upload()).Judge([]score.Alarm{late, early}).Detections[0]
	assert.Equal(t, score.Detection{Found: true, Delay: time.Hour + 1, Lost: 200, Host: "ws-01"}, d)

	d = twoWeeks(upload()).Judge([]score.Alarm{late}).Detections[0]
	assert.Equal(t, score.Detection{Found: true, Delay: 2 * time.Hour, Lost: 300, Host: "ws-07", Right: true}, d)
}

func TestOneAlarmMayFindTwoTheftsAndTwoAlarmsFindOneOnce(t *testing.T) {
	second := upload()
	second.Name, second.Ports = "second", []string{"22"}
	v := twoWeeks(upload(), second).Judge([]score.Alarm{region(202*hour, "Tashkent"), port(202*hour, "4444")})
	assert.Equal(t, 2, v.Found())
	assert.Equal(t, 0, v.FalseAlarms())
}

func TestLabelsBecomeTruth(t *testing.T) {
	var labels score.Labels
	f := flow.Flow{Time: 5, Bytes: 100, Port: 4444, Host: "ws-07", Place: flow.Place{Region: "Tashkent"}}
	labels.Add("a", &f)
	g := flow.Flow{Time: 6, Bytes: 1, Source: netip.MustParseAddr("10.0.0.9")}
	labels.Add("b", &g)
	f.Time, f.Bytes, f.Host = 9, 50, "ws-08"
	labels.Add("a", &f)

	truths := labels.Truths()
	require.Len(t, truths, 2)
	assert.Equal(t, score.Truth{
		Name: "a", First: 5, Last: 9, Ports: []string{"4444"}, Regions: []string{"Tashkent"}, Hosts: []string{"ws-07", "ws-08"},
		Bytes: 150, Flows: []score.Increment{{5, 100}, {9, 50}},
	}, truths[0])
	assert.Equal(t, []string{"10.0.0.9"}, truths[1].Hosts, "an address stands for a host without a name")
	assert.Empty(t, truths[1].Ports)
	assert.Equal(t, int64(100), truths[0].Lost(8))
	assert.Zero(t, truths[0].Lost(4))
	assert.Empty(t, (&score.Labels{}).Truths())
}

func TestTheRateOfAShortTheftIsThatOfAnHour(t *testing.T) {
	theft := upload()
	assert.InDelta(t, 400.0/3, theft.PerHour(), 1e-9)
	theft.Last = theft.First + 1
	assert.InDelta(t, 400, theft.PerHour(), 1e-9)
}

// scripted is a method whose alarms are given, each with its score.
type scripted []score.Alarm

func (scripted) Name() string        { return "scripted" }
func (scripted) Observe([]flow.Flow) {}
func (scripted) Finish(time.Time)    {}
func (s scripted) Alarms(threshold float64) []score.Alarm {
	var alarms []score.Alarm
	for _, a := range s {
		if a.Score >= threshold {
			alarms = append(alarms, a)
		}
	}
	return alarms
}

func (s scripted) Thresholds() []float64 {
	var thresholds []float64
	for _, a := range s {
		thresholds = append(thresholds, a.Score)
	}
	return thresholds
}

func scored(a score.Alarm, s float64, host string) score.Alarm {
	a.Score, a.Host = s, host
	return a
}

// thefts are four, to the ports 1 to 4, of kind odd or even, at the hours 200, 210, 220 and 230.
func thefts() []score.Truth {
	var all []score.Truth
	for i := range int64(4) {
		kind := "odd"
		if i%2 == 1 {
			kind = "even"
		}
		at := (200 + 10*i) * hour
		all = append(all, score.Truth{
			Name: fmt.Sprint(i + 1), Kind: kind, First: at, Last: at + hour, Ports: []string{fmt.Sprint(i + 1)}, Hosts: []string{"thief"},
			Bytes: 1000 * (i + 1), Flows: []score.Increment{{at, 500 * (i + 1)}, {at + hour, 500 * (i + 1)}},
		})
	}
	return all
}

// method finds, in the order of its scores: theft 1, a false alarm, thefts 2 and 3, three false alarms. It
// never finds theft 4.
func method() scripted {
	return scripted{
		scored(port(200*hour, "1"), 9, "thief"),
		scored(region(201*hour, "Hesse"), 8, ""),
		scored(port(211*hour, "2"), 7, "thief"),
		scored(port(223*hour, "3"), 6, "bystander"),
		scored(port(300*hour, "80"), 5, ""),
		scored(port(310*hour, "81"), 5, ""),
		scored(region(320*hour, "Texas"), 5, ""),
	}
}

// inOneTrial is the method's result over the two weeks.
func inOneTrial() *score.Result {
	return score.NewResult([]score.Curve{score.Sweep(method(), twoWeeks(thefts()...))})
}

func TestAveragePrecisionByHand(t *testing.T) {
	// Recall goes up by a quarter at precision 1/1, 2/3 and 3/4; theft 4 adds nothing.
	pooled, each := inOneTrial().AveragePrecision()
	want := 0.25 * (1 + 2.0/3 + 3.0/4)
	assert.InDelta(t, want, pooled, 1e-12)
	assert.InDelta(t, want, each.Mean, 1e-12)
	assert.InDelta(t, want, each.Max, 1e-12)
}

func TestAveragePrecisionOverTwoTrialsHasOneThreshold(t *testing.T) {
	// The second method has the scores of the first, and finds theft 1 only at 5.5, after a false alarm at 10.
	second := scripted{scored(port(300*hour, "80"), 10, ""), scored(port(200*hour, "1"), 5.5, "")}
	r := score.NewResult([]score.Curve{
		score.Sweep(method(), twoWeeks(thefts()...)), score.Sweep(second, twoWeeks(thefts()[:1]...)),
	})
	pooled, each := r.AveragePrecision()
	// Of five thefts, one more each at precision 1/2, 2/4, 3/5 and 4/6.
	assert.InDelta(t, 0.2*(1.0/2+2.0/4+3.0/5+4.0/6), pooled, 1e-12)
	assert.InDelta(t, 0.5, each.Min, 1e-12, "the second for itself")
	assert.InDelta(t, 0.25*(1+2.0/3+3.0/4), each.Max, 1e-12)
	assert.InDelta(t, (each.Min+each.Max)/2, each.Mean, 1e-12)
}

func TestNoTheftsNoPrecision(t *testing.T) {
	pooled, each := score.NewResult([]score.Curve{score.Sweep(method(), twoWeeks())}).AveragePrecision()
	assert.Zero(t, pooled)
	assert.Zero(t, each)
}

func TestRecallAtARate(t *testing.T) {
	r := inOneTrial()
	for _, c := range []struct {
		perWeek float64
		limit   score.Limit
		recall  float64
		at      float64
	}{
		{0.4, score.Together, 0.25, 9}, // not even the one false alarm of two weeks
		{0.5, score.Together, 0.75, 6},
		{2, score.Together, 0.75, 6}, // 5 would be allowed and finds no more
		{0.5, score.EachRule, 0.75, 6},
		{0, score.EachRule, 0.25, 9},
	} {
		s, ok := r.AtRate(c.perWeek, c.limit)
		require.True(t, ok)
		assert.Equal(t, c.at, s.Threshold, c)
		assert.Equal(t, score.Spread{Mean: c.recall, Min: c.recall, Max: c.recall}, s.Recall(score.All))
		assert.InDelta(t, c.recall, r.RecallAtRate(c.perWeek, c.limit).Mean, 1e-12)
	}
	loud := scripted{scored(port(300*hour, "80"), 1, ""), scored(port(200*hour, "1"), 0.5, "")}
	r = score.NewResult([]score.Curve{score.Sweep(loud, twoWeeks(thefts()...))})
	_, ok := r.AtRate(0.4, score.Together)
	assert.False(t, ok, "its surest alarm is wrong")
	assert.Zero(t, r.RecallAtRate(0.4, score.Together))
}

func TestFalseAlarmsAWeek(t *testing.T) {
	s := inOneTrial().At(5)
	assert.InDelta(t, 2, s.FalseAlarms().Mean, 1e-12, "four in two weeks")
	assert.InDelta(t, 1, s.FalseAlarmsOf(0).Mean, 1e-12)
	assert.InDelta(t, 1, s.FalseAlarmsOf(1).Max, 1e-12)
	above := inOneTrial().At(8.5)
	assert.Zero(t, above.FalseAlarms())
	none := inOneTrial().At(99)
	assert.Zero(t, none.Recall(score.All).Max)
	assert.Len(t, inOneTrial().Settings(), 5)
}

func TestByKindAndBySpeed(t *testing.T) {
	s := inOneTrial().At(6)
	assert.InDelta(t, 1, s.Recall(score.Kind("odd")).Mean, 1e-12)
	assert.InDelta(t, 0.5, s.Recall(score.Kind("even")).Mean, 1e-12)
	assert.Zero(t, s.Recall(score.Kind("none such")))
	found, of := s.Count(score.Faster(2000))
	assert.Equal(t, []int{2, 3}, []int{found, of})
}

func TestMedians(t *testing.T) {
	s := inOneTrial().At(6) // delays of 0, 1 and 3 h; 500, 2000 and 3000 bytes
	d, ok := s.MedianDelay(score.All)
	assert.True(t, ok)
	assert.Equal(t, time.Hour, d)
	lost, ok := s.MedianLost(score.All)
	assert.True(t, ok)
	assert.InDelta(t, 2000, lost, 1e-9)

	d, _ = s.MedianDelay(score.Kind("odd")) // the two of them
	assert.Equal(t, 90*time.Minute, d)
	_, ok = s.MedianDelay(score.Kind("none such"))
	assert.False(t, ok)
	lost, ok = s.MedianLost(score.Kind("none such"))
	assert.False(t, ok)
	assert.True(t, math.IsNaN(lost))
}

func TestWhoWasNamed(t *testing.T) {
	s := inOneTrial().At(6)
	share, ok := s.HostAccuracy()
	assert.True(t, ok)
	assert.InDelta(t, 2.0/3, share, 1e-12)
	n := 0
	s.Each(func(_ *score.Truth, d *score.Detection) {
		if d.Found {
			n++
		}
	})
	assert.Equal(t, 3, n)

	silent := scripted{port(200*hour, "1")}
	s = score.NewResult([]score.Curve{score.Sweep(silent, twoWeeks(thefts()...))}).At(1)
	_, ok = s.HostAccuracy()
	assert.False(t, ok, "it names nobody")
}

func TestWhatWasPromised(t *testing.T) {
	r := score.NewResult([]score.Curve{score.Sweep(method(), twoWeeks())})
	promises := score.Promises(r, func(threshold float64) float64 { return 10 - threshold })
	require.Len(t, promises, 5)
	// Without thefts all seven are wrong, in two weeks and by two rules.
	assert.Equal(t, score.Promise{Threshold: 5, Stated: 5, Observed: 7.0 / 4, Count: 7}, promises[0])
	assert.Equal(t, score.Promise{Threshold: 9, Stated: 1, Observed: 1.0 / 4, Count: 1}, promises[4])
}

// A release of a neighbouring processor gave every record the same score, and no test noticed.
func TestScoresThatAreAllEqualAreNoticed(t *testing.T) {
	assert.False(t, score.AllEqual(method()))
	same := method()
	for i := range same {
		same[i].Score = 50
	}
	assert.True(t, score.AllEqual(same))
	assert.True(t, score.AllEqual(scripted{}))
	assert.True(t, score.AllEqual(deaf{method()}), "thresholds that change nothing")
}

// deaf lists thresholds and heeds none.
type deaf struct{ scripted }

func (d deaf) Alarms(float64) []score.Alarm { return d.scripted }

func TestALongListOfThresholdsIsThinnedWhereAlarmsAreMany(t *testing.T) {
	many := scripted{scored(port(200*hour, "1"), 1e6, "")}
	for i := range 2000 {
		many = append(many, scored(port((170+int64(i)%300)*hour, fmt.Sprint(1000+i)), float64(i), ""))
	}
	c := score.Sweep(many, twoWeeks(thefts()...))
	assert.Less(t, len(c.Points), 150)
	assert.Equal(t, 1e6, c.Points[0].Threshold)
	assert.Equal(t, 1999.0, c.Points[1].Threshold)
	last := c.Points[len(c.Points)-1]
	assert.Greater(t, last.FalseAlarms(), 99, "one in a hundred is right, and no more is asked")
	assert.Less(t, last.FalseAlarms(), 120)
}
