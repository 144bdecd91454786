package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/otel-exfil/exfil/bench/traffic"
)

// stageDirection tells the test binary, when a test starts it in place of a collector, what
// kind of collector to play.
const stageDirection = "EXFIL_DEMO_TEST_COLLECTOR"

func TestMain(m *testing.M) {
	switch os.Getenv(stageDirection) {
	case "reads everything":
		playCollector()
	case "fails":
		fmt.Fprintln(os.Stderr, "Error: cannot start pipelines")
		os.Exit(3)
	default:
		goleak.VerifyTestMain(m)
	}
}

// playCollector counts the lines of the flows as records that came through and, when told
// to end, writes an alert about both thefts.
func playCollector() {
	end, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	dir := os.Getenv("EXFIL_DEMO_DIR")
	flows, err := os.ReadFile(filepath.Join(dir, "flows.jsonl"))
	if err != nil {
		panic(err)
	}
	server := &http.Server{
		Addr: "127.0.0.1:" + os.Getenv("EXFIL_DEMO_METRICS_PORT"), ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, "otelcol_receiver_accepted_log_records{receiver=%q} %d\n", "file_log", bytes.Count(flows, []byte("\n")))
		}),
	}
	go func() { _ = server.ListenAndServe() }()
	<-end.Done()
	_, all := scenario()
	logs := plog.NewLogs()
	for _, s := range all {
		putAlert(logs, s)
	}
	if err := os.WriteFile(filepath.Join(dir, "alerts.jsonl"), line(logs), 0o600); err != nil {
		panic(err)
	}
	_ = server.Close()
}

// putAlert adds the alert that is sought, raised a minute after the theft began.
func putAlert(logs plog.Logs, s sought) plog.LogRecord {
	r := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	r.SetEventName("exfil.anomaly")
	r.SetTimestamp(timestamp(s.theft.Start.Add(time.Minute)))
	r.SetSeverityText("low")
	r.SetSeverityNumber(plog.SeverityNumberWarn)
	r.Body().SetStr("somebody sent much")
	m := r.Attributes()
	m.PutStr("exfil.rule.id", s.rule)
	m.PutStr("exfil.entity.field", "field")
	m.PutStr("exfil.entity.value", s.entity)
	m.PutInt("exfil.bytes.actual", 40e6)
	m.PutInt("exfil.bytes.usual", 8e3)
	m.PutDouble("exfil.score", 91.2)
	m.PutStr("exfil.rule.guide", "first\nsecond")
	m.PutEmptySlice("exfil.contributors.host.name.values").AppendEmpty().SetStr(s.theft.Host)
	return r
}

func line(logs plog.Logs) []byte {
	out, err := new(plog.JSONMarshaler).MarshalLogs(logs)
	if err != nil {
		panic(err)
	}
	return append(out, '\n')
}

// afternoon is a plan that is quickly written.
func afternoon() traffic.Plan { return traffic.SmallOffice(1, firstDay, 1) }

func inTestDir(t *testing.T) files {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return files{collector: program, config: "collector.yaml", dir: t.TempDir()}
}

func TestTheDemoShowsTheThefts(t *testing.T) {
	t.Setenv(stageDirection, "reads everything")
	f := inTestDir(t)
	var out strings.Builder
	_, all := scenario()
	require.NoError(t, show(t.Context(), f, afternoon(), all, &out))
	for _, text := range []string{
		"ws-07 sends 600 MB to port 4444 in Virginia, to an unused port: noticed after 1m0s",
		"unusual_destination_port  4444      40 MB  8.0 kB         5000×  91     ws-07",
		"unusual_region            Tashkent  40 MB  8.0 kB         5000×  91     dev-03",
		"somebody sent much",
		"exfil.rule.guide\n      first\n      second",
		"alerts.jsonl has every alert",
	} {
		assert.Contains(t, out.String(), text)
	}
}

func TestAnOldAlertDoesNotPassForANewOne(t *testing.T) {
	t.Setenv(stageDirection, "fails")
	f := inTestDir(t)
	_, all := scenario()
	logs := plog.NewLogs()
	putAlert(logs, all[0])
	require.NoError(t, os.WriteFile(f.alerts(), line(logs), 0o600))
	_, err := detect(t.Context(), f, afternoon(), newProgress(t.Output()))
	require.Error(t, err)
	assert.NoFileExists(t, f.alerts())
}

func TestACollectorThatFailsShowsItsLastWords(t *testing.T) {
	t.Setenv(stageDirection, "fails")
	_, err := detect(t.Context(), inTestDir(t), afternoon(), newProgress(t.Output()))
	require.ErrorIs(t, err, errCollector)
	assert.ErrorContains(t, err, "exit status 3")
	assert.ErrorContains(t, err, "cannot start pipelines")
}

func TestACollectorThatIsNotThereSaysHowToGetIt(t *testing.T) {
	f := inTestDir(t)
	f.collector = filepath.Join(f.dir, "none")
	_, err := detect(t.Context(), f, afternoon(), newProgress(t.Output()))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "make collector-minimal")
}

