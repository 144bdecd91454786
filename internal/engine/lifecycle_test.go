package engine_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"

	"github.com/otel-exfil/exfil/internal/engine"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

func TestInstancesOfOneConfigurationShareWhatTheyLearn(t *testing.T) {
	cfg := enginetest.Quick()
	w := newWorld(t, cfg)
	other := &enginetest.Downstream{}
	second := w.join(cfg, other)
	w.start(second)
	stranger := w.join(enginetest.Quick(), other)
	w.start(stranger)

	for i, hour := range enginetest.Ordinary(3) {
		deliver(t.Context(), []*engine.Instance{w.instance, second}[i%2], hour)
	}
	deliver(t.Context(), second, enginetest.ECS(enginetest.Theft(3)))
	assert.Contains(t, other.Anomalies(), "4444", "by the pipeline that brought it")
	assert.Empty(t, w.next.Anomalies(), "and only there")
	assert.Equal(t, w.instance.Stats(), second.Stats())
	assert.Zero(t, stranger.Stats().Bytes, "an equal configuration is not the same one")
	w.leave(stranger)

	w.shutdown()
	deliver(t.Context(), second, enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3).Add(2 * time.Hour), Host: "ws-4", Port: 5555, Bytes: 900_000_000}))
	assert.Contains(t, other.Anomalies(), "5555", "the second goes on alone")
	w.leave(second)

	again := w.join(cfg, other)
	assert.Zero(t, again.Stats().Bytes, "after the last one has gone it begins anew")
	w.leave(again)
}

// Given an instance that has no outlet, as in a metrics pipeline, and one that has, when either
// is made, started or shut down first, then each alert leaves once, through the outlet.
func TestEveryOrderOfStartAndShutdown(t *testing.T) {
	for name, order := range map[string]struct{ outletMadeFirst, outletStartsFirst, outletStopsFirst bool }{
		"outlet always first":       {true, true, true},
		"outlet always last":        {false, false, false},
		"made last, stopped first":  {false, false, true},
		"made first, stopped last":  {true, false, false},
		"started first, made last":  {false, true, false},
		"as a collector may stop":   {true, false, true},
		"started and stopped first": {false, true, true},
		"stopped last":              {true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := emptyWorld(t, enginetest.Quick())
			sides := make(map[bool]*engine.Instance) // by whether it has the outlet
			for _, outlet := range inOrder(order.outletMadeFirst) {
				if outlet {
					sides[true] = w.join(w.config, w.next)
				} else {
					sides[false] = w.join(w.config, nil)
				}
			}
			for _, outlet := range inOrder(order.outletStartsFirst) {
				w.start(sides[outlet])
			}
			for i, hour := range enginetest.Ordinary(3) {
				deliver(t.Context(), sides[i%2 == 0], hour)
			}
			deliver(t.Context(), sides[false], enginetest.ECS(enginetest.Theft(3)))
			assert.Contains(t, w.next.Anomalies(), "4444")

			w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
			deliver(t.Context(), sides[false], enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-4", Port: 5555, Bytes: 900_000_000}))
			require.Positive(t, sides[false].Stats().Pending)
			w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
			for _, outlet := range inOrder(order.outletStopsFirst) {
				w.leave(sides[outlet])
			}
			assert.Contains(t, w.next.Anomalies(), "5555", "flushed")
			assert.Zero(t, sides[false].Stats().Pending)
			assert.Zero(t, w.lost())
			unique := map[string]bool{}
			for _, lr := range w.next.Alerts() {
				uid, _ := lr.Attributes().Get("log.record.uid")
				assert.False(t, unique[uid.Str()], "once each")
				unique[uid.Str()] = true
			}
		})
	}
}

func inOrder(outletFirst bool) [2]bool { return [2]bool{outletFirst, !outletFirst} }

func TestWithoutAnOutletNothingStarts(t *testing.T) {
	w := emptyWorld(t, enginetest.Quick())
	alone := w.join(w.config, nil)
	require.ErrorIs(t, alone.Start(t.Context(), componenttest.NewNopHost()), engine.ErrNoOutlet)

	outlet := w.join(w.config, w.next)
	w.start(alone)
	w.leave(outlet)
	late := w.join(w.config, nil)
	require.ErrorIs(t, late.Start(t.Context(), componenttest.NewNopHost()), engine.ErrNoOutlet, "the outlet has gone")
	w.leave(late)
	w.leave(alone)
}

