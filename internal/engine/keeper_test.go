package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

var storageID = component.MustNewIDWithName("file_storage", "exfil")

// shelf is a storage extension, and a collector that runs it.
type shelf struct {
	component.StartFunc
	component.ShutdownFunc
	client *checkpointtest.Client
	err    error // of GetClient
	asked  []component.ID
}

func (s *shelf) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{storageID: s}
}

func (s *shelf) GetClient(_ context.Context, _ component.Kind, id component.ID, _ string) (storage.Client, error) {
	s.asked = append(s.asked, id)
	return s.client, s.err
}

func newShelf() *shelf { return &shelf{client: checkpointtest.New()} }

// kept is a configuration that keeps what is learned.
func kept() *config.Config {
	cfg := enginetest.Quick()
	cfg.Storage, cfg.CheckpointInterval = &storageID, time.Minute
	return cfg
}

// life is one run of a collector over what a shelf holds.
func life(t *testing.T, cfg *config.Config, s *shelf) *world {
	t.Helper()
	w := emptyWorld(t, cfg)
	w.host = s
	w.instance = w.join(cfg, w.next)
	w.start(w.instance)
	return w
}

// minute lets a minute pass, and what is due be done.
func (w *world) minute() {
	w.clock.Advance(time.Minute)
	w.tick()
	synctest.Wait()
}

// attributes are those of all alerts, which are all that alerts say, by their identity.
func attributes(alerts ...[]plog.LogRecord) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, lr := range slices.Concat(alerts...) {
		uid, _ := lr.Attributes().Get("log.record.uid")
		all[uid.Str()] = lr.Attributes().AsRaw()
	}
	return all
}

// month is three days of ordinary traffic, and a theft in two parts of which neither alerts by itself.
func month() []plog.Logs {
	traffic := enginetest.Ordinary(3)
	for i := range 6 {
		traffic = append(traffic, enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3).Add(time.Duration(i) * 10 * time.Minute), Host: "ws-4", Port: 4444, Bytes: 30_000_000}))
	}
	return traffic
}

// Given a collector that is stopped and started again at any point, then its alerts are those of one that
// was not, to the last attribute.
func TestARestartIsNotNoticed(t *testing.T) {
	straight := newWorld(t, kept0())
	for _, ld := range month() {
		straight.consume(ld)
		straight.tick()
	}
	want := attributes(straight.next.Alerts())
	require.Contains(t, straight.next.Anomalies(), "4444")
	straight.shutdown()

	for _, every := range []int{1, 7, 40} {
		t.Run(fmt.Sprintf("every %d deliveries", every), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, got := newShelf(), [][]plog.LogRecord{}
				for part := range slices.Chunk(month(), every) {
					w := life(t, kept(), s)
					for _, ld := range part {
						w.consume(ld)
						w.tick()
					}
					w.shutdown()
					assert.Empty(t, w.log.All())
					assert.True(t, s.client.Closed())
					got = append(got, w.next.Alerts())
					s = &shelf{client: s.client.Clone()}
				}
				assert.Equal(t, want, attributes(got...))
				assert.Len(t, slices.Concat(got...), len(want), "once each")
			})
		})
	}
}

// kept0 is the configuration of kept without a storage.
func kept0() *config.Config {
	cfg := kept()
	cfg.Storage = nil
	return cfg
}

// Given a collector that is killed, then the next one goes on where the last checkpoint was.
func TestAfterAKillTheLastCheckpointHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		w := life(t, kept(), s)
		w.learn()
		w.minute()
		before := w.instance.Stats()
		w.consume(enginetest.ECS(enginetest.Theft(3)))
		require.Contains(t, w.next.Anomalies(), "4444")
		killed := &shelf{client: s.client.Clone()}
		w.shutdown()

		w = life(t, kept(), killed)
		assert.Equal(t, before.Detector, w.instance.Stats().Detector)
		assert.Equal(t, before.Entities, w.instance.Stats().Entities)
		first := attributes(w.next.Alerts())
		w.consume(enginetest.ECS(enginetest.Theft(3)))
		again := w.next.Anomalies()
		assert.Contains(t, again, "4444", "what comes again is found again")
		assert.Subset(t, slices.Collect(maps.Keys(attributes(w.next.Alerts()))), slices.Collect(maps.Keys(first)), "under the same identity")
		assert.NotContains(t, w.next.Statuses(), "warming_up")
		w.shutdown()
	})
}

func TestAlertsThatNobodyTookAreDeliveredByTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		w := life(t, kept(), s)
		w.learn()
		w.minute()
		w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
		w.consume(enginetest.ECS(enginetest.Theft(3)))
		w.tick() // within the minute: alerts that wait are saved at once
		synctest.Wait()
		killed := &shelf{client: s.client.Clone()}
		w.shutdown()
		assert.Zero(t, w.lost())
		assert.Len(t, w.log.FilterMessageSnippet("kept for the next start").All(), 1)

		for name, s := range map[string]*shelf{"after a shutdown": {client: s.client.Clone()}, "after a kill": killed} {
			next := life(t, kept(), s)
			next.tick()
			assert.Contains(t, next.next.Anomalies(), "4444", name)
			next.tick()
			assert.Len(t, attributes(next.next.Alerts()), len(next.next.Alerts()), "once each")
			next.shutdown()
		}
	})
}

