// Package backlog keeps deliveries from waiting while the windows of a detector close. A close that takes long is left to a
// goroutine, which lasts as long as there is something to do; flows that come meanwhile wait in a queue and are observed in the order
// in which they came. What is found is the same, in the same order, and later by no more than the close takes.
package backlog

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Detector is a detector with a queue in front of it. It is safe for concurrent use. Methods of the detector that it does not have itself
// wait while windows close, and know nothing of what is queued: call Settle before them.
type Detector struct {
	*detector.Detector
	most int // work of a close, see detector.Detector.ObserveUntil, that is done at once

	// entry is held for reading by whoever goes straight to the detector, and guards:
	entry sync.RWMutex
	busy  bool // a goroutine is at work on the queue
	queue []delivery

	some atomic.Bool // found is not empty

	// progress is taken last, and guards:
	progress sync.Mutex
	moved    sync.Cond // tells that work is done
	working  bool      // as busy
	done     int       // work since the goroutine began
	queued   int       // flows since then
	found    []detector.Finding
	told     detector.Stats // as of the end of a delivery, while the goroutine is at work
}

// delivery is flows that came at a time; without flows, time has passed.
type delivery struct {
	flows []flow.Flow
	now   time.Time
}

// Whose flows are queued waits until his share of the work is done, so that the queue cannot grow without end: for each flow owedWork,
// which is more than flowWork, what it takes to observe it later, where each is the first of its entity in the window. As long as no more
// than freeFlows are queued, nobody waits: that is a third of a second at 50,000 flows a second, and 4 MB.
const (
	owedWork  = 12
	flowWork  = 10
	freeFlows = 1 << 14
)

// Brief is the work of a close, in sums that are judged, that is not worth a goroutine: a delivery waits 0.3 ms for it.
const Brief = 1000

// New makes a detector that has learned nothing and that closes windows at once where that takes no more work than most.
func New(s detector.Settings, most int) (*Detector, error) {
	d := newDetector(&s, most)
	var err error
	d.Detector, err = detector.New(s)
	return d, err
}

// newDetector makes a queue, which is told of the pace of the detector with these settings. If they name somebody who
// wants to be told, he still is.
func newDetector(s *detector.Settings, most int) *Detector {
	d := &Detector{most: most}
	d.moved.L = &d.progress
	told := s.Pace
	s.Pace = func(work int) {
		if told != nil {
			told(work)
		}
		d.pace(work)
	}
	return d
}

// Heir returns a detector of other settings that knows all that d does, see detector.Detector.Heir. Nothing may be queued.
func (d *Detector) Heir(s detector.Settings) (*Detector, detector.Restored, error) {
	heir := newDetector(&s, d.most)
	var restored detector.Restored
	var err error
	heir.Detector, restored, err = d.Detector.Heir(s)
	return heir, restored, err
}

// Observe takes a batch of flows as detector.Detector.Observe does, and appends to out what has been found since the last call of
// Observe, Tick or Collect. It keeps no reference to flows.
func (d *Detector) Observe(flows []flow.Flow, now time.Time, out []detector.Finding) []detector.Finding {
	taken, out := d.straight(flows, now, out)
	if rest := flows[taken:]; len(rest) > 0 {
		d.put(delivery{slices.Clone(rest), now})
	}
	return d.Collect(out)
}

// straight observes flows as far as nothing stands in the way.
func (d *Detector) straight(flows []flow.Flow, now time.Time, out []detector.Finding) (taken int, _ []detector.Finding) {
	d.entry.RLock()
	defer d.entry.RUnlock()
	if d.busy {
		return 0, out
	}
	return d.ObserveUntil(flows, now, d.most, d.Collect(out))
}

// Tick lets time pass, as detector.Detector.Tick does, unless flows are queued, which let it pass themselves. It appends to out
// what Observe does.
func (d *Detector) Tick(now time.Time, out []detector.Finding) []detector.Finding {
	done, out := d.tick(now, out)
	if !done {
		d.put(delivery{now: now})
	}
	return d.Collect(out)
}

