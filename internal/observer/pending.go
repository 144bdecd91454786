package observer

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
)

// maxPending bounds the alerts that wait for a next consumer that does not take them: two and
// a half hours' worth at the default cap of 100 in 15 minutes. One takes some kilobytes.
const maxPending = 1000

// pending is the queue of alerts between the moment they are decided and the moment a
// consumer has accepted them. It is safe for concurrent use.
type pending struct {
	writer   *alert.Writer
	discards bool         // nothing is queued; set before anything is pushed
	waiting  atomic.Int64 // length of queue, to be read without the lock
	dropped  atomic.Int64 // alerts lost

	mu    sync.Mutex
	queue []waitingAlert // oldest first
}

type waitingAlert struct {
	alert.Alert
	observed time.Time
	writer   *alert.Writer // of the rules that it was decided by, which are no longer in force; nil: they are
}

// push appends an alert that was decided at the clock's time now. When the queue is full it is
// lost: the first alerts of a burst tell how it began.
func (p *pending) push(a alert.Alert, now time.Time) {
	if p.discards {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == maxPending {
		p.dropped.Add(1)
		return
	}
	p.queue = append(p.queue, waitingAlert{Alert: a, observed: now})
	p.waiting.Store(int64(len(p.queue)))
}

// logs writes what waits, oldest first, and returns the number of alerts in it. They stay in
// the queue. The records are the caller's: a consumer may change them and then refuse them.
func (p *pending) logs() (plog.Logs, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ld := plog.NewLogs()
	for _, a := range p.queue {
		cmp.Or(a.writer, p.writer).Append(ld, a.Alert, a.observed)
	}
	return ld, len(p.queue)
}

// follow lets another writer write what is pushed from now on.
func (p *pending) follow(writer *alert.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.queue {
		p.queue[i].writer = cmp.Or(p.queue[i].writer, p.writer)
	}
	p.writer = writer
}

// remove takes the n oldest out.
func (p *pending) remove(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := copy(p.queue, p.queue[min(n, len(p.queue)):])
	clear(p.queue[rest:])
	p.queue = p.queue[:rest]
	p.waiting.Store(int64(rest))
}
