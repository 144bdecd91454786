package observer

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
)

// shards are where a test keeps a snapshot.
type shards map[string][]byte

func (s shards) snapshot(t testing.TB, o *Observer) {
	t.Helper()
	n := o.Snapshot()
	defer n.Release(true)
	for {
		var w codec.Writer
		name, unchanged, ok := n.Next(&w)
		if !ok {
			return
		}
		require.False(t, unchanged, "all is new")
		s[name] = w.Data
	}
}

func (s shards) load(t testing.TB, o *Observer, beforeWork bool, lost ...string) (detector.Restored, error) {
	t.Helper()
	l, err := o.Loader()
	require.NoError(t, err)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(lost, name) {
			errs = append(errs, l.Visit(name, s[name]))
		}
	}
	return l.Finish(beforeWork), errors.Join(errs...)
}

// same is the configuration of quick.
func same(*config.Config) {}

// reborn is another bench that goes on from what one knows, at the same time.
func reborn(t *testing.T, b *bench, lost ...string) *bench {
	t.Helper()
	kept := shards{}
	kept.snapshot(t, b.Observer)
	return kept.reborn(t, b.now, lost...)
}

func (s shards) reborn(t *testing.T, now time.Time, lost ...string) *bench {
	t.Helper()
	next := newBench(t, same)
	next.now = now
	_, err := s.load(t, next.Observer, true, lost...)
	require.NoError(t, err)
	return next
}

// connection tells the running total of a connection's bytes.
func (b *bench) connection(id uint64, total int64) {
	b.t.Helper()
	r := outbound(b.now, 443, total)
	r.Total = id
	b.deliver(r)
}

// Given an observer of all there is, logs, connections that are told again and again, and counters, when it is saved
// and loaded, then it goes on as if nothing had happened: nothing counts twice, and nothing is told twice.
func TestAnObserverGoesOnWhereItWas(t *testing.T) {
	straight := newBench(t, same)
	resumed := newBench(t, same)
	sender := newSender(cumulative(), monday.Add(48*time.Hour+10*time.Minute))
	step := func(work func(b *bench)) {
		work(straight)
		work(resumed)
		require.Equal(t, straight.tenants.rest.detector.Fingerprint(), resumed.tenants.rest.detector.Fingerprint())
		require.Equal(t, straight.told(), resumed.told())
		resumed = reborn(t, resumed)
	}
	step(func(b *bench) { b.days(2) })
	md := sender.export(bare(straight.now.Add(time.Minute), 443, 70_000))
	step(func(b *bench) { b.now = b.now.Add(time.Minute); b.count(md) })
	md = sender.export(bare(straight.now.Add(time.Minute), 443, 20_000))
	step(func(b *bench) { b.now = b.now.Add(time.Minute); b.count(md) })
	step(func(b *bench) { b.now = b.now.Add(time.Minute); b.count(md) }) // once more: it was counted
	step(func(b *bench) { b.connection(7, 50_000) })
	step(func(b *bench) { b.connection(7, 60_000) })
	assert.EqualValues(t, 1, resumed.Stats().RunningTotals)
	step(func(b *bench) { b.deliver(outbound(b.now, 4444, 800_000_000)) })
	assert.Contains(t, resumed.told(), "exfil.anomaly 4444")
	step(func(b *bench) {
		_, n := b.Alerts()
		b.Delivered(n)
	})
	step(func(b *bench) { b.days(1) })
	assert.Equal(t, straight.Stats().Detector, resumed.Stats().Detector)
}

func TestWithoutTheirKeyConnectionsAndStreamsAreNew(t *testing.T) {
	b := newBench(t, same)
	sender := newSender(cumulative(), monday.Add(time.Minute))
	b.count(sender.export(bare(b.now.Add(2*time.Minute), 443, 70_000)))
	require.Positive(t, b.Stats().Streams.Streams)
	kept := shards{}
	kept.snapshot(t, b.Observer)
	assert.Equal(t, b.Stats().Streams, kept.reborn(t, b.now).Stats().Streams)
	assert.Zero(t, kept.reborn(t, b.now, identityShard).Stats().Streams.Streams)
}

