package senders

import (
	"os"
	"path/filepath"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// collector is a collector that runs exfil.
type collector struct {
	*process
	alerts  string // path
	metrics string // URL
	otlp    string // address, where the configuration has such a receiver
}

// places are what a test puts elsewhere than an example does.
type places struct {
	Dir     string
	Metrics string // port of the collector's own telemetry
	OTLP    string // port
}

// startCollector runs the collector on a configuration, with what moves it into the test's
// directory and to free ports merged over it, and with more arguments.
func startCollector(t *testing.T, config, moves string, more ...string) *collector {
	t.Helper()
	p := places{Dir: t.TempDir(), Metrics: freePort(t, "tcp"), OTLP: freePort(t, "tcp")}
	moved := filepath.Join(p.Dir, "moved.yaml")
	file, err := os.Create(moved)
	require.NoError(t, err)
	require.NoError(t, template.Must(template.New("").Parse(moves+ownTelemetry)).Execute(file, p))
	require.NoError(t, file.Close())
	c := &collector{
		alerts:  filepath.Join(p.Dir, "alerts.jsonl"),
		metrics: "http://127.0.0.1:" + p.Metrics + "/metrics",
		otlp:    "127.0.0.1:" + p.OTLP,
	}
	c.process = start(t, built(t, "EXFIL_COLLECTOR"), append(more, "--config", config, "--config", moved)...)
	return c
}

const ownTelemetry = `
service:
  telemetry:
    metrics:
      readers:
        - pull:
            exporter:
              prometheus: {host: 127.0.0.1, port: {{.Metrics}}}
`

// alert is what the tests look at of an alert.
type alert struct {
	rule, entity, source string
	bytes                int64
	early, firstSeen     bool
}

// read lets the collector read so many log records, stops it, and returns what its telemetry said
// then. The receiver counts a record once the whole pipeline is done with it.
func (c *collector) read(t *testing.T, records int) (seen string) {
	t.Helper()
	c.await(t, "all records are read", func() bool {
		seen = get(t, c.metrics)
		return telemetry(t, seen, "otelcol_receiver_accepted_log_records", "") >= records
	})
	seen = get(t, c.metrics)
	c.stop(t)
	return seen
}

// aboutTheft is what must be told of the theft, the same by each of the built-in rules.
func aboutTheft(told alert) []alert {
	port, region := told, told
	port.rule, port.entity = "unusual_destination_port", "4444"
	region.rule, region.entity = "unusual_region", "Brazil"
	return []alert{port, region}
}

// readAlerts returns the alerts that a file exporter has written, in their order.
func readAlerts(t *testing.T, path string) (alerts []alert) {
	t.Helper()
	for _, line := range readLines(t, path) {
		logs, err := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
		require.NoError(t, err)
		for _, resource := range logs.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, r := range scope.LogRecords().All() {
					if r.EventName() == "exfil.anomaly" {
						alerts = append(alerts, newAlert(r))
					}
				}
			}
		}
	}
	return alerts
}

func newAlert(r plog.LogRecord) alert {
	attribute := func(key string) pcommon.Value {
		if v, ok := r.Attributes().Get(key); ok {
			return v
		}
		return pcommon.NewValueEmpty()
	}
	return alert{
		rule:      attribute("exfil.rule.id").Str(),
		entity:    attribute("exfil.entity.value").Str(),
		source:    attribute("source.address").Str(),
		bytes:     attribute("exfil.bytes.actual").Int(),
		early:     attribute("exfil.early").Bool(),
		firstSeen: attribute("exfil.first_seen").Bool(),
	}
}
