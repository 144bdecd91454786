package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

func TestAlertsThatAreRefusedDoNotFailTheDataAndAreTriedAgain(t *testing.T) {
	w := settled(t)
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts, d.Vandal = enginetest.ErrRefused, true })
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	assert.Empty(t, w.next.Anomalies())
	waiting := w.instance.Stats().Pending
	require.Positive(t, waiting)

	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.tick()
	assert.Empty(t, w.next.Anomalies(), "too soon")
	w.clock.Advance(time.Second)
	w.tick()
	assert.Contains(t, w.next.Anomalies(), "4444", "whole, although the consumer spoilt what it refused")
	assert.Len(t, w.next.Anomalies(), int(waiting), "each once")
	assert.Zero(t, w.instance.Stats().Pending)
	w.tick()
	assert.Len(t, w.next.Anomalies(), int(waiting))
	w.shutdown()
}

func TestRetriesBackOff(t *testing.T) {
	w := settled(t)
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	var attempts []time.Duration
	began, refusals := w.clock.Now(), 1
	for range 200 {
		w.clock.Advance(time.Second)
		w.tick()
		if len(w.next.Refused()) > refusals {
			refusals = len(w.next.Refused())
			attempts = append(attempts, w.clock.Now().Sub(began))
		}
	}
	assert.Equal(t, []time.Duration{
		1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second,
		63 * time.Second, 123 * time.Second, 183 * time.Second,
	}, attempts)

	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.clock.Advance(time.Minute)
	w.tick()
	require.Contains(t, w.next.Anomalies(), "4444")

	// After a success the waiting begins at its shortest again.
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	w.consume(enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-4", Port: 5555, Bytes: 900_000_000}))
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.clock.Advance(time.Second)
	w.tick()
	assert.Contains(t, w.next.Anomalies(), "5555")
	w.shutdown()
}

func TestRefusedAlertsKeepTheirIdentityAndOrder(t *testing.T) {
	w := settled(t)
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	w.consume(enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-4", Port: 5555, Bytes: 900_000_000}))
	w.clock.Advance(time.Minute)
	w.tick()
	refused := w.next.Refused()
	require.Len(t, refused, 2)
	first, again := uids(refused[0]), uids(refused[1])
	require.Less(t, len(first), len(again))
	assert.Equal(t, first, again[:len(first)])

	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.clock.Advance(time.Minute)
	w.tick()
	var ports []string
	for _, entity := range w.next.Anomalies() {
		if entity == "4444" || entity == "5555" {
			ports = append(ports, entity)
		}
	}
	assert.Equal(t, []string{"4444", "5555"}, ports)
	w.shutdown()
}

// uids returns the identities of alerts.
func uids(ld plog.Logs) []string {
	var all []string
	records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	for i := range records.Len() {
		uid, _ := records.At(i).Attributes().Get("log.record.uid")
		all = append(all, uid.Str())
	}
	return all
}

func TestShutdownDeliversWhatIsDecided(t *testing.T) {
	w := settled(t)
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.shutdown()
	assert.Contains(t, w.next.Anomalies(), "4444", "no matter that the next try was not due")
}

// No error, which would end a collector that reloads its configuration while a backend is away.
func TestShutdownSaysWhatIsLostAndSucceeds(t *testing.T) {
	w := settled(t)
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	waiting := w.instance.Stats().Pending
	w.shutdown()
	assert.Positive(t, waiting)
	assert.Equal(t, waiting, w.lost())
}

func TestAConsumerThatHangsHoldsUpNeitherDataNorShutdown(t *testing.T) {
	w := settled(t)
	reached := make(chan struct{}, 1)
	w.next.Set(func(d *enginetest.Downstream) { d.Hang = reached })

	ctx, cancel := context.WithCancel(context.Background())
	hanging := make(chan struct{})
	go func() {
		defer close(hanging)
		deliver(ctx, w.instance, enginetest.ECS(enginetest.Theft(3)))
	}()
	<-reached
	w.consume(enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-4", Port: 5555, Bytes: 900_000_000}))
	w.tick()

	expired, end := context.WithCancel(context.Background())
	end()
	require.NoError(t, w.instance.Shutdown(expired))
	assert.Positive(t, w.lost())
	cancel()
	<-hanging
}

func TestAnInstanceThatLeavesWaitsForItsDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := enginetest.Quick()
		w := newWorld(t, cfg)
		other := &enginetest.Downstream{}
		second := w.join(cfg, other)
		w.start(second)
		w.learn()
		reached := make(chan struct{}, 1)
		w.next.Set(func(d *enginetest.Downstream) { d.Hang = reached })
		delivery, release := context.WithCancel(t.Context())
		go deliver(delivery, w.instance, enginetest.ECS(enginetest.Theft(3)))
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

		w.clock.Advance(time.Second)
		second.Tick(t.Context())
		assert.Empty(t, w.next.Anomalies(), "nothing reaches the pipeline that has gone")
		assert.Contains(t, other.Anomalies(), "4444", "the other one takes over what was not delivered")
		w.leave(second)
	})
}

func TestTooManyWaitingAlertsAreCounted(t *testing.T) {
	cfg := enginetest.Quick()
	cfg.Alerts.MaxPerInterval = 10_000
	w := newWorld(t, cfg)
	w.learn()
	w.tick()
	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
	var burst []enginetest.Sent
	for port := range int64(1500) {
		burst = append(burst, enginetest.Sent{At: enginetest.AfterDays(3), Host: "ws-3", Port: 10_000 + port, Bytes: 800_000_000})
	}
	w.consume(enginetest.ECS(burst...))
	stats := w.instance.Stats()
	assert.EqualValues(t, 1000, stats.Pending)
	assert.Positive(t, stats.Dropped)
	decided := int64(0)
	for _, n := range stats.Alerts {
		decided += n
	}
	assert.Equal(t, decided, stats.Pending+stats.Dropped)

	w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
	w.shutdown()
	assert.Contains(t, w.next.Anomalies(), "10000", "the first of the burst are kept")
	assert.NotContains(t, w.next.Anomalies(), "11499", "the last are lost")
}
