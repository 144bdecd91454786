package observer

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
)

// gauges are what docs/baseline-metrics.md describes: a data point of each gauge for each
// entity of each rule and window.
type gauges struct {
	tenant                       *alert.Tenant // whose they are
	bytes, typical, upper, score pmetric.NumberDataPointSlice
}

// writeGauges writes closed windows into a batch of its own. A gauge without a data point is left out.
func writeGauges(windows []detector.ClosedWindow, version string, of *alert.Tenant) pmetric.Metrics {
	md := pmetric.NewMetrics()
	if len(windows) == 0 {
		return md
	}
	resource := md.ResourceMetrics().AppendEmpty()
	of.PutResource(resource.Resource())
	scope := resource.ScopeMetrics().AppendEmpty()
	scope.Scope().SetName(alert.ScopeName)
	scope.Scope().SetVersion(version)
	g := newGauges(scope.Metrics())
	g.tenant = of
	for i := range windows {
		g.add(&windows[i])
	}
	scope.Metrics().RemoveIf(func(m pmetric.Metric) bool { return m.Gauge().DataPoints().Len() == 0 })
	return md
}

func newGauges(to pmetric.MetricSlice) gauges {
	gauge := func(name, unit, description string) pmetric.NumberDataPointSlice {
		m := to.AppendEmpty()
		m.SetName(name)
		m.SetUnit(unit)
		m.SetDescription(description)
		return m.SetEmptyGauge().DataPoints()
	}
	return gauges{
		bytes:   gauge("exfil.window.bytes", "By", "Bytes that the entity sent in the window."),
		typical: gauge("exfil.baseline.typical", "By", "Bytes that were typical of the entity in the window: the median of what was expected."),
		upper:   gauge("exfil.baseline.upper", "By", "Bytes from which on the entity would have alerted in the window."),
		score:   gauge("exfil.score", "1", "How unusual the bytes of the window are, 0 to 100."),
	}
}

// add writes a window. What is not calibrated yet, in the warm-up, has no score that means anything.
func (g gauges) add(w *detector.ClosedWindow) {
	for i := range w.Rules {
		r := &w.Rules[i]
		for j := range r.Readings {
			reading := &r.Readings[j]
			attributes := pcommon.NewMap()
			attributes.PutStr("exfil.rule.id", r.Rule)
			attributes.PutStr("exfil.window.span", rule.FormatSpan(w.Span))
			g.tenant.Put(attributes)
			alert.PutEntity(attributes, r.Fields, reading.Values)
			point := func(to pmetric.NumberDataPointSlice) pmetric.NumberDataPoint {
				p := to.AppendEmpty()
				p.SetStartTimestamp(pcommon.NewTimestampFromTime(w.Start))
				p.SetTimestamp(pcommon.NewTimestampFromTime(w.End))
				attributes.CopyTo(p.Attributes())
				return p
			}
			point(g.bytes).SetIntValue(reading.Bytes)
			point(g.typical).SetIntValue(reading.Typical)
			if reading.Upper != detector.NoUpper {
				point(g.upper).SetIntValue(reading.Upper)
			}
			if w.State != detector.Learning && !math.IsNaN(reading.Score) {
				point(g.score).SetDoubleValue(reading.Score)
			}
		}
	}
}
