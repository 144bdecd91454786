package speed

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/bench/load"
	"github.com/otel-exfil/exfil/exfilprocessor"
)

// learned is a processor with its defaults that has warmed up, and what comes next: unlike elsewhere, sums are held against thresholds, who
// contributes to those that come near is kept, time goes on, and windows end.
type learned struct {
	subject
	step time.Duration // of event time, from one batch to the next
}

// perWindow is how many batches there are of a window.
const perWindow = 512

func newLearned(b *testing.B) *learned {
	b.Helper()
	f := exfilprocessor.NewFactory()
	cfg := f.CreateDefaultConfig().(*exfilprocessor.Config)
	p := started(b, f, cfg)

	t := load.New(usualEntities, load.Zipf)
	window, at := cfg.Windows[0], monday.Truncate(cfg.Windows[0])
	windows := int(cfg.WarmUp/window) + 8
	batches := slices.Collect(t.Some(at.Add(time.Duration(windows) * window)))
	all := slices.Concat(batches...)
	for range windows {
		for flows := range slices.Chunk(t.Folded(all, int64(perWindow/len(batches))), load.BatchRecords) {
			for i := range flows {
				flows[i].Time = at.UnixNano()
			}
			require.NoError(b, p.ConsumeLogs(context.Background(), encoded(b, load.ECS, flows)))
		}
		at = at.Add(window)
	}
	l := &learned{subject{Logs: p}, window / perWindow}
	for i, flows := range batches {
		ld := encoded(b, load.ECS, flows)
		moveOn(ld, time.Duration(i)*l.step)
		l.batches = append(l.batches, ld)
	}
	return l
}

// measure delivers the batches in turn, each time later. To change their times takes no time. Half a window has come before.
func (l *learned) measure(b *testing.B) {
	b.Helper()
	deliver := func(i int) error { return l.ConsumeLogs(context.Background(), l.batches[i]) }
	next := func() {
		for _, ld := range l.batches {
			moveOn(ld, time.Duration(len(l.batches))*l.step)
		}
	}
	for range perWindow / 2 / len(l.batches) {
		for i := range l.batches {
			require.NoError(b, deliver(i))
		}
		next()
	}
	measureRefilled(b, len(l.batches), next, deliver)
}

// moveOn makes records later.
func moveOn(ld plog.Logs, by time.Duration) {
	records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	for i := range records.Len() {
		r := records.At(i)
		r.SetTimestamp(r.Timestamp() + pcommon.Timestamp(by))
	}
}
