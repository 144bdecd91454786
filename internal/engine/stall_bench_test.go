//go:build unix

package engine

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// BenchmarkStall is how long a batch's way through the engine takes while a checkpoint of a million entities is saved,
// beside how long it takes while none is, each once as far as saves last. Batches come one after the other, without a
// pause, and every other save comes right after the one before, with as many batches between them as there
// were while it lasted.
//
// What is measured is the processor time of the whole process, so that what else the machine does plays no part. On one
// processor (GOMAXPROCS=1) that is all the time that a batch needs or waits for: the save and the garbage collector take theirs
// from it.
func BenchmarkStall(b *testing.B) {
	for _, c := range []struct {
		active  bool
		records int
	}{{false, 1000}, {false, 100}, {true, 1000}, {true, 100}} {
		b.Run(fmt.Sprintf("%s, batches of %d", activity(c.active), c.records), func(b *testing.B) {
			m := learned(b, c.active)
			m.save()
			batches := m.someTraffic(minute, c.records)
			runtime.GC()
			var quiet, saving latencies
			for b.Loop() {
				n := len(saving)
				m.whileSaving(batches, &saving)
				m.undisturbed(batches, len(saving)-n, &quiet)
			}
			quiet.report(b, "quiet")
			saving.report(b, "saving")
			b.ReportMetric(0, "ns/op")
			m.end()
		})
	}
}

// whileSaving commits batches until a save that begins now is over.
func (m *million) whileSaving(batches []plog.Logs, took *latencies) {
	saved := make(chan error, 1)
	go func() { saved <- m.instance.engine.keeper.save(m.b.Context()) }()
	for i := 0; ; i++ {
		took.time(func() { m.commit(batches[i%len(batches)]) })
		select {
		case err := <-saved:
			require.NoError(m.b, err)
			return
		default:
		}
	}
}

// undisturbed commits so many batches.
func (m *million) undisturbed(batches []plog.Logs, n int, took *latencies) {
	for i := range n {
		took.time(func() { m.commit(batches[i%len(batches)]) })
	}
}

// latencies are how long batches took.
type latencies []time.Duration

func (l *latencies) time(f func()) {
	began := processorTime()
	f()
	*l = append(*l, processorTime()-began)
}

// processorTime is how long processors have worked for this process.
func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// report tells the middle, the worst ones and the worst, in microseconds.
func (l *latencies) report(b *testing.B, when string) {
	slices.Sort(*l)
	for _, p := range []struct {
		name string
		part float64
	}{{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}} {
		at := min(len(*l)-1, int(p.part*float64(len(*l))))
		b.ReportMetric(float64((*l)[at].Microseconds()), fmt.Sprintf("%s-%s-µs", when, p.name))
	}
	b.ReportMetric(float64(len(*l)), when+"-batches")
}
