package observer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
	"github.com/otel-exfil/exfil/internal/stream"
)

// sender counts flows as eBPF instrumentation does, a stream for each pair of ends.
type sender struct {
	temporality pmetric.AggregationTemporality
	started     time.Time
	totals      map[string]int64
	known       []flow.Record // one of each stream, for exportAll
}

func newSender(temporality pmetric.AggregationTemporality, started time.Time) *sender {
	return &sender{temporality: temporality, started: started, totals: map[string]int64{}}
}

// export counts records and returns a batch with a data point for each of their streams.
func (s *sender) export(records ...flow.Record) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("host.name", "ws-1")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("obi.network.flow.bytes")
	m.SetUnit("{bytes}")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(s.temporality)
	for _, r := range records {
		p := sum.DataPoints().AppendEmpty()
		a := p.Attributes()
		a.PutStr("src.address", r.Source.String())
		a.PutStr("dst.address", r.Destination.String())
		a.PutInt("src.port", int64(r.SourcePort))
		a.PutInt("dst.port", int64(r.DestinationPort))
		a.PutStr("direction", "request")
		id := fmt.Sprint(r.Source, r.SourcePort, r.Destination, r.DestinationPort)
		s.totals[id] += r.Sent
		p.SetIntValue(r.Sent)
		if s.temporality == pmetric.AggregationTemporalityCumulative {
			p.SetIntValue(s.totals[id])
		}
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(s.started))
		p.SetTimestamp(pcommon.Timestamp(r.Time))
	}
	return md
}

// exportAll counts records as of a time and returns a batch of all streams ever counted, as the SDKs
// of OpenTelemetry do.
func (s *sender) exportAll(at time.Time, records ...flow.Record) pmetric.Metrics {
	for i := range s.known {
		s.known[i].Sent, s.known[i].Time = 0, at.UnixNano()
	}
	for _, r := range records {
		r.Time = at.UnixNano()
		same := func(k flow.Record) bool {
			return k.Destination == r.Destination && k.DestinationPort == r.DestinationPort
		}
		if i := slices.IndexFunc(s.known, same); i >= 0 {
			s.known[i].Sent += r.Sent
		} else {
			s.known = append(s.known, r)
		}
	}
	return s.export(s.known...)
}

// count delivers a batch that the next consumer accepts.
func (b *bench) count(md pmetric.Metrics) { b.Commit(b.DecodeMetrics(md)) }

func cumulative() pmetric.AggregationTemporality { return pmetric.AggregationTemporalityCumulative }

// bare is outbound without what metrics cannot tell.
func bare(at time.Time, port uint16, bytes int64) flow.Record {
	r := outbound(at, port, bytes)
	r.DestinationPlace, r.Received = flow.Place{}, 0
	return r
}

// ordinary lets n days of ordinary traffic flow, and stops some minutes into the hour after it.
func (b *bench) ordinary(n int, deliver func(flow.Record)) {
	for range 24 * n {
		for i, port := range []uint16{443, 443, 443, 80, 22, 993, 8443, 123} {
			deliver(bare(b.now.Add(time.Duration(i+1)*time.Second), port, 200_000+int64(b.now.Hour()*1000)))
		}
		b.now = b.now.Add(time.Hour)
	}
	b.now = b.now.Add(10 * time.Minute)
}

// countDays is ordinary traffic, told by metrics.
func (b *bench) countDays(s *sender, n int) {
	b.ordinary(n, func(r flow.Record) { b.count(s.export(r)) })
}

func TestMetricsAlertAsLogsDo(t *testing.T) {
	thefts := func(b *bench) []flow.Record {
		return []flow.Record{bare(b.now, 4444, 800_000_000), bare(b.now.Add(time.Minute), 5555, 300_000_000)}
	}
	logs := newBench(t, func(*config.Config) {})
	logs.ordinary(3, func(r flow.Record) { logs.deliver(r) })
	logs.deliver(thefts(logs)...)
	require.Contains(t, logs.told(), "exfil.anomaly 4444")

	for _, temporality := range []pmetric.AggregationTemporality{cumulative(), pmetric.AggregationTemporalityDelta} {
		t.Run(temporality.String(), func(t *testing.T) {
			b := newBench(t, func(*config.Config) {})
			s := newSender(temporality, b.now)
			b.countDays(s, 3)
			b.count(s.export(thefts(b)...))
			assert.Equal(t, logs.told(), b.told())
			assert.Equal(t, logs.Stats().Bytes, b.Stats().Bytes)
		})
	}
}

