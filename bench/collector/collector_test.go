package main

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/otel-exfil/exfil/bench/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Given a real collector, when it is measured for a moment, then all that is sent arrives, and all that the table tells is there.
func TestARealCollectorIsMeasured(t *testing.T) {
	program := os.Getenv("EXFIL_COLLECTOR")
	if program == "" {
		t.Skip("EXFIL_COLLECTOR names no collector; `make test` builds one and does")
	}
	p := usual()
	p.program, p.rounds, p.duration, p.rate, p.learned, p.log = program, 1, 1200*time.Millisecond, 20, 3, t.Output()
	m, err := measure(t.Context(), p)
	require.NoError(t, err)
	for _, results := range [][]result{m.without, m.with} {
		require.Len(t, results, 1)
		r := results[0]
		for _, w := range []work{r.saturated, r.paced} {
			assert.Positive(t, w.records)
			assert.Positive(t, w.processor)
		}
		assert.EqualValues(t, len(r.latencies)*load.BatchRecords, r.paced.records)
		assert.Len(t, r.latencies, 16, "for 0.8 s, in four turns")
		assert.Positive(t, percentile(r.latencies, 0))
		assert.Greater(t, r.memory.resident, int64(10e6))
		assert.GreaterOrEqual(t, r.memory.peak, r.memory.resident)
		assert.Greater(t, r.counts.received, r.saturated.records+r.paced.records, "what was learned from, too")
	}
	assert.Zero(t, m.without[0].counts.entities)
	assert.Greater(t, m.with[0].counts.entities, int64(entities))
	assert.GreaterOrEqual(t, m.with[0].counts.windows, int64(p.learned-1))
	assert.Equal(t, m.with[0].counts.received, m.with[0].counts.read)
	text := m.table()
	for _, f := range figures(p.rate) {
		assert.Contains(t, text, "| "+f.label+" |")
	}
}

func TestNoCollectorNoTable(t *testing.T) {
	p := usual()
	p.program, p.log = filepath.Join(t.TempDir(), "none"), t.Output()
	out := filepath.Join(t.TempDir(), "table.md")
	require.ErrorContains(t, run(t.Context(), p, out), "make bench-collector")
	assert.NoFileExists(t, out)
	p.rounds = 0
	require.ErrorContains(t, run(t.Context(), p, out), "at least one round")
}

func TestACollectorThatEndsAtOnceSaysWhy(t *testing.T) {
	program := filepath.Join(t.TempDir(), "collector")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho no port is good enough >&2\nexit 3\n"), 0o755))
	_, err := start(t.Context(), program, pipelineConfig)
	require.ErrorContains(t, err, "ended before it could be sent to")
	require.ErrorContains(t, err, "exit status 3")
	require.ErrorContains(t, err, "no port is good enough")
}

func aBatch(t *testing.T) *batch {
	t.Helper()
	for flows := range load.New(10, load.Zipf).Some(time.Unix(0, 0)) {
		b, err := newBatch(flows[:3], time.Unix(0, 0))
		require.NoError(t, err)
		return b
	}
	return nil
}

// Given a batch that is encoded, when it is moved there and back, then its records' times move, and nothing else does.
func TestABatchIsMovedInTime(t *testing.T) {
	decoded := func(b *batch) plogotlp.ExportRequest {
		r := plogotlp.NewExportRequest()
		require.NoError(t, r.UnmarshalProto(b.encoded))
		return r
	}
	b := aBatch(t)
	before := decoded(b)
	at := time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)
	for _, to := range []time.Time{at, at.Add(-time.Hour), time.Unix(0, 0)} {
		b.moveTo(to)
		want := plogotlp.NewExportRequest()
		before.Logs().CopyTo(want.Logs())
		records := want.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		require.Equal(t, 3, records.Len())
		for i := range records.Len() {
			lr := records.At(i)
			require.Less(t, lr.Timestamp().AsTime(), time.Unix(60, 0))
			lr.SetTimestamp(lr.Timestamp() + pcommon.NewTimestampFromTime(to))
		}
		got, err := decoded(b).MarshalJSON()
		require.NoError(t, err)
		expected, err := want.MarshalJSON()
		require.NoError(t, err)
		assert.JSONEq(t, string(expected), string(got))
	}
}

