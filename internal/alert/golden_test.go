package alert

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

var update = flag.Bool("update", false, "write what alerts look like now to testdata")

// testNetworks knows who announces the documentation prefixes.
func testNetworks(a netip.Addr) (uint32, string, bool) {
	switch {
	case netip.MustParsePrefix("198.51.100.0/24").Contains(a):
		return 64496, "Example Hosting", true
	case netip.MustParsePrefix("203.0.113.0/24").Contains(a):
		return 64497, "Example Storage", true
	}
	return 0, "", false
}

func newWriter(t testing.TB) *Writer {
	t.Helper()
	return newWriterOf(t, SchemaOTel)
}

func newWriterOf(t testing.TB, schema string) *Writer {
	t.Helper()
	rules, err := rule.Builtin()
	require.NoError(t, err)
	w, err := NewWriter(rules, Options{Schema: schema, Version: "0.1.0", ASN: testNetworks})
	require.NoError(t, err)
	return w
}

func anomaly(f detector.Finding) Anomaly {
	return Anomaly{Finding: f, UID: findingUID(&f, stateNew)}
}

func record(t testing.TB, w *Writer, a Alert) plog.LogRecord {
	t.Helper()
	logs := plog.NewLogs()
	w.Append(logs, a, now)
	require.Equal(t, 1, logs.LogRecordCount())
	return logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
}

// samples are alerts of every kind, by name.
func samples() map[string]Alert {
	closed := countryFinding()
	updated := Anomaly{Finding: closed, UID: findingUID(&closed, stateUpdate), UpdateOf: findingUID(&closed, stateNew), Suppressed: 3}
	return map[string]Alert{
		"unusual_destination_port": anomaly(portFinding()),
		"unusual_region_by_host":   anomaly(regionFinding()),
		"unusual_country_updated":  updated,
		"unusual_destination_ip":   anomaly(addressFinding()),
		"overflow": Overflow{
			Start: windowStart, End: windowStart.Add(15 * time.Minute), MaxPerInterval: 100, Alerts: 12, Others: 9,
			Bytes: 7_300_000_000, Score: 93.5,
			Rules: []OverflowRule{{"unusual_destination_port", 9}, {"unusual_region", 3}},
			Entities: []OverflowEntity{
				{"unusual_destination_port", []flow.Field{flow.DestinationPort}, []string{"4444"}, 1, 93.5},
				{"unusual_region", []flow.Field{flow.DestinationRegion}, []string{"Victoria"}, 2, 80},
			},
		},
		"suppressed": Suppression{
			Rule: "unusual_destination_port", Entity: true, Fields: []flow.Field{flow.DestinationPort}, Values: []string{"4444"},
			Windows: 3, Bytes: 1_200_000_000, Score: 84.5, First: windowStart.Add(4 * time.Hour), Last: windowStart.Add(20 * time.Hour),
			Until: windowStart.Add(24*time.Hour + 40*time.Minute), Alert: anomaly(portFinding()).UID,
		},
		"dry_run":      Anomaly{Finding: regionFinding(), UID: anomaly(regionFinding()).UID, DryRun: true},
		"warming_up":   Health{Time: windowStart, Status: WarmingUp, Until: windowStart.AddDate(0, 0, 7)},
		"database_old": Health{Time: windowStart, Status: DatabaseOld, Subject: "/var/lib/geoip/city.mmdb", Detail: "It was built 400 days ago."},
	}
}

func TestWhatAlertsLookLike(t *testing.T) {
	for schema, dir := range map[string]string{SchemaOTel: "testdata", SchemaECS: "testdata/ecs", SchemaOCSF: "testdata/ocsf"} {
		for name, a := range samples() {
			t.Run(schema+"/"+name, func(t *testing.T) {
				logs := plog.NewLogs()
				newWriterOf(t, schema).Append(logs, a, now)
				compact, err := new(plog.JSONMarshaler).MarshalLogs(logs)
				require.NoError(t, err)
				var got bytes.Buffer
				require.NoError(t, json.Indent(&got, compact, "", "  "))
				got.WriteByte('\n')

				path := filepath.Join(dir, name+".json")
				if *update {
					require.NoError(t, os.MkdirAll(dir, 0o755))
					require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
				}
				want, err := os.ReadFile(path)
				require.NoError(t, err, "run with -update to make it")
				assert.Equal(t, string(want), got.String())
			})
		}
	}
}

func TestAlertsShareAScopeOfTheirOwn(t *testing.T) {
	w := newWriter(t)
	logs := plog.NewLogs()
	data := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	data.LogRecords().AppendEmpty()
	w.Append(logs, anomaly(portFinding()), now)
	w.Append(logs, anomaly(regionFinding()), now)

	require.Equal(t, 2, logs.ResourceLogs().Len())
	assert.Equal(t, 1, data.LogRecords().Len(), "the data is left alone")
	own := logs.ResourceLogs().At(1)
	assert.Zero(t, own.Resource().Attributes().Len())
	require.Equal(t, 1, own.ScopeLogs().Len())
	assert.Equal(t, "github.com/otel-exfil/exfil", own.ScopeLogs().At(0).Scope().Name())
	assert.Equal(t, "0.1.0", own.ScopeLogs().At(0).Scope().Version())
	assert.Equal(t, 2, own.ScopeLogs().At(0).LogRecords().Len())
}

func TestASchemaThatNobodyWritesIsRefused(t *testing.T) {
	_, err := NewWriter(nil, Options{Schema: "cef"})
	require.ErrorIs(t, err, ErrUnknownSchema)
	assert.EqualError(t, err, `alerts.schema: unknown schema "cef"; known are otel, ecs, ocsf`)

	w, err := NewWriter(nil, Options{Schema: SchemaOTel})
	require.NoError(t, err)
	id, ok := record(t, w, anomaly(portFinding())).Attributes().Get("exfil.rule.id")
	require.True(t, ok, "an alert of a rule that the writer was not told of still names it")
	assert.Equal(t, "unusual_destination_port", id.Str())
}