func (d *Detector) tick(now time.Time, out []detector.Finding) (done bool, _ []detector.Finding) {
	d.entry.RLock()
	defer d.entry.RUnlock()
	if d.busy {
		return true, out
	}
	return d.TickUntil(now, d.most, d.Collect(out))
}

// Collect appends to out what has been found by the goroutine.
func (d *Detector) Collect(out []detector.Finding) []detector.Finding {
	if !d.some.Load() {
		return out
	}
	d.progress.Lock()
	defer d.progress.Unlock()
	out = append(out, d.found...)
	d.found = nil
	d.some.Store(false)
	return out
}

// Settle waits until nothing is queued any more. What was found is there for Collect.
func (d *Detector) Settle() {
	d.progress.Lock()
	defer d.progress.Unlock()
	for d.working {
		d.moved.Wait()
	}
}

// Settled says that nothing is queued, and all that was found was collected.
func (d *Detector) Settled() bool {
	d.progress.Lock()
	defer d.progress.Unlock()
	return !d.working && len(d.found) == 0
}

// Stats does as detector.Detector.Stats, but does not wait while windows close: then it tells what was true before.
func (d *Detector) Stats() detector.Stats {
	d.entry.RLock()
	defer d.entry.RUnlock()
	if !d.busy {
		return d.Detector.Stats()
	}
	d.progress.Lock()
	defer d.progress.Unlock()
	return d.told
}

// ClosedWindows takes the windows that have closed, see detector.Detector.ClosedWindows; none while some close.
func (d *Detector) ClosedWindows() (closed []detector.ClosedWindow, lost int64) {
	d.entry.RLock()
	defer d.entry.RUnlock()
	if d.busy {
		return nil, 0
	}
	return d.Detector.ClosedWindows()
}

// put queues a delivery, begins the goroutine if it is not at work, and waits for the delivery's share of the work.
func (d *Detector) put(next delivery) {
	d.entry.Lock()
	d.queue = append(d.queue, next)
	begin := !d.busy
	d.busy = true
	if begin {
		d.begin()
	}
	d.entry.Unlock()

	d.progress.Lock()
	defer d.progress.Unlock()
	d.queued += len(next.flows)
	due := (d.queued - freeFlows) * owedWork
	for d.working && d.done < due {
		d.moved.Wait()
	}
}

// begin begins the goroutine.
func (d *Detector) begin() {
	before := d.Detector.Stats()
	d.progress.Lock()
	defer d.progress.Unlock()
	d.working, d.done, d.queued, d.told = true, 0, 0, before
	go d.work()
}

// work observes what is queued until nothing is.
func (d *Detector) work() {
	for {
		next, ok := d.next()
		if !ok {
			return
		}
		var found []detector.Finding
		if len(next.flows) == 0 {
			found = d.Detector.Tick(next.now, nil)
		} else {
			found = d.Detector.Observe(next.flows, next.now, nil)
		}
		d.tell(found, d.Detector.Stats())
		d.pace(flowWork * len(next.flows))
	}
}

// next takes a delivery off the queue. Where there is none the goroutine ends.
func (d *Detector) next() (_ delivery, ok bool) {
	d.entry.Lock()
	defer d.entry.Unlock()
	if len(d.queue) > 0 {
		next := d.queue[0]
		d.queue[0] = delivery{} // lets the flows go
		d.queue = d.queue[1:]
		return next, true
	}
	d.queue, d.busy = nil, false
	d.progress.Lock()
	defer d.progress.Unlock()
	d.working = false
	d.moved.Broadcast()
	return delivery{}, false
}

// tell makes known what a delivery brought.
func (d *Detector) tell(found []detector.Finding, now detector.Stats) {
	d.progress.Lock()
	defer d.progress.Unlock()
	d.told = now
	if len(found) > 0 {
		d.found = append(d.found, found...)
		d.some.Store(true)
	}
}

// pace notes work that was done, and lets others go on: closing windows is work without a pause, and on a machine with a single
// processor deliveries would else wait for as long as the runtime lets a goroutine go on, ten milliseconds and more.
func (d *Detector) pace(work int) {
	d.progress.Lock()
	working := d.working
	if working {
		d.done += work
		d.moved.Broadcast()
	}
	d.progress.Unlock()
	if working {
		runtime.Gosched()
	}
}
