package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otel-exfil/exfil/exfilprocessor"
	"github.com/otel-exfil/exfil/internal/checkpoint"
	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
	"github.com/otel-exfil/exfil/internal/observer"
)

// reader returns the path of the program that reads what file_storage has written.
func reader(t *testing.T) string {
	t.Helper()
	return program(t, "EXFIL_STORED", "`make test` builds a program that reads a storage, and does")
}

// state is a checkpoint that was found in a storage.
type state struct {
	client *checkpointtest.Client // that has the same as the storage
	report checkpoint.Report
	shards map[string][]byte
	// What a detector says that goes on from it.
	stats       detector.Stats
	fingerprint [32]byte
}

// stateIn reads what the connector of a collector has kept in a directory. The collector has ended.
func stateIn(t *testing.T, directory string) *state {
	t.Helper()
	var out, says bytes.Buffer
	cmd := exec.CommandContext(t.Context(), reader(t), filepath.Join(directory, "connector_exfil_"))
	cmd.Stdout, cmd.Stderr = &out, &says
	require.NoError(t, cmd.Run(), says.String())
	var values map[string][]byte
	require.NoError(t, json.Unmarshal(out.Bytes(), &values))
	client := checkpointtest.New()
	for key, value := range values {
		client.Poke(key, value)
	}
	return stateOf(t, client)
}

// stateOf loads the checkpoint that a client has.
func stateOf(t *testing.T, client *checkpointtest.Client) *state {
	t.Helper()
	s := &state{client: client.Clone(), shards: map[string][]byte{}}
	cfg := keeping(hour)
	rules, err := cfg.EnabledRules()
	require.NoError(t, err)
	d, err := detector.New(observer.Detection(cfg, rules))
	require.NoError(t, err)
	loader := d.Loader()
	s.report, err = checkpoint.Open(client.Clone(), checkpoint.Options{}).Load(t.Context(), func(name string, data []byte) error {
		s.shards[name] = bytes.Clone(data)
		if loader.Owns(name) {
			return loader.Visit(name, data)
		}
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, s.report.Unreadable)
	require.Empty(t, s.report.Lost)
	loader.Finish()
	s.stats, s.fingerprint = d.Stats(), d.Fingerprint()
	return s
}

// keeping is the configuration of kept.yaml.
func keeping(span time.Duration) *config.Config {
	cfg := enginetest.Quick()
	cfg.Windows = []time.Duration{span}
	cfg.MaxClockSkew = 87_600 * hour
	cfg.PassThrough = false
	cfg.Storage = &storageID
	return cfg
}

var storageID = component.MustNewID("file_storage")

// shelf is a storage extension, and a collector that runs it.
type shelf struct {
	component.StartFunc
	component.ShutdownFunc
	client *checkpointtest.Client
}

func (s *shelf) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{storageID: s}
}

func (s *shelf) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return s.client, nil
}

// undisturbed gives deliveries to a processor in this process that goes on from a state, and returns
// all that it tells, and the state that it leaves.
func (s *state) undisturbed(t *testing.T, deliveries []plog.Logs) (plog.Logs, *state) {
	t.Helper()
	f := exfilprocessor.NewFactory()
	sink, kept := &consumertest.LogsSink{}, &shelf{client: s.client.Clone()}
	p, err := f.CreateLogs(t.Context(), processortest.NewNopSettings(f.Type()), keeping(hour), sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context(), kept))
	for _, ld := range deliveries {
		require.NoError(t, p.ConsumeLogs(t.Context(), ld))
	}
	require.NoError(t, p.Shutdown(t.Context()))
	all := plog.NewLogs()
	for _, ld := range sink.AllLogs() {
		ld.ResourceLogs().MoveAndAppendTo(all.ResourceLogs())
	}
	return all, stateOf(t, kept.client)
}

// clocked are the shards with instants of the clock, which are of each run: when event time last moved on, and when
// databases were looked at.
func clocked() []string { return []string{"alerts", "detector/0"} }

// requireSame requires that states are the same: byte for byte, but for the clock's instants; and that whoever goes on from
// one says of what comes what is said by whoever goes on from the other.
func requireSame(t *testing.T, want, got *state) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(want.shards)), slices.Sorted(maps.Keys(got.shards)))
	require.Equal(t, want.stats, got.stats)
	require.Equal(t, want.fingerprint, got.fingerprint)
	for name, data := range want.shards {
		if !slices.Contains(clocked(), name) {
			require.True(t, bytes.Equal(data, got.shards[name]), "the shard %s differs, %d bytes and %d", name, len(data), len(got.shards[name]))
		}
	}
	said, _ := want.undisturbed(t, future())
	says, _ := got.undisturbed(t, future())
	require.NotEmpty(t, anomaliesIn(said))
	assert.Equal(t, eventsIn(said), eventsIn(says))
}

// future is what may come after the office: what was stolen goes on, some of it to where it already went.
func future() []plog.Logs {
	var all []plog.Logs
	for n := range 3 * slotsPerHour {
		at := slotTime(officeDays*perDay + n)
		all = append(all, enginetest.ECS(
			enginetest.Sent{At: at.Add(-2 * time.Second), Host: "ws-30", Port: 2222, Bytes: 90_000_000},
			enginetest.Sent{At: at.Add(-time.Second), Host: "ws-31", Port: 2222, Bytes: 90_000_000},
			enginetest.Sent{At: at, Host: "ws-19", Port: 7777, Bytes: 5_000_000},
		))
	}
	return all
}
