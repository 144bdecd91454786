package engine

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/checkpoint"
	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// A million entities: each of so many records is of a pair of its own under each of the three detail keys of the default
// rules, and ports and regions make up the rest.
const (
	millionPorts   = 60_000
	millionRegions = 4_000
	millionPairs   = 312_000
	millionPerHost = 50 // pairs

	millionSpan = 3 * time.Hour

	minute = 60_000 // records: a thousand a second
)

// million is an engine that knows a million entities, and the storage that it is kept in.
type million struct {
	b        *testing.B
	client   *checkpointtest.Client
	instance *Instance
	window   int // that is open
	clock    *enginetest.Clock
}

// inMemory is a storage extension, and a host that runs it.
type inMemory struct {
	component.StartFunc
	component.ShutdownFunc
	client storage.Client
}

var inMemoryID = component.MustNewID("in_memory")

func (m *inMemory) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{inMemoryID: m}
}

func (m *inMemory) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return m.client, nil
}

// newMillion starts an engine over what a client has.
func newMillion(b *testing.B, client *checkpointtest.Client, change ...func(*config.Config, *Settings)) *million {
	b.Helper()
	cfg := config.Default()
	cfg.MaxEntities = 1_000_000
	cfg.MinBytes = 1 << 60 // nothing alerts
	cfg.Storage = &inMemoryID
	m := &million{b: b, client: client, clock: enginetest.NewClock()}
	set := Settings{TelemetrySettings: componenttest.NewNopTelemetrySettings(), ID: component.MustNewID("exfil"), Kind: component.KindProcessor}
	for _, c := range change {
		c(cfg, &set)
	}
	var err error
	m.instance, err = NewRegistry(m.clock).Join(set, cfg, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, m.instance.Start(b.Context(), &inMemory{client: client}))
	return m
}

// end ends the engine.
func (m *million) end() { require.NoError(m.b, m.instance.Shutdown(context.Background())) }

// at is a moment of the open window.
func (m *million) at() time.Time {
	return enginetest.Monday.Add(time.Duration(m.window)*millionSpan + time.Hour)
}

// meetAll lets every entity be active in the open window.
func (m *million) meetAll() {
	const size = 1000
	batch := newMillionBatch(size)
	for from := 0; from < millionPairs; from += size {
		for i := range size {
			batch.write(i, from+i, m.at())
		}
		m.commit(batch.logs)
	}
}

// meet lets all entities be active in the open window, or some.
func (m *million) meet(all bool) {
	if all {
		m.meetAll()
		return
	}
	for _, batch := range m.someTraffic(minute, 1000) {
		m.commit(batch)
	}
}

func (m *million) commit(ld plog.Logs) { m.instance.Commit(m.b.Context(), m.instance.Decode(ld)) }

// closeWindow opens the next window, with a record of it.
func (m *million) closeWindow() {
	m.window++
	batch := newMillionBatch(1)
	batch.write(0, 0, m.at())
	m.commit(batch.logs)
}

func (m *million) save() {
	require.NoError(m.b, m.instance.engine.keeper.save(m.b.Context()))
}

// forget gives the engine an empty storage, in which all is yet to be written.
func (m *million) forget() {
	k := m.instance.engine.keeper
	m.client = checkpointtest.New()
	k.client, k.store = m.client, checkpoint.Open(m.client, checkpoint.Options{})
	m.instance.engine.observer.Snapshot().Release(false)
}

// report tells how large the checkpoint is.
func (m *million) report(b *testing.B) {
	b.ReportMetric(float64(m.instance.engine.kept.bytes.Load())/1e6, "MB")
}

// learned makes an engine that has learned of a million entities for some windows, all of which are in storage. Active says
// whether all are in the open window, too.
func learned(b *testing.B, active bool) *million {
	b.Helper()
	m := newMillion(b, checkpointtest.New())
	for range 3 {
		m.meetAll()
		m.closeWindow()
	}
	m.meet(active)
	require.InDelta(b, 1_000_000, m.instance.Stats().Detector.Keys, 1000)
	return m
}

func activity(all bool) string {
	if all {
		return "all active"
	}
	return "few active"
}

// millionBatch is a delivery of ECS records.
type millionBatch struct {
	logs  plog.Logs
	slots []millionSlot
}

type millionSlot struct {
	record                            plog.LogRecord
	host, source, port, bytes, region pcommon.Value
}

