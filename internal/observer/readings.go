package observer

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/backlog"
	"github.com/otel-exfil/exfil/internal/detector"
)

// maxPendingWindows bounds the closed windows whose gauges wait for a next consumer that does not
// take them: a day's at the default span. One takes some 200 bytes an entity and rule.
const maxPendingWindows = 8

// readings is the queue of closed windows between the moment they close and the moment a
// consumer has accepted their gauges. It is safe for concurrent use.
type readings struct {
	version string
	tenant  *alert.Tenant
	waiting atomic.Int64 // length of queue, to be read without the lock
	lost    atomic.Int64 // windows

	mu    sync.Mutex
	queue []detector.ClosedWindow // oldest first
	taken int64                   // windows that have left the front of the queue, delivered or lost
}

// take queues the windows that a detector has closed. When the queue is full the oldest is lost: a dashboard
// is looked at for how things are.
func (r *readings) take(from *backlog.Detector) {
	closed, lost := from.ClosedWindows()
	if len(closed) == 0 {
		return
	}
	r.lost.Add(lost)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = append(r.queue, closed...)
	if over := len(r.queue) - maxPendingWindows; over > 0 {
		r.lost.Add(int64(over))
		r.drop(over)
	}
	r.waiting.Store(int64(len(r.queue)))
}

// drop takes the n oldest out; r.mu is held.
func (r *readings) drop(n int) {
	rest := copy(r.queue, r.queue[n:])
	clear(r.queue[rest:])
	r.queue = r.queue[:rest]
	r.taken += int64(n)
}

// metrics writes what waits and returns a mark for remove. The windows stay in the queue. The metrics are
// the caller's: a consumer may change them and then refuse them.
func (r *readings) metrics() (md pmetric.Metrics, mark int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return writeGauges(r.queue, r.version, r.tenant), r.taken + int64(len(r.queue))
}

// remove takes out the windows up to a mark that are still there.
func (r *readings) remove(mark int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := mark - r.taken; n > 0 {
		r.drop(int(min(n, int64(len(r.queue)))))
	}
	r.waiting.Store(int64(len(r.queue)))
}