func TestACollectorThatNoRecordComesThroughIsGivenUp(t *testing.T) {
	telemetry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, `otelcol_receiver_accepted_log_records{receiver="file_log"} 5`)
	}))
	defer telemetry.Close()
	c := &collector{metrics: telemetry.URL, ended: make(chan error, 1), patience: pollEvery / 10}
	err := c.await(t.Context(), 10, newProgress(t.Output()))
	require.ErrorIs(t, err, errStalled)
}

func TestWhoeverWaitsMayBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := writeFlows(ctx, afternoon(), filepath.Join(t.TempDir(), "flows"), newProgress(t.Output()))
	require.ErrorIs(t, err, context.Canceled)
	c := &collector{metrics: "http://127.0.0.1:0", ended: make(chan error, 1), patience: time.Hour}
	require.ErrorIs(t, c.await(ctx, 1, newProgress(t.Output())), context.Canceled)
}

func TestRecordsAreAddedUpOverReceivers(t *testing.T) {
	n, err := countRecords(strings.NewReader(`# TYPE otelcol_receiver_accepted_log_records counter
otelcol_receiver_accepted_log_records{receiver="file_log",transport=""} 1.5e+03
otelcol_receiver_accepted_log_records{receiver="otlp",transport="grpc"} 2
otelcol_receiver_refused_log_records{receiver="otlp",transport="grpc"} 7
`))
	require.NoError(t, err)
	assert.Equal(t, 1502, n)
	_, err = countRecords(strings.NewReader(`otelcol_receiver_accepted_log_records{receiver="x"} many`))
	require.Error(t, err)
}

func TestATheftIsNoticedOnlyByItsOwnAlertAndInTime(t *testing.T) {
	_, all := scenario()
	port := all[0]
	given := func(change func(plog.LogRecord)) []alert {
		logs := plog.NewLogs()
		change(putAlert(logs, port))
		return alertsIn(logs)
	}
	assert.NoError(t, missed(given(func(plog.LogRecord) {}), all[:1]))
	assert.ErrorIs(t, missed(nil, all), errMissed)
	for name, change := range map[string]func(plog.LogRecord){
		"another rule":  func(r plog.LogRecord) { r.Attributes().PutStr("exfil.rule.id", "unusual_region") },
		"another port":  func(r plog.LogRecord) { r.Attributes().PutStr("exfil.entity.value", "4445") },
		"nobody named":  func(r plog.LogRecord) { r.Attributes().Remove("exfil.contributors.host.name.values") },
		"before it":     func(r plog.LogRecord) { r.SetTimestamp(timestamp(port.theft.Start.Add(-1))) },
		"too late":      func(r plog.LogRecord) { r.SetTimestamp(timestamp(port.theft.Start.Add(window))) },
		"another event": func(r plog.LogRecord) { r.SetEventName("exfil.health") },
	} {
		assert.ErrorIs(t, missed(given(change), all[:1]), errMissed, name)
	}
}

func TestAlertsThatAreNotOTLPSayWhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alerts.jsonl")
	logs := plog.NewLogs()
	_, all := scenario()
	putAlert(logs, all[0])
	require.NoError(t, os.WriteFile(path, append(line(logs), "{broken"...), 0o600))
	_, err := readAlerts(path)
	require.ErrorContains(t, err, "line 2 of "+path)

	none, err := readAlerts(filepath.Join(t.TempDir(), "none"))
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestAReportWithoutAlertsSaysSo(t *testing.T) {
	var out strings.Builder
	_, all := scenario()
	report(&out, files{}, nil, all)
	assert.Contains(t, out.String(), "to an unused port: not noticed")
	assert.Contains(t, out.String(), "raised no alert")
}

func TestLongTextIsWrapped(t *testing.T) {
	var out strings.Builder
	wrap(&out, "  ", strings.Repeat("word ", 40))
	wrap(&out, "  ", "\n")
	assert.Equal(t, "  "+strings.Repeat("word ", 18)+"word\n  "+strings.Repeat("word ", 18)+"word\n  word word\n\n", out.String())
}

func TestFewAndManyAreShownShort(t *testing.T) {
	assert.Equal(t, "3.2×", times(3.21))
	assert.Equal(t, "350×", times(350.4))
	assert.Equal(t, "?", who(nil))
	assert.Equal(t, "a and 2 more", who([]string{"a", "b", "c"}))
	assert.Equal(t, "unusual_region (update)", ruleOf(alert{rule: "unusual_region", update: true}))
}

func TestProgressIsOneLineOnATerminalOnly(t *testing.T) {
	var out strings.Builder
	p := &progress{out: &out, terminal: true}
	p.show(0.5, "%d", 1)
	p.end("done")
	assert.Equal(t, "\r\x1b[K  ████████████░░░░░░░░░░░░  50 %  1\r\x1b[K  done\n", out.String())

	out.Reset()
	p = newProgress(&out)
	p.show(0.5, "%d", 1)
	p.end("done")
	assert.Equal(t, "  done\n", out.String())
}

func TestArgumentsThatMakeNoSenseAreRefused(t *testing.T) {
	var out strings.Builder
	require.ErrorContains(t, demo(t.Context(), []string{"all"}, &out), `"all"`)
	require.Error(t, demo(t.Context(), []string{"-no-such-flag"}, &out))
	require.NoError(t, demo(t.Context(), []string{"-help"}, &out))
}

func timestamp(t time.Time) pcommon.Timestamp { return pcommon.NewTimestampFromTime(t) }
