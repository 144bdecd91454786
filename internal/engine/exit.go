package engine

import (
	"context"
	"slices"
	"sync"

	"go.uber.org/zap"
)

// exit is how one signal leaves an engine: its load, and the outlets through which it may leave.
type exit[C comparable] struct {
	*emitter[C]

	mu   sync.Mutex
	open []*outlet[C] // of instances that have started; what no batch brings leaves through the first
}

// outlet is an instance's next consumer of a signal. A nil one is none.
type outlet[C comparable] struct{ next C }

// outletTo returns the outlet to a consumer, nil where that is nil.
func outletTo[C comparable](next C) *outlet[C] {
	var none C
	if next == none {
		return nil
	}
	return &outlet[C]{next}
}

// add opens an outlet.
func (x *exit[C]) add(o *outlet[C]) {
	if o == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open = append(x.open, o)
}

// target returns the first outlet that is open, nowhere if there is none yet or any more.
func (x *exit[C]) target() (next C) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.open) > 0 {
		next = x.open[0].next
	}
	return next
}

// target returns the outlet's consumer.
func (o *outlet[C]) target() C { return o.next }

// emitThrough delivers what waits through an outlet or, where that is none, through the first.
func (x *exit[C]) emitThrough(ctx context.Context, o *outlet[C]) {
	if o != nil {
		x.emit(ctx, o)
		return
	}
	x.emit(ctx, x)
}

// remove closes an outlet. It reports whether it was open, and whether it was the last one.
func (x *exit[C]) remove(o *outlet[C]) (wasOpen, last bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	at := slices.Index(x.open, o)
	if at < 0 {
		return false, false
	}
	x.open = slices.Delete(x.open, at, at+1)
	return true, len(x.open) == 0
}

// leave lets what is on its way to an outlet that has been closed arrive and, if it was the last one,
// what waits leave through it: what is decided from now on has no way out.
func (x *exit[C]) leave(ctx context.Context, o *outlet[C], wasOpen, last bool) {
	switch {
	case last:
		x.flush(ctx, o.next)
	case wasOpen:
		x.settle(ctx)
	}
}

// end delivers what waits through the engine's last outlet, if that was open, and logs what is left: it is lost, unless
// it is kept for the next run.
func (x *exit[C]) end(ctx context.Context, o *outlet[C], wasOpen, kept bool) {
	var next C
	if wasOpen {
		next = o.next
	}
	left := x.flush(ctx, next)
	if left == 0 {
		return
	}
	subject, things := x.load.words()
	if kept {
		x.logger.Warn(subject+" are kept for the next start: nothing took them before the shutdown", zap.Int64(things, left))
		return
	}
	// No error: it would end a collector that only reloads its configuration.
	x.logger.Error(subject+" are lost: nothing took them before the shutdown", zap.Int64(things, left))
}
