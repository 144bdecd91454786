package senders

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// exportEvery is how often the instrumentation of the test exports its counters. In
// earnest it is every minute; fewer points tell the same bytes.
const exportEvery = 30 * time.Minute

// Given an instrumentation that counts an office's flows for two weeks and exports the counters by
// the OpenTelemetry SDK, some exports twice, when a theft follows, exported twice, too, then a collector with
// the connector tells of the theft, with just the bytes that were sent, and of nothing else.
//
// The SDK dates all counters by the start of the process. Where that is older than what the collector has seen,
// the start does not tell that the counters of the theft are new.
func TestATheftIsNoticedInWhatAnInstrumentationCounts(t *testing.T) {
	for _, c := range []struct {
		story   string
		restart time.Time // zero: never
	}{
		{"older than the collector", time.Time{}},
		{"restarted in between", firstDay.Add(fortnight * 3 / 4)},
	} {
		t.Run(c.story, func(t *testing.T) { playInstrumentation(t, c.restart) })
	}
}

func playInstrumentation(t *testing.T, restart time.Time) {
	t.Helper()
	c := startCollector(t, "../obi.yaml", `
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:{{.OTLP}}"}}}
exporters:
  file/alerts: {path: "{{.Dir}}/alerts.jsonl"}
`)
	c.await(t, "it listens", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", c.otlp)
		return err == nil && conn.Close() == nil
	})

	all := flows(dualStack(), firstDay, fortnight, 1)
	theft := firstDay.Add(fortnight)
	points := 0
	i := newInstrumentation(t, c.otlp, firstDay.Add(-1000*time.Hour))
	for now := firstDay.Add(exportEvery); !now.After(theft); now = now.Add(exportEvery) {
		for ; len(all) > 0 && all[0].End.Before(now); all = all[1:] {
			f := &all[0]
			i.count(t, f.Source.Addr().String(), f.Destination.Addr().String(), f.Source.Port(), f.Destination.Port(), int64(f.Bytes))
		}
		points += i.export(t, now)
		if now.Hour() == 6 {
			points += i.export(t, now) // again: the answer was lost
		}
		if now.Equal(restart) {
			i.close(t)
			i = newInstrumentation(t, c.otlp, now.Add(time.Second))
		}
	}
	for n, bytes := range []int64{firstLoot, secondLoot} {
		i.count(t, thief.Addr().String(), receiver.Addr().String(), thief.Port(), receiver.Port(), bytes)
		at := theft.Add(time.Duration(n+1) * exportEvery)
		points += i.export(t, at)
		points += i.export(t, at)
	}
	i.close(t)
	seen := get(t, c.metrics)
	c.stop(t)

	assert.Equal(t, points, telemetry(t, seen, "otelcol_exfil_records", `outcome="accepted"`), "data points that were understood")
	told := alert{source: thief.Addr().String(), bytes: loot, early: true, firstSeen: true}
	assert.ElementsMatch(t, aboutTheft(told), readAlerts(t, c.alerts))
}

// instrumentation counts flows as OpenTelemetry eBPF Instrumentation does, and exports
// what it has counted by the OpenTelemetry SDK.
type instrumentation struct {
	started  time.Time
	reader   *sdk.ManualReader
	provider *sdk.MeterProvider
	counter  metric.Int64Counter
	exporter sdk.Exporter
}

func newInstrumentation(t *testing.T, endpoint string, started time.Time) *instrumentation {
	t.Helper()
	exporter, err := otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(endpoint), otlpmetricgrpc.WithInsecure())
	require.NoError(t, err)
	i := &instrumentation{started: started, reader: sdk.NewManualReader(), exporter: exporter}
	i.provider = sdk.NewMeterProvider(sdk.WithReader(i.reader),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "obi"), attribute.String("host.name", "node-1"))))
	i.counter, err = i.provider.Meter("obi").Int64Counter("obi.network.flow.bytes", metric.WithUnit("By"))
	require.NoError(t, err)
	return i
}

// count counts bytes from a source to a destination. Only the server's port is told, and who opened
// the connection.
func (i *instrumentation) count(t *testing.T, source, destination string, sourcePort, destinationPort uint16, bytes int64) {
	t.Helper()
	direction, server := "request", destinationPort
	if sourcePort < destinationPort {
		direction, server = "response", sourcePort
	}
	i.counter.Add(t.Context(), bytes, metric.WithAttributes(
		attribute.String("obi.ip", "10.1.0.1"),
		attribute.String("src.address", source),
		attribute.String("dst.address", destination),
		attribute.Int("server.port", int(server)),
		attribute.String("direction", direction),
		attribute.String("transport", "TCP"),
		attribute.String("iface", "eth0"),
	))
}

// export sends the counters as they are, told as of the given time, and returns how many. The
// SDK stamps them with the clock's time, which is the one thing that cannot be left to it here.
func (i *instrumentation) export(t *testing.T, now time.Time) (points int) {
	t.Helper()
	var counted metricdata.ResourceMetrics
	require.NoError(t, i.reader.Collect(t.Context(), &counted))
	for _, scope := range counted.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			require.True(t, ok, "the SDK made %T of a counter", m.Data)
			for n := range sum.DataPoints {
				sum.DataPoints[n].StartTime, sum.DataPoints[n].Time = i.started, now
			}
			points += len(sum.DataPoints)
		}
	}
	require.NoError(t, i.exporter.Export(t.Context(), &counted))
	return points
}

func (i *instrumentation) close(t *testing.T) {
	t.Helper()
	require.NoError(t, i.provider.Shutdown(t.Context()))
	require.NoError(t, i.exporter.Shutdown(t.Context()))
}
