package decode

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/stream"
)

// maxTotal bounds a cumulative count of bytes; more is a broken counter. It is far above
// MaxBytes, which bounds what one flow may add: a counter may run for years.
const maxTotal = math.MaxInt64 / 2

// metricFormat reads the flows of metrics whose data points count bytes.
type metricFormat interface {
	// point fills in everything of r but its bytes. Reply says that they went from r's
	// destination to its source; rate is what the count must be multiplied with, at least 1.
	point(s *Scratch, r *flow.Record) (reply bool, rate int64, why Reason)
}

// metrics knows the configured metrics. Their keys have a table of their own: a metric is known
// by its name, so none of its attributes has to be a sign of anything.
type metrics struct {
	top    *level
	slots  int
	byName map[string]metricFormat
}

// counter is the metric in hand, and what holds for all of its points.
type counter struct {
	format     metricFormat
	unit       unit
	cumulative bool

	resource, scope, metric uint64 // identities
}

// MetricResource begins the metrics of one resource: Point fills in from it what a data point
// does not have. It is to be called for each ResourceMetrics.
func (d *Decoder) MetricResource(s *Scratch, res pcommon.Resource) {
	s.fit(d.metrics.slots)
	s.gather(d.metrics.top, res.Attributes())
	s.keepResource()
	s.identity = &d.identity
	s.counter.resource = s.identity.attributes(res.Attributes(), 0)
}

// MetricScope begins the metrics of one instrumentation scope. It is to be called for each
// ScopeMetrics, after MetricResource.
func (d *Decoder) MetricScope(s *Scratch, scope pcommon.InstrumentationScope) {
	h := s.identity
	s.counter.scope = h.chain(h.text(scope.Name()), h.text(scope.Version()), h.attributes(scope.Attributes(), 0))
}

// Metric begins a metric, after MetricScope. If it is Accepted, the data points of its Sum may be
// read with Point; any other reason holds for all of its points.
func (d *Decoder) Metric(s *Scratch, m pmetric.Metric) Reason {
	c := &s.counter
	format, known := d.metrics.byName[m.Name()]
	if !known {
		return UnknownFormat
	}
	if m.Type() != pmetric.MetricTypeSum {
		return NotASum
	}
	sum := m.Sum()
	if !sum.IsMonotonic() {
		return NotMonotonic
	}
	switch sum.AggregationTemporality() {
	case pmetric.AggregationTemporalityCumulative:
		c.cumulative = true
	case pmetric.AggregationTemporalityDelta:
		c.cumulative = false
	default:
		return NoTemporality
	}
	if c.unit, known = unitOf(m.Unit()); !known {
		return BadUnit
	}
	c.format = format
	c.metric = d.identity.chain(c.resource, c.scope, d.identity.text(m.Name()), uint64(sum.AggregationTemporality()))
	return Accepted
}

// PointCount returns the number of data points of a metric, of whatever type.
func PointCount(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	}
	return 0
}

// Point reads a data point of the metric that Metric has accepted: into r, whose flow it tells of,
// and as a point of its stream, whose Bytes are in bytes whatever the unit. Only if it is
// Accepted do the two say anything; then everything holds of r that Log promises of a flow.
//
// What a point of a cumulative stream adds is known only to who remembers the point before; until
// then r carries a single byte, for the way that it went. A count of a delta stream stands in r.
// An increment is counted at the point's Timestamp, also where it was sent bit by bit since the point
// before. In the steady state Point does not allocate.
func (d *Decoder) Point(s *Scratch, p pmetric.NumberDataPoint, r *flow.Record) (stream.Point, Reason) {
	c := &s.counter
	if p.Flags().NoRecordedValue() {
		return stream.Point{}, NoData
	}
	n, why := c.unit.bytes(p)
	if why != Accepted {
		return stream.Point{}, why
	}
	s.fit(d.metrics.slots)
	s.gather(d.metrics.top, p.Attributes())
	s.inherit()
	*r = flow.Record{}
	r.Time, r.Sent, r.Received = s.pointTime(p), flow.UnknownBytes, flow.UnknownBytes
	reply, rate, why := c.format.point(s, r)
	if why != Accepted {
		return stream.Point{}, why
	}
	if n > 0 && rate > c.most()/n {
		return stream.Point{}, BadBytes
	}
	at := stream.Point{
		Start:      sinceEpoch(p.StartTimestamp()),
		Time:       r.Time,
		Bytes:      n * rate,
		Cumulative: c.cumulative,
	}
	if at.Bytes > c.most() {
		return stream.Point{}, BadBytes
	}
	at.ID = d.identity.chain(c.metric, d.identity.attributes(p.Attributes(), 0))
	at.Group = d.identity.chain(c.metric, uint64(at.Start))
	carry := at.Bytes
	if c.cumulative {
		carry = 1
	}
	if reply {
		r.Received = carry
	} else {
		r.Sent = carry
	}
	return at, Accepted
}

// most is the largest count that a point may have.
func (c *counter) most() int64 {
	if c.cumulative {
		return maxTotal
	}
	return MaxBytes
}

// pointTime is when a data point was taken; Now where it does not say so.
func (s *Scratch) pointTime(p pmetric.NumberDataPoint) int64 {
	if p.Timestamp() != 0 {
		return sinceEpoch(p.Timestamp())
	}
	return s.Now.UnixNano()
}