// Time passes once more before the last outlet closes: what is to be told by now, is.
func TestTheLastOutletTakesTheNewsOfTheDetectionAlong(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	metrics := w.join(w.config, nil)
	w.start(metrics)
	w.learn()
	require.Empty(t, w.next.Statuses())
	w.shutdown()
	assert.Equal(t, []string{"warming_up", "ready"}, w.next.Statuses())
	w.leave(metrics)
	assert.Zero(t, w.lost())
}

// Alerts that are decided before the outlet's pipeline has started wait for it.
func TestAlertsWaitForTheOutletToStart(t *testing.T) {
	w := emptyWorld(t, enginetest.Quick())
	outlet := w.join(w.config, w.next)
	early := w.join(w.config, nil)
	w.start(early)
	for _, hour := range enginetest.Ordinary(3) {
		deliver(t.Context(), early, hour)
	}
	early.Tick(t.Context())
	assert.Empty(t, w.next.Alerts())
	assert.EqualValues(t, 2, early.Stats().Pending)

	w.start(outlet)
	early.Tick(t.Context())
	assert.Equal(t, []string{"warming_up", "ready"}, w.next.Statuses())
	w.leave(early)
	w.leave(outlet)
}

// What is decided after the last outlet has closed cannot leave. That is said, and does not
// keep anything from ending.
func TestWhatIsDecidedAfterTheLastOutletIsLost(t *testing.T) {
	w := settled(t)
	metrics := w.join(w.config, nil)
	w.start(metrics)
	w.shutdown()

	deliver(t.Context(), metrics, enginetest.ECS(enginetest.Theft(3)))
	metrics.Tick(t.Context())
	waiting := metrics.Stats().Pending
	require.Positive(t, waiting)
	assert.Empty(t, w.next.Anomalies(), "nothing reaches a pipeline that has gone")
	w.leave(metrics)
	assert.Equal(t, waiting, w.lost())
}

func TestShutdownIsSafeAtAnyTime(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	w.shutdown()
	w.shutdown()

	unstarted := w.join(enginetest.Quick(), w.next)
	w.leave(unstarted)
	w.leave(unstarted)
}

// A collector that fails to start shuts everything down, that which never started included. Nothing
// may be sent through a pipeline that has not started.
func TestNothingLeavesThroughAnInstanceThatNeverStarted(t *testing.T) {
	w := emptyWorld(t, enginetest.Quick())
	started, unstarted := w.join(w.config, nil), w.join(w.config, w.next)
	w.start(started)
	for _, hour := range enginetest.Ordinary(3) {
		deliver(t.Context(), started, hour)
	}
	w.leave(started)
	w.leave(unstarted)
	assert.Empty(t, w.next.Alerts())
	assert.Positive(t, w.lost())
}

func TestAMissingDatabaseIsAnErrorAtStart(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.Geo.Database = t.TempDir() + "/none.mmdb"
	require.NoError(t, cfg.Validate(), "a configuration can be checked where the database is not")
	w := emptyWorld(t, cfg)
	i := w.join(cfg, w.next)
	require.ErrorContains(t, i.Start(t.Context(), componenttest.NewNopHost()), "geo.database")
	w.leave(i)
}

func TestARuleFileThatIsGoneIsAnErrorAtCreation(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.RuleFiles = []string{"testdata/nowhere.yaml"}
	w := emptyWorld(t, cfg)
	_, err := w.registry.Join(w.settings(), cfg, w.next)
	require.ErrorContains(t, err, "rule_files[0]")
}

func TestTheTickerClosesWindowsAndDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := emptyWorld(t, enginetest.Quick())
		i, err := engine.NewRegistry(engine.WallClock{}).Join(w.settings(), w.config, w.next)
		require.NoError(t, err)
		w.start(i)
		deliver(t.Context(), i, enginetest.ECS(enginetest.Sent{At: time.Now(), Host: "ws-1", Port: 443, Bytes: 1000}))
		assert.Empty(t, w.next.Statuses())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, []string{"warming_up"}, w.next.Statuses())

		time.Sleep(2 * time.Hour)
		synctest.Wait()
		assert.Positive(t, i.Stats().Detector.WindowsClosed, "no traffic closed them")
		w.leave(i)
	})
}