// Given a process that is older than the observation and dates all streams by its own start, when
// a theft to a new destination ends within one export, then it alerts with all its bytes.
func TestATheftWithinOneExportOfAnOlderProcessAlerts(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	s := newSender(cumulative(), b.now.Add(-1000*time.Hour))
	b.count(s.exportAll(b.now, bare(b.now, 9999, 70_000_000_000))) // idle ever since
	for hour := range 24 * 3 {
		b.now = b.now.Add(time.Hour)
		var sent []flow.Record
		for _, port := range []uint16{443, 80, 22, 993, 8443, 123} {
			sent = append(sent, bare(b.now, port, 200_000+int64(hour*1000)))
		}
		b.count(s.exportAll(b.now, sent...))
	}
	s.known = nil // dropped while idle, but for what stays inside
	inside := bare(b.now, 445, 1000)
	inside.Destination = inside.Source.Next()
	for range 12 {
		b.now = b.now.Add(time.Hour)
		b.count(s.exportAll(b.now, inside, inside))
	}
	b.now = b.now.Add(10 * time.Minute)
	before := b.Stats()
	b.count(s.exportAll(b.now, bare(b.now, 4444, 800_000_000)))

	after := b.Stats()
	assert.Contains(t, b.told(), "exfil.anomaly 4444")
	assert.EqualValues(t, 800_000_000, after.Bytes-before.Bytes)
	assert.EqualValues(t, 7, after.Flows["first_point"], "the streams of the first two exports")
}

func TestNoNewsOfASenderIsAnAlert(t *testing.T) {
	// large is the total of a host that nobody has heard of before.
	large := func(b *bench) flow.Record {
		r := bare(b.now, 443, 90_000_000_000)
		r.Source = r.Source.Next()
		return r
	}
	for story, tell := range map[string]func(b *bench, s *sender){
		"a sender that has counted for weeks is connected": func(b *bench, _ *sender) {
			b.count(newSender(cumulative(), monday.Add(-1000*time.Hour)).export(large(b)))
			assert.EqualValues(b.t, 1, b.Stats().Flows["first_point"])
		},
		"a sender that does not say when it began is connected": func(b *bench, _ *sender) {
			b.count(newSender(cumulative(), time.Unix(0, 0)).export(large(b)))
			assert.EqualValues(b.t, 1, b.Stats().Flows["first_point"])
		},
		"the sender restarts and counts from nothing": func(b *bench, _ *sender) {
			restarted := newSender(cumulative(), b.now)
			b.count(restarted.export(bare(b.now.Add(time.Minute), 443, 200_000)))
			assert.EqualValues(b.t, 1, b.Stats().Streams.Resets)
		},
		"an export is sent again and again": func(b *bench, s *sender) {
			md := s.export(bare(b.now, 443, 200_000))
			for range 10_000 {
				b.count(md)
			}
			assert.EqualValues(b.t, 9999, b.Stats().Flows["duplicate_point"])
		},
		"an older export comes late": func(b *bench, s *sender) {
			older := s.export(bare(b.now, 443, 200_000))
			b.count(s.export(bare(b.now.Add(time.Minute), 443, 200_000)))
			for range 10_000 {
				b.count(older)
			}
			assert.EqualValues(b.t, 10_000, b.Stats().Flows["out_of_order_point"])
		},
		"the sender was cut off for hours": func(b *bench, s *sender) {
			s.export(bare(b.now, 443, 90_000_000_000)) // got lost
			b.now = b.now.Add(6 * time.Hour)
			b.count(s.export(bare(b.now, 443, 200_000)))
			assert.EqualValues(b.t, 1, b.Stats().Flows["stale_point"])
		},
		"a stream is marked as gone": func(b *bench, s *sender) {
			md := s.export(large(b))
			p := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0)
			p.SetFlags(p.Flags().WithNoRecordedValue(true))
			b.count(md)
			assert.EqualValues(b.t, 1, b.Stats().Records["no_data"])
		},
	} {
		t.Run(story, func(t *testing.T) {
			b := newBench(t, func(*config.Config) {})
			s := newSender(cumulative(), b.now)
			b.countDays(s, 3)
			b.Tick()
			before := b.told()
			tell(b, s)
			assert.Equal(t, before, b.told())

			b.now = b.now.Add(10 * time.Minute)
			b.count(newSender(cumulative(), b.now.Add(-time.Minute)).export(bare(b.now, 4444, 800_000_000)))
			assert.Contains(t, b.told(), "exfil.anomaly 4444", "and a theft still is")
		})
	}
}

func TestARefusedBatchOfMetricsCountsWhenItComesAgain(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	s := newSender(cumulative(), b.now)
	md := s.export(bare(b.now.Add(time.Second), 443, 1000))
	for range 3 {
		b.Discard(b.DecodeMetrics(md))
	}
	assert.Zero(t, b.Stats().Streams)
	assert.Zero(t, b.Stats().Bytes)
	assert.EqualValues(t, 3, b.Stats().Refused)

	first, second := b.DecodeMetrics(md), b.DecodeMetrics(s.export(bare(b.now.Add(2*time.Second), 443, 500)))
	b.Commit(first)
	b.Commit(second)
	assert.EqualValues(t, 1500, b.Stats().Bytes)
	assert.Equal(t, stream.Stats{Streams: 1}, b.Stats().Streams)
}

