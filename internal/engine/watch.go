package engine

import "context"

// watch is a goroutine that does something now and then: whenever it is told to look. It is not waited for, and may take as long
// as it takes: a storage or a file may be slow.
type watch struct {
	wake    chan struct{} // holds a token while there is something to look at
	cancel  context.CancelFunc
	stopped chan struct{}
}

// newWatch starts a watch that does each thing in turn; ctx ends when the watch does.
func newWatch(do func(ctx context.Context)) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{wake: make(chan struct{}, 1), cancel: cancel, stopped: make(chan struct{})}
	go func() {
		defer close(w.stopped)
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.wake:
				do(ctx)
			}
		}
	}()
	return w
}

// look makes the watch look.
func (w *watch) look() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// end ends the watch, and waits for it as long as ctx allows. It says whether it has ended.
func (w *watch) end(ctx context.Context) bool {
	w.cancel()
	select {
	case <-w.stopped:
		return true
	case <-ctx.Done():
		return false
	}
}
