//go:build unix

package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
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
	m.paced(batches, n, 0, took)
}

// BenchmarkStallOfWindows is how long a batch's way through the engine takes where a window has just closed in which a million entities
// were active, measured as BenchmarkStall does: in the minutes that follow the close, which begin while it is under way and bring most
// entities for the first time, and, quiet, in one after that. Batches come one after the other without a pause, or 50,000 records a second;
// where a save has just begun it is written before the window closes.
func BenchmarkStallOfWindows(b *testing.B) {
	const size = 1000
	for _, c := range []struct {
		name   string
		pause  time.Duration // after each batch
		saving bool
	}{
		{"without a pause", 0, false}, {"without a pause, saving", 0, true},
		{"50,000 a second", 20 * time.Millisecond, false}, {"50,000 a second, saving", 20 * time.Millisecond, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := learned(b, true)
			o := m.instance.engine.observer
			var quiet, closing latencies
			for b.Loop() {
				m.meetAll()
				o.Settle()
				m.window++
				batches := m.someTraffic(minute, size)
				runtime.GC()
				release := func() {}
				if c.saving {
					snapshot := o.Snapshot()
					release = func() { snapshot.Release(false) }
				}
				m.paced(batches, 3*len(batches), c.pause, &closing)
				o.Settle()
				release()
				m.undisturbed(batches, len(batches), &quiet)
			}
			quiet.report(b, "quiet")
			closing.report(b, "closing")
			b.ReportMetric(0, "ns/op")
			m.end()
		})
	}
}

// paced commits so many batches, with a pause after each.
func (m *million) paced(batches []plog.Logs, n int, pause time.Duration, took *latencies) {
	for i := range n {
		took.time(func() { m.commit(batches[i%len(batches)]) })
		time.Sleep(pause)
	}
}

// BenchmarkStallOfReload is how long a batch's way through the engine takes while a geo database of 131,072 networks is read
// again, as if it had been written to, and takes the place of the one before, measured as BenchmarkStall does.
func BenchmarkStallOfReload(b *testing.B) {
	path := filepath.Join(b.TempDir(), "city.mmdb")
	require.NoError(b, geotest.WriteCity(path, geotest.Cities(1<<17, 50_000)))
	for _, records := range []int{1000, 100} {
		b.Run(fmt.Sprintf("batches of %d", records), func(b *testing.B) {
			reloads := make(chan struct{}, 1)
			core, _ := observer.New(zap.InfoLevel)
			m := newMillion(b, checkpointtest.New(), func(cfg *config.Config, set *Settings) {
				cfg.Geo.Database, cfg.Geo.ReloadInterval = path, time.Millisecond
				set.Logger = zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
					if e.Message == "Geo database reloaded" {
						reloads <- struct{}{}
					}
					return nil
				}))
			})
			batches := m.someTraffic(minute, records)
			m.undisturbed(batches, len(batches), new(latencies))
			runtime.GC()
			var quiet, reloading latencies
			for b.Loop() {
				n := len(reloading)
				m.whileReloading(path, reloads, batches, &reloading)
				m.undisturbed(batches, len(reloading)-n, &quiet)
			}
			quiet.report(b, "quiet")
			reloading.report(b, "reloading")
			b.ReportMetric(0, "ns/op")
			m.end()
		})
	}
}

// whileReloading commits batches until a geo database that changes now has been read again.
func (m *million) whileReloading(path string, reloads <-chan struct{}, batches []plog.Logs, took *latencies) {
	now := time.Now()
	require.NoError(m.b, os.Chtimes(path, now, now))
	for i := 0; ; i++ {
		took.time(func() { m.commit(batches[i%len(batches)]) })
		select {
		case <-reloads:
			return
		default:
		}
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