// Given a storage of which any call fails, then data and alerts leave as ever, and the failure is told.
func TestAStorageThatFailsStopsNothing(t *testing.T) {
	calls := 0
	for at := 1; at == 1 || at <= calls; at += eachCall {
		synctest.Test(t, func(t *testing.T) {
			s := newShelf()
			s.client.Fail(at, checkpointtest.Nothing)
			w := life(t, kept(), s)
			for i, ld := range enginetest.Ordinary(3) {
				w.consume(ld)
				if i%36 == 0 {
					w.minute()
				}
			}
			w.consume(enginetest.ECS(enginetest.Theft(3)))
			assert.Contains(t, w.next.Anomalies(), "4444", "call %d", at)
			w.minute()
			_ = w.instance.Shutdown(context.Background()) // the last save may be what fails
			calls = max(calls, s.client.Calls())

			s = &shelf{client: s.client.Clone()}
			s.client.Repair()
			w = life(t, kept(), s)
			assert.NotContains(t, w.next.Statuses(), "state_lost")
			assert.Positive(t, w.instance.Stats().Detector.WindowsClosed, "what was saved before is there")
			w.shutdown()
		})
	}
	assert.Greater(t, calls, 20)
}

// Given a storage that cannot be read when the collector starts, then nothing is written over what it has, and once it
// can be read, that is what the engine goes on with.
func TestWhatCouldNotBeLoadedIsNotOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		w := life(t, kept(), s)
		w.learn()
		w.shutdown()
		learned := w.instance.Stats().Detector

		for name, break_ := range map[string]func(s *shelf){
			"no client": func(s *shelf) { s.err = errors.New("the file is locked") },
			"no answer": func(s *shelf) { s.client.Crash(s.client.Calls()+1, checkpointtest.Nothing) },
		} {
			s := &shelf{client: s.client.Clone()}
			break_(s)
			w := life(t, kept(), s)
			require.NotEmpty(t, w.log.FilterMessageSnippet("could not be kept").All(), name)
			w.consume(enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-1", Port: 443, Bytes: 1000}))
			w.minute()
			assert.Less(t, w.instance.Stats().Detector.WindowsClosed, learned.WindowsClosed)

			s.err = nil
			s.client.Repair()
			w.minute()
			assert.Equal(t, learned.WindowsClosed, w.instance.Stats().Detector.WindowsClosed)
			w.consume(enginetest.ECS(enginetest.Theft(3)))
			assert.Contains(t, w.next.Anomalies(), "4444", name)
			w.shutdown()
		}
	})
}

// Given a checkpoint that is damaged, then that is told, in the log and to whoever reads the alerts.
func TestADamagedStateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		w := life(t, kept(), s)
		w.learn()
		w.shutdown()
		whole := s.client.Clone()
		for _, key := range whole.Keys() {
			s := &shelf{client: whole.Clone()}
			s.client.Poke(key, []byte("garbage"))
			w := life(t, kept(), s)
			w.consume(enginetest.ECS(enginetest.Theft(3)))
			w.tick()
			statuses := w.next.Statuses()
			w.shutdown()
			switch {
			case slices.Contains([]string{"checkpoint/manifest", "checkpoint/manifest/copy", "checkpoint/ledger"}, key):
				assert.NotContains(t, statuses, "state_lost", "%s has a copy, or can be done without", key)
				assert.Contains(t, w.next.Anomalies(), "4444")
			default:
				assert.Contains(t, statuses, "state_lost", key)
				assert.NotEmpty(t, w.log.FilterMessageSnippet("A part of the state is lost").All(), key)
			}
		}
		for _, key := range []string{"checkpoint/manifest", "checkpoint/manifest/copy"} {
			whole.Poke(key, []byte("garbage"))
		}
		w = life(t, kept(), &shelf{client: whole})
		w.tick()
		assert.Equal(t, []string{"state_lost"}, w.next.Statuses())
		assert.NotEmpty(t, w.log.FilterMessageSnippet("is set aside").All())
		w.shutdown()
	})
}

func TestAStorageThatIsNotThere(t *testing.T) {
	for name, c := range map[string]struct {
		host component.Host
		says string
	}{
		"no extension":      {componenttest.NewNopHost(), "service::extensions"},
		"another extension": {otherHost{}, "stores nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			w := emptyWorld(t, kept())
			i := w.join(w.config, w.next)
			err := i.Start(t.Context(), c.host)
			require.ErrorIs(t, err, engine.ErrStorage)
			assert.ErrorContains(t, err, "file_storage/exfil")
			assert.ErrorContains(t, err, c.says)
			w.leave(i)
		})
	}
}

// otherHost runs an extension that is no storage.
type otherHost struct{}

func (otherHost) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{storageID: nopExtension{}}
}

type nopExtension struct {
	component.StartFunc
	component.ShutdownFunc
}

// Given a storage that does not answer any more, then the shutdown ends when its context does.
func TestAStorageThatHangsDoesNotHoldUpTheShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		w := life(t, kept(), s)
		w.consume(enginetest.Ordinary(1)[0])
		s.client.Block(s.client.Calls() + 2)
		w.minute()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.instance.Shutdown(ctx), context.DeadlineExceeded)

		w = life(t, kept(), &shelf{client: s.client.Clone()})
		w.consume(enginetest.Ordinary(1)[0])
		w.shutdown()

		last := newShelf()
		w = life(t, kept(), last)
		w.consume(enginetest.Ordinary(1)[0])
		last.client.Block(last.client.Calls() + 1)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.instance.Shutdown(ctx), context.DeadlineExceeded)
	})
}
