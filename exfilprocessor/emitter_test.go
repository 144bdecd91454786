package exfilprocessor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
)

// settled is a world that has learned for three days and told of its warm-up.
func settled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, quick())
	for _, hour := range ordinary(3) {
		w.consume(hour)
	}
	w.tick()
	require.Equal(t, []string{"warming_up", "ready"}, w.next.statuses())
	return w
}

func TestAlertsThatAreRefusedDoNotFailTheDataAndAreTriedAgain(t *testing.T) {
	w := settled(t)
	w.next.set(func(d *downstream) { d.refuseAlerts, d.vandal = errRefused, true })
	delivered := w.next.delivered()
	w.consume(theft(3))
	assert.Equal(t, delivered+1, w.next.delivered(), "the data is accepted")
	assert.Empty(t, w.next.anomalies())
	waiting := w.stats().Pending
	require.Positive(t, waiting)

	w.next.set(func(d *downstream) { d.refuseAlerts = nil })
	w.tick()
	assert.Empty(t, w.next.anomalies(), "too soon")
	w.hands.advance(firstRetry)
	w.tick()
	assert.Contains(t, w.next.anomalies(), "4444", "whole, although the consumer spoilt what it refused")
	assert.Len(t, w.next.anomalies(), int(waiting), "each once")
	assert.Zero(t, w.stats().Pending)
	w.tick()
	assert.Len(t, w.next.anomalies(), int(waiting))
	w.shutdown()
}

func TestRetriesBackOff(t *testing.T) {
	w := settled(t)
	w.next.set(func(d *downstream) { d.refuseAlerts = errRefused })
	w.consume(theft(3))
	var attempts []time.Duration
	began, refusals := w.hands.time(), 1
	for range 200 {
		w.hands.advance(time.Second)
		w.tick()
		if w.next.refusals > refusals {
			refusals = w.next.refusals
			attempts = append(attempts, w.hands.time().Sub(began))
		}
	}
	assert.Equal(t, []time.Duration{
		1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second,
		63 * time.Second, 123 * time.Second, 183 * time.Second,
	}, attempts)

	w.next.set(func(d *downstream) { d.refuseAlerts = nil })
	w.hands.advance(longestRetry)
	w.tick()
	require.Contains(t, w.next.anomalies(), "4444")

	// After a success the waiting begins at its shortest again.
	w.next.set(func(d *downstream) { d.refuseAlerts = errRefused })
	w.consume(ecs(sent{at: afterDays(3), host: "ws-4", port: 5555, bytes: 900_000_000}))
	w.next.set(func(d *downstream) { d.refuseAlerts = nil })
	w.hands.advance(firstRetry)
	w.tick()
	assert.Contains(t, w.next.anomalies(), "5555")
	w.shutdown()
}

func TestRefusedAlertsKeepTheirIdentityAndOrder(t *testing.T) {
	w := settled(t)
	w.next.set(func(d *downstream) { d.refuseAlerts = errRefused })
	w.consume(theft(3))
	w.consume(ecs(sent{at: afterDays(3), host: "ws-4", port: 5555, bytes: 900_000_000}))
	first, _ := engineOf(w.processor).observer.Alerts()
	again, _ := engineOf(w.processor).observer.Alerts()
	assert.Equal(t, first, again)

	w.next.set(func(d *downstream) { d.refuseAlerts = nil })
	w.hands.advance(time.Minute)
	w.tick()
	var ports []string
	for _, entity := range w.next.anomalies() {
		if entity == "4444" || entity == "5555" {
			ports = append(ports, entity)
		}
	}
	assert.Equal(t, []string{"4444", "5555"}, ports)
	w.shutdown()
}

func TestShutdownDeliversWhatIsDecided(t *testing.T) {
	w := settled(t)
	w.next.set(func(d *downstream) { d.refuseAlerts = errRefused })
	w.consume(theft(3))
	w.next.set(func(d *downstream) { d.refuseAlerts = nil })
	w.shutdown()
	assert.Contains(t, w.next.anomalies(), "4444", "no matter that the next try was not due")
}

func TestShutdownSaysWhatIsLost(t *testing.T) {
	w := settled(t)
	w.next.set(func(d *downstream) { d.refuseAlerts = errRefused })
	w.consume(theft(3))
	err := w.processor.Shutdown(context.Background())
	require.ErrorContains(t, err, "lost")
}

func TestAConsumerThatHangsHoldsUpNeitherDataNorShutdown(t *testing.T) {
	w := settled(t)
	reached := make(chan struct{}, 1)
	w.next.set(func(d *downstream) { d.hang = reached })

	ctx, cancel := context.WithCancel(context.Background())
	hanging := make(chan struct{})
	go func() {
		defer close(hanging)
		assert.NoError(t, w.processor.ConsumeLogs(ctx, theft(3)))
	}()
	<-reached
	w.consume(ecs(sent{at: afterDays(3), host: "ws-4", port: 5555, bytes: 900_000_000}))
	w.tick()

	expired, end := context.WithCancel(context.Background())
	end()
	require.ErrorContains(t, w.processor.Shutdown(expired), "lost")
	cancel()
	<-hanging
}

func TestAnInstanceThatLeavesWaitsForItsDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		w := newWorld(t, cfg)
		other := &downstream{}
		second := w.instance(cfg, other)
		require.NoError(t, second.Start(t.Context(), componenttest.NewNopHost()))
		for _, hour := range ordinary(3) {
			w.consume(hour)
		}
		reached := make(chan struct{}, 1)
		w.next.set(func(d *downstream) { d.hang = reached })
		delivery, release := context.WithCancel(t.Context())
		go func() { assert.NoError(t, w.processor.ConsumeLogs(delivery, theft(3))) }()
		<-reached

		gone := make(chan struct{})
		go func() {
			defer close(gone)
			w.shutdown()
		}()
		synctest.Wait()
		select {
		case <-gone:
			t.Fatal("the shutdown returned while a delivery to its next consumer was under way")
		default:
		}
		release()
		<-gone

		w.hands.advance(firstRetry)
		engineOf(second).tick(t.Context())
		assert.Empty(t, w.next.anomalies(), "nothing reaches the pipeline that has gone")
		assert.Contains(t, other.anomalies(), "4444", "the other one takes over what was not delivered")
		require.NoError(t, second.Shutdown(t.Context()))
	})
}

func TestTooManyWaitingAlertsAreCounted(t *testing.T) {
	cfg := quick()
	cfg.Alerts.MaxPerInterval = 10_000
	w := newWorld(t, cfg)
	for _, hour := range ordinary(3) {
		w.consume(hour)
	}
	w.tick()
	w.next.set(func(d *downstream) { d.refuseAlerts = errRefused })
	var burst []sent
	for port := range int64(1500) {
		burst = append(burst, sent{at: afterDays(3), host: "ws-3", port: 10_000 + port, bytes: 800_000_000})
	}
	w.consume(ecs(burst...))
	stats := w.stats()
	assert.EqualValues(t, 1000, stats.Pending)
	assert.Positive(t, stats.Dropped)
	decided := int64(0)
	for _, n := range stats.Alerts {
		decided += n
	}
	assert.Equal(t, decided, stats.Pending+stats.Dropped)

	w.next.set(func(d *downstream) { d.refuseAlerts = nil })
	w.shutdown()
	assert.Contains(t, w.next.anomalies(), "10000", "the first of the burst are kept")
	assert.NotContains(t, w.next.anomalies(), "11499", "the last are lost")
}
