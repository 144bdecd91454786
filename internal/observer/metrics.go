package observer

import (
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/flow"
)

// DecodeMetrics reads the flows of md as Decode does those of logs: nothing is counted until Commit, and
// Discard forgets. So a batch that is refused and sent again counts once. It takes no lock and
// keeps nothing of md but strings.
func (o *Observer) DecodeMetrics(md pmetric.Metrics) *Batch {
	b := o.batches.Get().(*Batch)
	b.scratch.Now = o.now()
	resources := md.ResourceMetrics()
	for i := range resources.Len() {
		resource := resources.At(i)
		o.decoder.MetricResource(&b.scratch, resource.Resource())
		scopes := resource.ScopeMetrics()
		for j := range scopes.Len() {
			scope := scopes.At(j)
			o.decoder.MetricScope(&b.scratch, scope.Scope())
			metrics := scope.Metrics()
			for k := range metrics.Len() {
				o.decodeMetric(b, metrics.At(k))
			}
		}
	}
	b.scratch.Reset()
	return b
}

func (o *Observer) decodeMetric(b *Batch, m pmetric.Metric) {
	n := decode.PointCount(m)
	b.read += int64(n)
	if reason := o.decoder.Metric(&b.scratch, m); reason != decode.Accepted {
		b.reasons[reason] += int64(n)
		return
	}
	points := m.Sum().DataPoints()
	for i := range points.Len() {
		o.decodePoint(b, points.At(i))
	}
}

func (o *Observer) decodePoint(b *Batch, p pmetric.NumberDataPoint) {
	var r flow.Record
	at, reason := o.decoder.Point(&b.scratch, p, &r)
	b.reasons[reason]++
	if reason != decode.Accepted || at.Cumulative {
		return
	}
	o.resolve(b, &r)
}
