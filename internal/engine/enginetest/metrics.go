package enginetest

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// Meter counts connections as OpenTelemetry eBPF Instrumentation does: in a sum with a data point for
// each pair of ends. The zero value tells increases.
type Meter struct {
	Cumulative bool // tell running totals instead

	totals map[string]int64
}

// Export counts connections and returns a data point for each. Of running totals, a pair of ends
// that is new is preceded by a data point of nothing, so that all its bytes are an increase.
func (m *Meter) Export(connections ...Sent) pmetric.Metrics {
	md := pmetric.NewMetrics()
	metric := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	metric.SetName("obi.network.flow.bytes")
	metric.SetUnit("By")
	sum := metric.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	if m.Cumulative {
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	}
	for i, c := range connections {
		source := address(i)
		value, isNew := m.count(source, &c)
		if isNew {
			point(sum.DataPoints().AppendEmpty(), &c, source, c.At.Add(-time.Millisecond), 0)
		}
		point(sum.DataPoints().AppendEmpty(), &c, source, c.At, value)
	}
	return md
}

// count returns what a connection's data point tells, and whether its running total is new.
func (m *Meter) count(source string, c *Sent) (value int64, isNew bool) {
	if !m.Cumulative {
		return c.Bytes, false
	}
	if m.totals == nil {
		m.totals = map[string]int64{}
	}
	ends := fmt.Sprintf("%s %s %d", source, c.Host, c.Port)
	before, known := m.totals[ends]
	m.totals[ends] = before + c.Bytes
	return before + c.Bytes, !known
}

func point(p pmetric.NumberDataPoint, c *Sent, source string, at time.Time, value int64) {
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
	p.SetIntValue(value)
	a := p.Attributes()
	a.PutStr("src.address", source)
	a.PutStr("src.name", c.Host)
	a.PutStr("dst.address", "198.51.100.20")
	a.PutStr("dst.country", "US")
	a.PutInt("dst.port", c.Port)
}
