package decode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/stream"
)

// metricCase is one file below testdata/metrics: a data point as it arrives and what is read of it.
type metricCase struct {
	About      string         `json:"about"`
	Inputs     []decode.Input `json:"inputs"` // none: auto
	Resource   map[string]any `json:"resource"`
	Name       string         `json:"name"`
	Unit       string         `json:"unit"`
	Type       string         `json:"type"` // none: sum
	Falls      bool           `json:"falls"`
	Delta      bool           `json:"delta"`
	Start      time.Time      `json:"start"`
	Timestamp  time.Time      `json:"timestamp"`
	Value      json.Number    `json:"value"` // none: no recorded value
	Attributes map[string]any `json:"attributes"`
	Reason     string         `json:"reason"`
	Bytes      int64          `json:"bytes"`
	Flow       *caseFlow      `json:"flow"`
}

func readMetricCase(t testing.TB, path string) metricCase {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var c metricCase
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&c), path)
	return c
}

func metricCases(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/metrics/*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	return paths
}

// deliver makes of a case what a pipeline hands over.
func (c *metricCase) deliver(t testing.TB, number func(json.Number) any) pmetric.Metrics {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	require.NoError(t, rm.Resource().Attributes().FromRaw(asMap(spell(c.Resource, number))))
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(c.Name)
	m.SetUnit(c.Unit)
	switch c.Type {
	case "gauge":
		m.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(1)
		return md
	case "histogram":
		m.SetEmptyHistogram().DataPoints().AppendEmpty()
		return md
	case "exponential_histogram":
		m.SetEmptyExponentialHistogram().DataPoints().AppendEmpty()
		return md
	case "summary":
		m.SetEmptySummary().DataPoints().AppendEmpty()
		return md
	}
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(!c.Falls)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	switch {
	case c.Type == "sum_of_no_temporality":
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityUnspecified)
	case c.Delta:
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	}
	c.fill(t, sum.DataPoints().AppendEmpty(), number)
	return md
}

func (c *metricCase) fill(t testing.TB, p pmetric.NumberDataPoint, number func(json.Number) any) {
	t.Helper()
	require.NoError(t, p.Attributes().FromRaw(asMap(spell(c.Attributes, number))))
	if !c.Start.IsZero() {
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(c.Start))
	}
	if !c.Timestamp.IsZero() {
		p.SetTimestamp(pcommon.NewTimestampFromTime(c.Timestamp))
	}
	switch v := number(c.Value).(type) {
	case float64:
		p.SetDoubleValue(v)
	case int64:
		p.SetIntValue(v)
	}
	if c.Value == "" {
		p.SetFlags(p.Flags().WithNoRecordedValue(true))
	}
}

// points reads a batch as the observer does, point by point.
func points(d *decode.Decoder, s *decode.Scratch, md pmetric.Metrics, each func(flow.Record, stream.Point, decode.Reason)) {
	for _, rm := range md.ResourceMetrics().All() {
		d.MetricResource(s, rm.Resource())
		for _, sm := range rm.ScopeMetrics().All() {
			d.MetricScope(s, sm.Scope())
			for _, m := range sm.Metrics().All() {
				if why := d.Metric(s, m); why != decode.Accepted {
					for range decode.PointCount(m) {
						each(flow.Record{}, stream.Point{}, why)
					}
					continue
				}
				for _, p := range m.Sum().DataPoints().All() {
					var r flow.Record
					at, why := d.Point(s, p, &r)
					each(r, at, why)
				}
			}
		}
	}
}

// one reads a batch of one point.
func onePoint(t testing.TB, d *decode.Decoder, md pmetric.Metrics) (r flow.Record, at stream.Point, why decode.Reason) {
	t.Helper()
	n := 0
	points(d, &decode.Scratch{Now: now()}, md, func(gotFlow flow.Record, gotPoint stream.Point, gotWhy decode.Reason) {
		r, at, why = gotFlow, gotPoint, gotWhy
		n++
	})
	require.Equal(t, 1, n)
	return r, at, why
}

func TestMetricCases(t *testing.T) {
	for _, path := range metricCases(t) {
		c := readMetricCase(t, path)
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/metrics/"), ".json")
		for _, spelling := range spellings() {
			t.Run(name+"/"+spelling.name, func(t *testing.T) {
				number := spelling.number
				if spelling.name == "text" {
					// Labels are text after a way through Prometheus; values are never.
					number = func(n json.Number) any {
						if n == c.Value {
							return spellings()[0].number(n)
						}
						return n.String()
					}
				}
				r, at, why := onePoint(t, newDecoder(t, c.Inputs...), c.deliver(t, number))

				assert.Equal(t, c.Reason, why.String(), c.About)
				if c.Flow == nil {
					assert.NotEqual(t, decode.Accepted, why, "what is accepted tells of a flow")
					return
				}
				assert.Equal(t, c.Flow.record(), r, c.About)
				assert.Equal(t, c.Bytes, at.Bytes, c.About)
				assert.Equal(t, !c.Delta, at.Cumulative)
				assert.Equal(t, r.Time, at.Time)
				assert.NotZero(t, at.ID)
			})
		}
	}
}
