package hostile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otel-exfil/exfil/exfilprocessor"
	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
)

// SECURITY.md claims nothing but what a test shows.
func TestTheTestsThatSecurityNamesExist(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	require.NoError(t, err)
	var code strings.Builder
	err = filepath.WalkDir(filepath.Join(root, "internal"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		code.Write(content)
		return err
	})
	require.NoError(t, err)
	named := regexp.MustCompile(`Test[A-Z]\w+`).FindAllString(string(text), -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		assert.Contains(t, code.String(), "\nfunc "+name+"(t *testing.T)", "SECURITY.md")
	}
}

// A processor hands on what it is given, be it as it may.
func TestSpoiledRecordsPassUnchanged(t *testing.T) {
	factory := exfilprocessor.NewFactory()
	sink := new(consumertest.LogsSink)
	p, err := factory.CreateLogs(t.Context(), processortest.NewNopSettings(factory.Type()), factory.CreateDefaultConfig(), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), componenttest.NewNopHost()))
	for name, spoil := range spoiled(newOrganisation(t)) {
		ld, to := emptyBatch()
		spoil(to.AppendEmpty())
		before := plog.NewLogs()
		ld.CopyTo(before)
		require.NoError(t, p.ConsumeLogs(t.Context(), ld), name)
		want, err := new(plog.ProtoMarshaler).MarshalLogs(before)
		require.NoError(t, err)
		passed := slices.DeleteFunc(sink.AllLogs(), isEvent)
		require.Len(t, passed, 1, name)
		got, err := new(plog.ProtoMarshaler).MarshalLogs(passed[0])
		require.NoError(t, err)
		assert.Equal(t, len(want), len(got), name)
		assert.True(t, string(want) == string(got), name)
		sink.Reset()
	}
	require.NoError(t, p.Shutdown(t.Context()))
}

// isEvent says whether a delivery is exfil's own, such as that it has begun to learn: it leaves when the clock ticks.
func isEvent(ld plog.Logs) bool {
	return ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Name() == alert.ScopeName
}

// An input of one's own keeps out what it does not list.
func TestFieldsThatAreNotListedAreNotKept(t *testing.T) {
	fields := map[string][]string{
		"bytes": {"source.bytes"}, "source_address": {"source.ip"}, "destination_address": {"destination.ip"}, "destination_port": {"destination.port"},
	}
	for _, c := range []struct {
		listed bool
		input  config.Input
	}{{false, config.Input{Name: "flows", Fields: fields}}, {true, config.Input{Name: "ecs"}}} {
		o := settled(t, 4, func(cfg *config.Config) { cfg.Inputs = []config.Input{c.input} })
		ld := records(o.theft(4444, "Tashkent", stolen))
		record := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		record.Attributes().PutStr("user.name", "secret-user")
		record.Attributes().PutStr("process.name", "secret-process")
		o.deliver(ld)
		require.NotEmpty(t, o.anomalies())
		out := plog.NewLogs()
		to := out.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for _, lr := range o.anomalies() {
			lr.CopyTo(to.AppendEmpty())
		}
		text, err := new(plog.JSONMarshaler).MarshalLogs(out)
		require.NoError(t, err)
		for _, name := range []string{"secret-user", "secret-process", "ws-2"} {
			assert.Equal(t, c.listed, strings.Contains(string(text), name), name)
		}
	}
}

// Not every network that is inside is known, so an event that says that both ends are is believed.
func TestWhoSaysThatItStaysInsideIsBelieved(t *testing.T) {
	o := settled(t, 4)
	ld := records(o.theft(4444, "Tashkent", stolen))
	ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("network.direction", "internal")
	o.deliver(ld)
	assert.Empty(t, o.anomalies())
	assert.EqualValues(t, 1, o.Stats().Flows["internal"], "it is counted as such")
}
