package observer

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

var update = flag.Bool("update", false, "write what gauges look like now to testdata")

// gaugeFile compares metrics with a file of testdata.
func gaugeFile(t *testing.T, name string, md pmetric.Metrics) {
	t.Helper()
	compact, err := new(pmetric.JSONMarshaler).MarshalMetrics(md)
	require.NoError(t, err)
	var got bytes.Buffer
	require.NoError(t, json.Indent(&got, compact, "", "  "))
	got.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run with -update to make it")
	assert.Equal(t, string(want), got.String())
}

func window(start time.Time, state detector.State, rules ...detector.RuleReadings) detector.ClosedWindow {
	return detector.ClosedWindow{Start: start, End: start.Add(3 * time.Hour), Span: 3 * time.Hour, State: state, Rules: rules}
}

func TestWhatGaugesLookLike(t *testing.T) {
	ports := []flow.Field{flow.DestinationPort}
	gaugeFile(t, "gauges", writeGauges([]detector.ClosedWindow{
		window(monday, detector.Learning, detector.RuleReadings{Rule: "unusual_destination_port", Fields: ports, Readings: []detector.Reading{
			{Values: []string{"443"}, Bytes: 5_000_000, Typical: 4_000_000, Upper: detector.NoUpper, Score: 12.5},
		}}),
		window(monday.Add(3*time.Hour), detector.Ready,
			detector.RuleReadings{Rule: "unusual_destination_port", Fields: ports, Readings: []detector.Reading{
				{Values: []string{"4444"}, Bytes: 300_000_000, Typical: 900, Upper: 1_048_576, Score: 94.5},
				{Values: []string{detector.OverflowValue}, Bytes: 70_000, Typical: 60_000, Upper: 9_000_000, Score: 0},
			}},
			detector.RuleReadings{Rule: "hosts", Fields: []flow.Field{flow.Host, flow.DestinationRegion}, Readings: []detector.Reading{
				{Values: []string{"ws-\xff1", "Île-de-France"}, Bytes: 0, Typical: 1, Upper: 2, Score: math.NaN()},
			}}),
	}, "1.2.3", nil))
}

func TestAGaugeWithoutAPointIsLeftOut(t *testing.T) {
	md := writeGauges([]detector.ClosedWindow{window(monday, detector.Learning, detector.RuleReadings{
		Rule: "r", Fields: []flow.Field{flow.User}, Readings: []detector.Reading{{Values: []string{"root"}, Upper: detector.NoUpper}},
	})}, "", nil)
	assert.Equal(t, 2, md.MetricCount())
	assert.Equal(t, 0, writeGauges(nil, "", nil).MetricCount())
}

// gaugeValues are the values of a gauge, by the entity, of the last window told.
func gaugeValues(md pmetric.Metrics, name string) map[string]float64 {
	values := map[string]float64{}
	for _, m := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		for _, p := range m.Gauge().DataPoints().All() {
			if m.Name() != name {
				continue
			}
			entity, _ := p.Attributes().Get("exfil.entity.value")
			if values[entity.Str()] = float64(p.IntValue()); p.ValueType() == pmetric.NumberDataPointValueTypeDouble {
				values[entity.Str()] = p.DoubleValue()
			}
		}
	}
	return values
}

// Given an office, when an hour ends, then its bytes are told beside what was expected; the day of the warm-up
// tells no threshold.
func TestEveryClosedWindowIsTold(t *testing.T) {
	b := &bench{t: t, now: monday}
	off := false
	cfg := quick(func(cfg *config.Config) { cfg.Rules = map[string]rule.Override{"unusual_region": {Enabled: &off}} })
	o, err := New(cfg, Settings{Now: func() time.Time { return b.now }, BuildVersion: "1.2.3"})
	require.NoError(t, err)
	o.KeepReadings(2)
	require.NoError(t, o.Start(t.Context()))
	b.Observer = o
	hours := 0
	for hour := range 48 {
		for i, port := range []uint16{443, 443, 80, 22} {
			b.deliver(outbound(b.now.Add(time.Duration(i)*time.Second), port, int64(200_000+1000*i)))
		}
		b.now = b.now.Add(time.Hour)
		if b.PendingWindows() == 0 {
			continue
		}
		hours++
		md, mark := b.Gauges()
		assert.Equal(t, map[string]float64{"443": 401_000, "22": 203_000}, gaugeValues(md, "exfil.window.bytes"), "the two that sent most")
		assert.Len(t, gaugeValues(md, "exfil.baseline.typical"), 2)
		if hour <= 25 { // a window closes five minutes into the one after it, by the next hour's records
			assert.Empty(t, gaugeValues(md, "exfil.score"))
			assert.Empty(t, gaugeValues(md, "exfil.baseline.upper"))
		} else {
			assert.Less(t, gaugeValues(md, "exfil.score")["443"], 75.0)
			assert.Contains(t, gaugeValues(md, "exfil.score"), "22")
			assert.Greater(t, gaugeValues(md, "exfil.baseline.upper")["443"], 401_000.0)
			assert.InDelta(t, 401_000, gaugeValues(md, "exfil.baseline.typical")["443"], 40_000)
		}
		b.DeliveredGauges(mark)
		assert.Zero(t, b.PendingWindows())
	}
	assert.Equal(t, 46, hours)
	b.now = b.now.Add(10 * time.Minute)
	b.Tick()
	assert.EqualValues(t, 2, b.PendingWindows(), "no traffic closed them")
	assert.Zero(t, b.Stats().LostWindows)
	require.NoError(t, b.Close())
}

// Windows stay until they are delivered, whatever a consumer did to what it refused. Too many are counted.
func TestWindowsThatWaitTooLongAreLost(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	b.KeepReadings(10)
	hour := func() {
		b.deliver(outbound(b.now, 443, int64(200_000+b.now.Hour())))
		b.now = b.now.Add(time.Hour)
	}
	for range 5 {
		hour()
	}
	first, mark := b.Gauges()
	first.ResourceMetrics().RemoveIf(func(pmetric.ResourceMetrics) bool { return true })
	again, _ := b.Gauges()
	require.EqualValues(t, 3, b.PendingWindows())
	assert.Equal(t, 3*2*2, again.DataPointCount(), "three windows, two gauges, two rules")

	for range 7 { // while the first three are on their way
		hour()
	}
	assert.EqualValues(t, 8, b.PendingWindows())
	assert.EqualValues(t, 2, b.Stats().LostWindows)
	b.DeliveredGauges(mark)
	assert.EqualValues(t, 7, b.PendingWindows(), "of the three one was still there")
	b.DeliveredGauges(mark)
	assert.EqualValues(t, 7, b.PendingWindows())
	left, mark := b.Gauges()
	assert.Equal(t, 200_009.0, gaugeValues(left, "exfil.window.bytes")["443"])
	b.DeliveredGauges(mark)
	assert.Zero(t, b.PendingWindows())
}

// Where nothing takes alerts they are decided and counted as ever, and none is kept.
func TestAlertsThatNobodyWantsAreNotKept(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	b.DiscardAlerts()
	b.days(3)
	b.deliver(outbound(b.now, 4444, 900_000_000))
	assert.Positive(t, b.Stats().Alerts["unusual_destination_port"])
	assert.Zero(t, b.Pending())
	assert.Zero(t, b.Stats().Dropped)
	assert.Equal(t, 2, b.log.FilterMessage("Detection health").Len(), "the log still tells")
}