func TestWhereTheBaselinesAreLostTheWarmUpIsNewsAgain(t *testing.T) {
	b := newBench(t, same)
	b.days(2)
	b.Tick()
	_, n := b.Alerts()
	b.Delivered(n)
	next := reborn(t, b, "detector/0")
	next.days(2)
	next.Tick()
	assert.Equal(t, []string{"exfil.health warming_up", "exfil.health ready"}, next.told())
}

// Given an observer at work, when what an earlier one knew can be loaded at last, then it goes on with that, and keeps
// the alerts that wait.
func TestWhatIsLoadedLateTakesThePlaceOfWhatWasLearned(t *testing.T) {
	before := newBench(t, same)
	before.days(2)
	kept := shards{}
	kept.snapshot(t, before.Observer)

	b := newBench(t, same)
	b.now = before.now
	b.deliver(outbound(b.now, 443, 5))
	b.Tick()
	require.Equal(t, []string{"exfil.health warming_up"}, b.told())
	restored, err := kept.load(t, b.Observer, false)
	require.NoError(t, err)
	assert.Positive(t, restored.Entities)
	assert.Equal(t, before.Stats().Detector, b.Stats().Detector)
	assert.Equal(t, append([]string{"exfil.health warming_up"}, before.told()...), b.told())
}

func TestShardsThatMakeNoSenseAreLost(t *testing.T) {
	b := newBench(t, same)
	b.days(1)
	kept := shards{}
	kept.snapshot(t, b.Observer)
	for name := range kept {
		broken := maps.Clone(kept)
		broken[name] = []byte("\xffgarbage")
		_, err := broken.load(t, newBench(t, same).Observer, true)
		require.ErrorIs(t, err, codec.ErrMalformed, name)
	}
	kept["of a later version"] = nil
	_, err := kept.load(t, newBench(t, same).Observer, true)
	require.NoError(t, err, "what is not known is left alone")
}

// The files of testdata/state were written by the first version that kept a state. They must be read for ever,
// whatever a later one writes.
func TestTheStateOfTheFirstVersionIsRead(t *testing.T) {
	const dir = "testdata/state"
	if _, err := os.Stat(dir); *update && errors.Is(err, os.ErrNotExist) { // never over what is there
		writeState(t, dir)
	}
	kept := shards{}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		kept[strings.ReplaceAll(strings.TrimSuffix(f.Name(), ".bin"), "_", "/")] = data
	}
	b := newBench(t, same)
	b.now = monday.Add(48*time.Hour + 12*time.Minute)
	restored, err := kept.load(t, b.Observer, true)
	require.NoError(t, err)
	assert.Equal(t, detector.Restored{Entities: 23}, restored)
	assert.Contains(t, b.told(), "exfil.anomaly 4444", "an alert waits")
	_, n := b.Alerts()
	b.Delivered(n)
	assert.EqualValues(t, 1, b.Stats().Streams.Streams)
	b.deliver(outbound(b.now, 443, 200_000), outbound(b.now, 5555, 800_000_000))
	assert.Contains(t, b.told(), "exfil.anomaly 5555", "it is warm")
	assert.NotContains(t, b.told(), "exfil.anomaly 443", "which is known")
}

// writeState writes the state of an observer that has learned for two days, with an alert that waits.
func writeState(t *testing.T, dir string) {
	t.Helper()
	b := newBench(t, same)
	b.days(2)
	b.Tick()
	_, n := b.Alerts()
	b.Delivered(n)
	b.deliver(outbound(b.now, 4444, 800_000_000))
	b.count(newSender(cumulative(), b.now.Add(-time.Minute)).export(bare(b.now, 443, 70_000)))
	kept := shards{}
	kept.snapshot(t, b.Observer)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.MkdirAll(dir, 0o750))
	for name, data := range kept {
		require.NoError(t, os.WriteFile(filepath.Join(dir, strings.ReplaceAll(name, "/", "_")+".bin"), data, 0o600))
	}
}