func newMillionBatch(size int) *millionBatch {
	m := &millionBatch{logs: plog.NewLogs()}
	records := m.logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.EnsureCapacity(size)
	for range size {
		lr := records.AppendEmpty()
		a := lr.Attributes()
		a.EnsureCapacity(8)
		a.PutStr("network.direction", "egress")
		a.PutInt("destination.bytes", 4000)
		a.PutStr("destination.ip", "198.51.100.20")
		m.slots = append(m.slots, millionSlot{
			record: lr, host: a.PutEmpty("host.name"), source: a.PutEmpty("source.ip"),
			port: a.PutEmpty("destination.port"), bytes: a.PutEmpty("source.bytes"), region: a.PutEmpty("destination.geo.region_name"),
		})
	}
	return m
}

// write writes the record of a pair.
func (m *millionBatch) write(slot, pair int, at time.Time) {
	s, host := &m.slots[slot], pair/millionPerHost
	s.record.SetTimestamp(pcommon.NewTimestampFromTime(at))
	s.host.SetStr(fmt.Sprintf("host-%05d", host))
	s.source.SetStr(fmt.Sprintf("10.0.%d.%d", host>>8, host&255))
	s.port.SetInt(int64(1 + pair%millionPorts))
	s.region.SetStr(fmt.Sprintf("Region %04d", (pair+pair/millionPorts)%millionRegions))
	s.bytes.SetInt(int64(500 + pair%3000))
}

// someTraffic is batches of records of entities drawn at random.
func (m *million) someTraffic(records, size int) []plog.Logs {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]plog.Logs, 0, records/size)
	for range records / size {
		batch := newMillionBatch(size)
		for i := range size {
			batch.write(i, random.IntN(millionPairs), m.at())
		}
		all = append(all, batch.logs)
	}
	return all
}

// BenchmarkCheckpoint is how long it takes to save what is known of a million entities, and to load it. All were
// active in three windows; few are in the open one, or all. A minute's changes are those of a thousand records a second.
// The storage is in memory, and copies what it is given.
func BenchmarkCheckpoint(b *testing.B) {
	for _, active := range []bool{false, true} {
		b.Run(activity(active), func(b *testing.B) {
			m := learned(b, active)
			b.Run("first", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					m.forget()
					b.StartTimer()
					m.save()
				}
				m.report(b)
			})
			b.Run("nothing changed", func(b *testing.B) {
				for b.Loop() {
					m.save()
				}
				m.report(b)
			})
			traffic := m.someTraffic(minute, 1000)
			b.Run("after a minute", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					for _, batch := range traffic {
						m.commit(batch)
					}
					b.StartTimer()
					m.save()
				}
				m.report(b)
			})
			b.Run("load", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					copied := m.client.Clone()
					b.StartTimer()
					again := newMillion(b, copied)
					b.StopTimer()
					require.Equal(b, m.instance.Stats().Detector.Keys, again.instance.Stats().Detector.Keys)
					again.end()
					b.StartTimer()
				}
			})
			b.Run("after a window", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					m.meet(active)
					m.closeWindow()
					b.StartTimer()
					m.save()
				}
				m.report(b)
			})
			m.end()
		})
	}
}

// BenchmarkHold is for how long a save of a million entities holds the path at a time: at the cut, and while each shard is
// written. Of the same shard in several saves the shortest time counts, so that what else the machine does
// plays no part, and of all shards the longest.
func BenchmarkHold(b *testing.B) {
	for _, active := range []bool{false, true} {
		b.Run(activity(active), func(b *testing.B) {
			m := learned(b, active)
			o := m.instance.engine.observer
			var shortest least
			var w codec.Writer
			for b.Loop() {
				began := time.Now()
				snapshot := o.Snapshot()
				shortest.note("", began)
				for {
					w.Data = w.Data[:0]
					began := time.Now()
					name, _, ok := snapshot.Next(&w)
					if !ok {
						break
					}
					shortest.note(name, began)
				}
				snapshot.Release(false)
			}
			b.ReportMetric(float64(shortest[""].Microseconds()), "cut-µs")
			delete(shortest, "")
			longest := slices.Sorted(maps.Values(shortest))
			b.ReportMetric(float64(longest[len(longest)-1].Microseconds()), "shard-max-µs")
			b.ReportMetric(float64(longest[len(longest)/2].Microseconds()), "shard-p50-µs")
			b.ReportMetric(float64(len(longest)), "shards")
			b.ReportMetric(0, "ns/op")
			m.end()
		})
	}
}

// least is the shortest time that each thing took, of several times.
type least map[string]time.Duration

func (l *least) note(what string, began time.Time) {
	took := time.Since(began)
	if *l == nil {
		*l = least{}
	}
	if before, ok := (*l)[what]; !ok || took < before {
		(*l)[what] = took
	}
}
