package observer

import (
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/stream"
)

// leastGap is how long all counters may be silent at least before that is an outage. They are
// exported every minute or so, and an export may be tried for some minutes.
const leastGap = 15 * time.Minute

// streamOptions say how the counters of a configuration are remembered. What is added behind an outage that is
// longer than the shortest window may belong to another window.
func streamOptions(cfg *config.Config, now time.Time) stream.Options {
	return stream.Options{
		Limit:   stream.MaxStreams,
		Groups:  stream.MaxGroups,
		Gap:     max(leastGap, slices.Min(cfg.Windows)),
		Skew:    cfg.MaxClockSkew,
		Created: now,
	}
}

// counted is a flow whose bytes a counter tells.
type counted struct {
	stream.Point
	flow int // index in part.flows
}

// DecodeMetrics reads the flows of md as Decode does those of logs: nothing is counted until Commit, and
// Discard forgets. So a batch that is refused and sent again counts once. It takes no lock and
// keeps nothing of md but strings.
func (o *Observer) DecodeMetrics(md pmetric.Metrics) *Batch {
	b := o.take()
	resources := md.ResourceMetrics()
	for i := range resources.Len() {
		resource := resources.At(i)
		if o.partition.attribute != "" {
			b.turn(o.partition.ofResource(resource.Resource()), o.tenants)
		}
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
	o.complete(b)
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
	at, reason := o.decoder.Point(&b.scratch, p, &b.point)
	b.reasons[reason]++
	if reason != decode.Accepted {
		return
	}
	part := b.at
	n := len(part.flows)
	if o.resolve(b, &b.point, nil); len(part.flows) > n {
		part.counted = append(part.counted, counted{at, n})
		return
	}
	part.hear(at)
}

// hear keeps a point whose bytes do not leave, for it tells that its sender is there; of those in a row
// that tell the same, one.
func (p *part) hear(at stream.Point) {
	if last := len(p.heard) - 1; last >= 0 && p.heard[last].Group == at.Group && p.heard[last].Time == at.Time {
		return
	}
	p.heard = append(p.heard, at)
}

// openStreams tells the memory of streams of the times in the first batch of counters, and who was heard of.
func (t *tenant) openStreams(p *part, now time.Time) {
	if len(p.counted) > 0 {
		t.streams.Open(p.times())
	}
	for i := range p.heard {
		t.streams.Hear(&p.heard[i], now)
	}
}

// times returns when the oldest and the newest of the counters were taken, of which there is one at least.
func (p *part) times() (oldest, newest int64) {
	oldest, newest = p.counted[0].Time, p.counted[0].Time
	for i := range p.counted {
		oldest, newest = min(oldest, p.counted[i].Time), max(newest, p.counted[i].Time)
	}
	return oldest, newest
}

// increment replaces what a counter's flow carries by the bytes that it adds, if it adds any.
func (t *tenant) increment(p *part, c *counted, now time.Time) stream.Outcome {
	added, outcome := t.streams.Advance(&c.Point, now)
	if outcome == stream.Added {
		p.flows[c.flow].Bytes = added
	}
	return outcome
}
