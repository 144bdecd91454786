package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

const hour = time.Hour

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// traffic is three days of an office, hour by hour, and then a theft.
func traffic() [][]enginetest.Sent {
	return append(enginetest.Connections(3), []enginetest.Sent{enginetest.Theft(3)})
}

// logs writes connections as ECS records without a region, which counters do not know either.
func logs(connections []enginetest.Sent) plog.Logs {
	ld := enginetest.ECS(connections...)
	for lr := range records(ld) {
		lr.Attributes().Remove("destination.geo.region_name")
	}
	return ld
}

// way is how traffic comes: it sends the i-th hour of it.
type way func(t *testing.T, to sender, i int, connections []enginetest.Sent)

func inLogs(t *testing.T, to sender, _ int, connections []enginetest.Sent) {
	t.Helper()
	to.logs(t, logs(connections))
}

func inMetrics(meter *enginetest.Meter) way {
	return func(t *testing.T, to sender, _ int, connections []enginetest.Sent) {
		t.Helper()
		to.metrics(t, meter.Export(connections...))
	}
}

// inTurns sends one hour in one way and the next in another.
func inTurns(ways ...way) way {
	return func(t *testing.T, to sender, i int, connections []enginetest.Sent) {
		t.Helper()
		ways[i%len(ways)](t, to, i, connections)
	}
}

// Given the same traffic as logs, as metrics, or partly so and partly so, over gRPC or HTTP, when
// a real collector gets it, with the connector or with the processor, then the alerts are
// those that the processor gives for the logs in one process.
func TestARealCollectorAlertsAlikeHoweverFlowsCome(t *testing.T) {
	program := minimal(t)
	want := inOneProcess(t)
	require.NotEmpty(t, want)
	ways := map[string]func() way{ // made for each run: a meter remembers
		"logs":           func() way { return inLogs },
		"increases":      func() way { return inMetrics(&enginetest.Meter{}) },
		"running totals": func() way { return inMetrics(&enginetest.Meter{Cumulative: true}) },
		"both":           func() way { return inTurns(inLogs, inMetrics(&enginetest.Meter{})) },
	}
	for _, component := range []string{"connector", "processor"} {
		for name, way := range ways {
			for _, transport := range []string{"gRPC", "HTTP"} {
				t.Run(component+"/"+name+"/"+transport, func(t *testing.T) {
					c := run(t, program, component+".yaml")
					to, send := transports(t, c)[transport], way()
					for i, connections := range traffic() {
						send(t, to, i, connections)
					}
					c.stop(t)
					got := anomaliesIn(c.logsIn(t, "alerts.jsonl"))
					require.Equal(t, sentences(want), sentences(got))
					assert.Equal(t, want, got)
				})
			}
		}
	}
}

// The connector's alert pipeline gets nothing but alerts, and the exporter beside the connector all flows.
func TestEachExporterOfARealCollectorReceivesWhatItShould(t *testing.T) {
	c := run(t, minimal(t), "connector.yaml")
	to := overGRPC(t, c)
	sent := 0
	for _, connections := range traffic() {
		to.logs(t, logs(connections))
		sent += len(connections)
	}
	c.stop(t)
	assert.Equal(t, sent, c.logsIn(t, "flows.jsonl").LogRecordCount())
	alerts := c.logsIn(t, "alerts.jsonl")
	assert.Equal(t, []string{"warming_up", "ready"}, statusesIn(alerts))
	assert.Equal(t, alerts.LogRecordCount(), len(statusesIn(alerts))+len(anomaliesIn(alerts)))
}

// Metrics that pass the processor are there to be scraped, and not a trace of an alert with them.
func TestMetricsThatPassARealCollectorCanBeScraped(t *testing.T) {
	program := program(t, "EXFIL_COLLECTOR_FULL", "`make build` builds one with a Prometheus exporter, and then `make test` does")
	c := run(t, program, "processor.yaml", "prometheus.yaml")
	to := overGRPC(t, c)
	meter := enginetest.Meter{Cumulative: true}
	for _, connections := range traffic() {
		to.metrics(t, meter.Export(connections...))
	}
	scraped := get(t, c.scrape, "/metrics")
	c.stop(t)
	var loot []string
	for line := range strings.Lines(scraped) {
		assert.NotContains(t, line, "exfil")
		if strings.Contains(line, `dst_port="4444"`) {
			loot = append(loot, line)
		}
	}
	require.Len(t, loot, 1)
	assert.Regexp(t, `^obi_network_flow_bytes_total\{.*src_name="ws-3".*\} 8e\+08\n$`, loot[0])
	assert.NotEmpty(t, anomaliesIn(c.logsIn(t, "alerts.jsonl")))
}

// Given a collector that has learned, when it is told to read its configuration again, then it
// learns anew, finds the theft, and neither the old nor the new life leaves an error.
func TestARealCollectorIsReloaded(t *testing.T) {
	for _, component := range []string{"connector", "processor"} {
		t.Run(component, func(t *testing.T) {
			c := run(t, minimal(t), component+".yaml")
			to := overGRPC(t, c)
			var meter enginetest.Meter
			for _, connections := range enginetest.Connections(2) {
				to.metrics(t, meter.Export(connections...))
			}
			for range 2 {
				c.reload(t)
				for _, connections := range traffic() {
					to.metrics(t, meter.Export(connections...))
				}
			}
			c.stop(t)
			alerts := c.logsIn(t, "alerts.jsonl")
			assert.Equal(t, []string{"warming_up", "ready", "warming_up", "ready", "warming_up", "ready"}, statusesIn(alerts))
			ports := 0
			for _, a := range anomaliesIn(alerts) {
				if a.Attributes["exfil.entity.value"] == "4444" {
					ports++
				}
			}
			assert.Equal(t, 2, ports, "one in each life that had a theft")
			assert.Zero(t, c.said(t, "\terror\t"))
			assert.Zero(t, c.said(t, "panic"))
		})
	}
}

func TestARealCollectorRefusesMetricsWithoutAWayOutForAlerts(t *testing.T) {
	c := launch(t, minimal(t), "metrics-only.yaml")
	require.Error(t, c.end(t))
	assert.Positive(t, c.said(t, `processor \"exfil/office\" in a metrics pipeline: no logs pipeline takes the alerts; `+
		`add \"exfil/office\" to a logs pipeline, too, or use the connector \"exfil\" instead`))
}
