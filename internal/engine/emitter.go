package engine

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/consumer"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/observer"
)

const (
	// firstRetry is how long alerts wait after the next consumer refused them; each refusal
	// in a row doubles it, up to longestRetry. An error that calls itself permanent makes no
	// difference: it may be about credentials, and an alert is worth waiting for their correction.
	firstRetry   = time.Second
	longestRetry = time.Minute
)

// emitter delivers pending alerts, at least once each and oldest first, to whichever next
// consumer it is given. One delivery is under way at a time.
type emitter struct {
	observer *observer.Observer
	logger   *zap.Logger
	now      func() time.Time
	failures atomic.Int64 // deliveries refused

	busy      chan struct{} // holds a token while a delivery is under way; guards the two below
	refusals  int           // in a row
	notBefore atomic.Int64  // Unix nanoseconds before which nothing is tried again
}

func newEmitter(o *observer.Observer, logger *zap.Logger, now func() time.Time) *emitter {
	return &emitter{observer: o, logger: logger, now: now, busy: make(chan struct{}, 1)}
}

// route says where alerts leave. It is asked once a delivery is under way; nil: nowhere.
type route interface{ target() consumer.Logs }

// outlet is the route to one consumer, or nowhere.
type outlet struct{ consumer.Logs }

func (o outlet) target() consumer.Logs { return o.Logs }

// emit delivers what is pending, unless a refusal is too recent or there is nowhere to deliver
// to. Where another delivery is under way it returns at once: that one takes the rest along.
func (e *emitter) emit(ctx context.Context, r route) {
	for somewhere := true; somewhere && e.due() && ctx.Err() == nil; {
		select {
		case e.busy <- struct{}{}:
		default:
			return
		}
		somewhere = e.deliver(ctx, r.target())
		<-e.busy
	}
}

// flush delivers what is pending no matter what was refused before. It waits for the delivery
// under way, and reports how many alerts are left.
func (e *emitter) flush(ctx context.Context, r route) (left int64) {
	if e.acquire(ctx) {
		e.deliver(ctx, r.target())
		<-e.busy
	}
	return e.observer.Pending()
}

// settle waits for the delivery under way, if any.
func (e *emitter) settle(ctx context.Context) {
	if e.acquire(ctx) {
		<-e.busy
	}
}

func (e *emitter) acquire(ctx context.Context) bool {
	select {
	case e.busy <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *emitter) due() bool {
	return e.observer.Pending() > 0 && e.now().UnixNano() >= e.notBefore.Load()
}

// deliver hands what is pending to next. It reports whether there was a next to try.
func (e *emitter) deliver(ctx context.Context, next consumer.Logs) bool {
	if next == nil {
		return false
	}
	alerts, n := e.observer.Alerts()
	if n == 0 {
		return true
	}
	if err := next.ConsumeLogs(ctx, alerts); err != nil {
		e.refused(n, err)
		return true
	}
	e.observer.Delivered(n)
	e.refusals = 0
	e.notBefore.Store(0)
	return true
}

func (e *emitter) refused(n int, err error) {
	e.failures.Add(1)
	e.refusals++
	wait := min(firstRetry<<min(e.refusals-1, 10), longestRetry)
	e.notBefore.Store(e.now().Add(wait).UnixNano())
	e.logger.Warn("Alerts were refused and will be tried again",
		zap.Int("alerts", n), zap.Duration("in", wait), zap.Error(err))
}