// A consumer that hangs in the ticker's delivery is told to end, and what it did not take is delivered.
// Given an organisation so large that its windows close in the background, when the shutdown comes while one does, then what is found
// as the next one opens, and what is queued behind that, still leaves.
func TestAShutdownWaitsForWindowsThatClose(t *testing.T) {
	w := newWorld(t, enginetest.Quick())
	hour := func(n int) (all []enginetest.Sent) {
		for host := range 600 {
			all = append(all, enginetest.Sent{
				At: enginetest.Monday.Add(time.Duration(n)*time.Hour + 10*time.Minute), Host: "ws-" + strconv.Itoa(host), Port: int64(1000 + host%20), Bytes: 200_000,
			})
		}
		return all
	}
	const learned = 72
	for n := range learned {
		w.consume(enginetest.ECS(hour(n)...))
	}
	early, late := hour(learned)[0], hour(learned)[1]
	early.At, early.Port, early.Bytes = early.At.Add(-8*time.Minute), 4444, 800_000_000 // the window before may still get more
	late.Port, late.Bytes = 5555, 800_000_000
	w.consume(enginetest.ECS(early))
	require.Empty(t, w.next.Anomalies())
	w.consume(enginetest.ECS(late))
	w.shutdown()
	assert.Contains(t, w.next.Anomalies(), "4444")
	assert.Contains(t, w.next.Anomalies(), "5555")
	assert.Zero(t, w.lost())
}

func TestAShutdownEndsTheTickersDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := emptyWorld(t, enginetest.Quick())
		i, err := engine.NewRegistry(engine.WallClock{}).Join(w.settings(), w.config, w.next)
		require.NoError(t, err)
		w.start(i)
		reached := make(chan struct{}, 1)
		w.next.Set(func(d *enginetest.Downstream) { d.Hang = reached })
		deliver(t.Context(), i, enginetest.ECS(enginetest.Sent{At: time.Now(), Host: "ws-1", Port: 443, Bytes: 1000}))
		<-reached
		w.next.Set(func(d *enginetest.Downstream) { d.Hang = nil })
		w.leave(i)
		assert.Equal(t, []string{"warming_up"}, w.next.Statuses())
		assert.Zero(t, w.lost())
	})
}

// An instance without an outlet has nothing on its way: it leaves although another's outlet hangs.
func TestAnInstanceWithoutAnOutletDoesNotWaitForAnothers(t *testing.T) {
	w := settled(t)
	metrics := w.join(w.config, nil)
	w.start(metrics)
	reached := make(chan struct{}, 1)
	w.next.Set(func(d *enginetest.Downstream) { d.Hang = reached })
	delivery, release := context.WithCancel(t.Context())
	hanging := make(chan struct{})
	go func() {
		defer close(hanging)
		deliver(delivery, w.instance, enginetest.ECS(enginetest.Theft(3)))
	}()
	<-reached
	w.leave(metrics)
	w.next.Set(func(d *enginetest.Downstream) { d.Hang = nil })
	release()
	<-hanging
	w.shutdown()
	assert.Contains(t, w.next.Anomalies(), "4444")
}

// Given thefts that come to all instances at once, when one of them leaves meanwhile, then every
// delivery has counted and every alert has left once.
func TestDeliveriesFromManyGoroutines(t *testing.T) {
	w := settled(t)
	second, metrics := w.join(w.config, w.next), w.join(w.config, nil)
	w.start(second)
	w.start(metrics)
	before := metrics.Stats().Records["accepted"]
	var want []string
	var senders sync.WaitGroup
	for sender, instance := range []*engine.Instance{w.instance, second, metrics} {
		var thefts []enginetest.Sent
		for i := range 5 {
			port := 4000 + 10*sender + i
			want = append(want, strconv.Itoa(port))
			thefts = append(thefts, enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-3", Port: int64(port), Bytes: 800_000_000})
		}
		senders.Go(func() {
			var meter enginetest.Meter
			for _, theft := range thefts {
				if instance == metrics {
					instance.Commit(t.Context(), instance.DecodeMetrics(meter.Export(theft)))
				} else {
					deliver(t.Context(), instance, enginetest.ECS(theft))
				}
			}
			if instance == second {
				w.leave(second)
			}
		})
	}
	senders.Go(func() {
		for range 50 {
			metrics.Tick(t.Context())
			metrics.Stats()
		}
	})
	senders.Wait()
	assert.EqualValues(t, len(want), metrics.Stats().Records["accepted"]-before)
	w.shutdown()
	w.leave(metrics)
	assert.Zero(t, w.lost())
	var got []string
	for _, entity := range w.next.Anomalies() {
		if slices.Contains(want, entity) {
			got = append(got, entity)
		}
	}
	assert.ElementsMatch(t, want, got)
}