// Given a message that is cut off anywhere, then its fields are those before, or none, and nothing is read beyond its end.
func TestFieldsOfWhatIsNoMessage(t *testing.T) {
	b := aBatch(t)
	whole := 0
	for n := range len(b.encoded) {
		times, err := fields(b.encoded[:n:n], 0, n, recordTimes...)
		if err == nil {
			whole++
			assert.Empty(t, times)
		}
	}
	assert.Equal(t, 1, whole, "nothing is a message without fields")
	for name, message := range map[string][]byte{
		"a group":          {1<<3 | 3},
		"an endless key":   {0xff, 0xff},
		"an endless value": {1<<3 | varint, 0x80},
		"a short word":     {1<<3 | fixed32, 1, 2},
		"a huge length":    binary.AppendUvarint([]byte{1<<3 | lengths}, 1<<63),
	} {
		_, err := fields(message, 0, len(message), 1)
		assert.ErrorIs(t, err, errEncoding, name)
	}
	found, err := fields([]byte{2<<3 | varint, 9, 1<<3 | fixed32, 1, 2, 3, 4, 1<<3 | varint, 5}, 0, 9, 1)
	require.NoError(t, err)
	assert.Equal(t, []int{3, 8}, found)
}

// stalling answers its first batch when it may, and rejects records where it is told to.
type stalling struct {
	plogotlp.UnimplementedGRPCServer
	first    time.Duration
	rejects  int64
	received atomic.Int64
}

func (s *stalling) Export(context.Context, plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	if s.received.Add(1) == 1 {
		time.Sleep(s.first)
	}
	answer := plogotlp.NewExportResponse()
	answer.PartialSuccess().SetRejectedLogRecords(s.rejects)
	return answer, nil
}

// serve has a receiver answer until the test ends, and returns one agent that sends to it.
func serve(t *testing.T, receiver *stalling) *sender {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, receiver)
	ended := make(chan error)
	go func() { ended <- server.Serve(l) }()
	s, err := newSender(l.Addr().String(), 1)
	require.NoError(t, err)
	s.setOff([]*batch{aBatch(t), aBatch(t)}, time.Unix(0, 0), time.Second)
	t.Cleanup(func() {
		require.NoError(t, s.close())
		server.Stop()
		require.NoError(t, <-ended)
	})
	return s
}

// Given a receiver that stalls once, then the batches that had to wait for that have waited, too.
func TestLatencyCountsFromWhenABatchIsDue(t *testing.T) {
	const stall, interval = 100 * time.Millisecond, 10 * time.Millisecond
	receiver := &stalling{first: stall}
	took, err := serve(t, receiver).pace(t.Context(), 5, interval)
	require.NoError(t, err)
	require.Len(t, took, 5)
	for i, d := range took {
		assert.GreaterOrEqual(t, d, stall-time.Duration(i)*interval, i)
	}
	assert.EqualValues(t, 5, receiver.received.Load())
}

func TestRecordsThatAreRejectedAreAnError(t *testing.T) {
	_, err := serve(t, &stalling{rejects: 2}).saturate(t.Context(), time.Minute)
	require.ErrorContains(t, err, "rejected 2 records")
}

func TestUsageOfAProcess(t *testing.T) {
	const (
		stat   = "77 (a (bad) name) S 1 77 77 0 -1 4194304 101 0 0 0 250 50 7 7 20 0 1 0 4560118 3133440 383"
		status = "Name:\ta (bad) name\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n"
	)
	u, err := parseUsage(stat, status)
	require.NoError(t, err)
	assert.Equal(t, usage{processor: 3 * time.Second, resident: 1000 << 10, peak: 2000 << 10}, u)
	for _, bad := range [][2]string{{"", status}, {"77 (name) S 1", status}, {strings.Replace(stat, "250", "many", 1), status}, {stat, "VmRSS: 1 kB"}} {
		_, err := parseUsage(bad[0], bad[1])
		assert.Error(t, err, "%q", bad)
	}
}

func TestCountsOfACollector(t *testing.T) {
	c, err := parseCounts(`# HELP otelcol_exfil_records Records
otelcol_exfil_records{otelcol_component_id="exfil",outcome="accepted"} 1.5e+06
otelcol_exfil_records{otelcol_component_id="exfil",outcome="no_address"} 7
otelcol_exfil_alerts{rule="unusual_destination_port"} 2
otelcol_exfil_alerts{rule="unusual_region"} 3
otelcol_exfil_entities{rule="unusual_region"} 10
otelcol_exfil_future_flows 4
otelcol_exfil_late_flows 5
otelcol_exfil_windows_closed 64
otelcol_receiver_accepted_log_records{receiver="otlp",transport="grpc"} 1.6e+06
`)
	require.NoError(t, err)
	assert.Equal(t, counts{received: 1_600_000, read: 1_500_000, future: 4, late: 5, windows: 64, entities: 10, alerts: 5}, c)
	_, err = parseCounts("otelcol_exfil_alerts{} many\n")
	require.Error(t, err)
}