func TestDataPointsAreCountedByWhatBecameOfThem(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	s := newSender(cumulative(), b.now.Add(-time.Hour))
	inside := bare(b.now, 443, 1000)
	inside.Destination = inside.Source.Next()
	b.count(s.export(bare(b.now, 443, 1000), inside))
	md := s.export(bare(b.now.Add(time.Minute), 443, 500), bare(b.now.Add(time.Minute), 443, 0))
	gauge := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty()
	gauge.SetName("system.memory.usage")
	gauge.SetEmptyGauge().DataPoints().AppendEmpty()
	b.count(md)
	b.count(s.export(bare(b.now.Add(2*time.Minute), 443, 0)))

	stats := b.Stats()
	assert.EqualValues(t, 5, stats.Records["accepted"])
	assert.EqualValues(t, 1, stats.Records["unknown_format"])
	got := map[string]int64{}
	for outcome, n := range stats.Flows {
		if n != 0 {
			got[outcome] = n
		}
	}
	assert.Equal(t, map[string]int64{"first_point": 1, "internal": 1, "leaves": 1, "duplicate_point": 1, "repeated": 1}, got)
	assert.EqualValues(t, 500, stats.Bytes)
	assert.EqualValues(t, 1, stats.Streams.Streams, "what stays inside needs no memory")
}

func TestExceptionsKeepCountersOutByWhatTheyAdd(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) {
		cfg.Exceptions = []rule.ExceptionConfig{{Name: "backup", Match: rule.ExceptionMatchConfig{Ports: []any{443}}}}
		require.NoError(t, cfg.Validate())
	})
	s := newSender(cumulative(), b.now)
	b.count(s.export(bare(b.now.Add(time.Minute), 443, 1000), bare(b.now.Add(time.Minute), 80, 30)))
	b.count(s.export(bare(b.now.Add(2*time.Minute), 443, 1000), bare(b.now.Add(2*time.Minute), 80, 4)))
	assert.EqualValues(t, 2, b.Stats().Flows["excepted"])
	assert.EqualValues(t, 34, b.Stats().Bytes)
}

// exports are n exports of the same streams, a minute and a kilobyte apart.
func exports(n, streams int) []pmetric.Metrics {
	s := newSender(cumulative(), monday)
	batches := make([]pmetric.Metrics, n)
	for i := range batches {
		var records []flow.Record
		for j := range streams {
			r := bare(monday.Add(time.Duration(i+1)*time.Second), uint16(1+j%300), 1000)
			r.SourcePort = uint16(40_000 + j)
			records = append(records, r)
		}
		batches[i] = s.export(records...)
	}
	return batches
}

func TestKnownStreamsCostNoAllocation(t *testing.T) {
	const warm, runs = 10, 50
	b := newBench(t, func(cfg *config.Config) { cfg.MinBytes = 1 << 60 })
	b.now = monday.Add(time.Hour)
	batches := exports(warm+runs+1, 1000)
	next := func() {
		b.count(batches[0])
		batches = batches[1:]
	}
	for range warm {
		next()
	}
	// A pool may be emptied at any time, and then a batch is made anew; a data point costs nothing.
	assert.Less(t, testing.AllocsPerRun(runs, next), 50.0, "allocations for a thousand data points")
	assert.EqualValues(t, (warm+runs+1)*1000, b.Stats().Flows["leaves"])
}

// BenchmarkMetrics is a batch's way from data points to the detector in the steady state; ns/op is
// that of one data point.
func BenchmarkMetrics(b *testing.B) {
	const streams, rounds = 1000, 200
	cfg := quick(func(cfg *config.Config) { cfg.MinBytes = 1 << 60 })
	o, err := New(cfg, Settings{Now: func() time.Time { return monday.Add(time.Hour) }})
	require.NoError(b, err)
	require.NoError(b, o.Start(b.Context()))
	defer func() { require.NoError(b, o.Close()) }()
	batches := exports(rounds, streams)
	later := pcommon.Timestamp(rounds * time.Second)
	for _, md := range batches {
		o.Commit(b.Context(), o.DecodeMetrics(md))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += streams {
		md := batches[n/streams%rounds]
		b.StopTimer()
		// The last round's totals are above these, so that each stream begins anew once a cycle.
		points := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
		for i := range points.Len() {
			points.At(i).SetTimestamp(points.At(i).Timestamp() + later)
		}
		b.StartTimer()
		o.Commit(b.Context(), o.DecodeMetrics(md))
	}
	b.StopTimer()
	require.Zero(b, o.Stats().Flows["duplicate_point"]+o.Stats().Flows["out_of_order_point"])
	require.Positive(b, o.Stats().Flows["leaves"])
}
