package engine

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// firstRetry is how long a load waits after the next consumer refused it; each refusal
	// in a row doubles it, up to longestRetry. An error that calls itself permanent makes no
	// difference: it may be about credentials, and an alert is worth waiting for their correction.
	firstRetry   = time.Second
	longestRetry = time.Minute
)

// load is what waits to be delivered to consumers of one signal. C is that signal's consumer.
type load[C comparable] interface {
	// waiting is how many things wait. It is cheap.
	waiting() int64
	// deliver hands what waits, oldest first, to next, and takes it off if that accepts it. It
	// returns how many things were handed over, which may be none.
	deliver(ctx context.Context, next C) (n int, err error)
	// words name the load and the things that are counted of it, in the plural, for the log.
	words() (subject, things string)
}

// emitter delivers a load, at least once and oldest first, to whichever next consumer it is
// given. One delivery is under way at a time.
type emitter[C comparable] struct {
	load     load[C]
	logger   *zap.Logger
	now      func() time.Time
	failures atomic.Int64 // deliveries refused

	busy      chan struct{} // holds a token while a delivery is under way; guards the two below
	refusals  int           // in a row
	notBefore atomic.Int64  // Unix nanoseconds before which nothing is tried again
}

func newEmitter[C comparable](l load[C], logger *zap.Logger, now func() time.Time) *emitter[C] {
	return &emitter[C]{load: l, logger: logger, now: now, busy: make(chan struct{}, 1)}
}

// route says where a load leaves. It is asked once a delivery is under way; the zero C: nowhere.
type route[C comparable] interface{ target() C }

// emit delivers what is pending, unless a refusal is too recent or there is nowhere to deliver
// to. Where another delivery is under way it returns at once: that one takes the rest along.
func (e *emitter[C]) emit(ctx context.Context, r route[C]) {
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
// under way, and reports how much is left.
func (e *emitter[C]) flush(ctx context.Context, next C) (left int64) {
	if e.acquire(ctx) {
		e.deliver(ctx, next)
		<-e.busy
	}
	return e.load.waiting()
}

// settle waits for the delivery under way, if any.
func (e *emitter[C]) settle(ctx context.Context) {
	if e.acquire(ctx) {
		<-e.busy
	}
}

func (e *emitter[C]) acquire(ctx context.Context) bool {
	select {
	case e.busy <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *emitter[C]) due() bool {
	return e.load.waiting() > 0 && e.now().UnixNano() >= e.notBefore.Load()
}

// deliver hands what is pending to next. It reports whether there was a next to try.
func (e *emitter[C]) deliver(ctx context.Context, next C) bool {
	var nowhere C
	if next == nowhere {
		return false
	}
	n, err := e.load.deliver(ctx, next)
	switch {
	case err != nil:
		e.refused(n, err)
	case n > 0:
		e.refusals = 0
		e.notBefore.Store(0)
	}
	return true
}

func (e *emitter[C]) refused(n int, err error) {
	e.failures.Add(1)
	e.refusals++
	wait := min(firstRetry<<min(e.refusals-1, 10), longestRetry)
	e.notBefore.Store(e.now().Add(wait).UnixNano())
	subject, things := e.load.words()
	e.logger.Warn(subject+" were refused and will be tried again",
		zap.Int(things, n), zap.Duration("in", wait), zap.Error(err))
}
