package observer

import (
	"slices"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// pendingVersion is that of the state written here, and the newest that can be read.
const pendingVersion = 1

// waitingBytes is what an alert that waits takes at least.
const waitingBytes = 8

// note notes the alerts that wait, and returns what writes them. Those on their way to a consumer wait until it
// has accepted them: after a restart they may come again, under the same uid.
func (p *pending) note() (save func(w *codec.Writer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue, dropped := slices.Clone(p.queue), p.dropped.Load() // alerts do not change
	return func(w *codec.Writer) {
		w.Uint(pendingVersion)
		w.Int(dropped)
		w.Uint(uint64(len(queue)))
		for _, a := range queue {
			w.Time(a.observed)
			alert.AppendAlert(w, a.Alert)
		}
	}
}

// load puts what save wrote before what waits already. When that is too much, the newest are lost, as when they are
// pushed. If it cannot be read, the queue is as it was, and the error wraps codec.ErrMalformed.
func (p *pending) load(r *codec.Reader) error {
	r.Version(pendingVersion, "alerts that wait")
	dropped := r.Natural()
	var queue []waitingAlert
	for range r.Count(waitingBytes) {
		observed := r.Time()
		a, err := alert.ReadAlert(r)
		if err != nil {
			return err
		}
		queue = append(queue, waitingAlert{Alert: a, observed: observed})
	}
	if err := r.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropped.Add(dropped)
	if p.discards {
		return nil
	}
	queue = append(queue, p.queue...)
	if lost := len(queue) - maxPending; lost > 0 {
		p.dropped.Add(int64(lost))
		clear(queue[maxPending:])
		queue = queue[:maxPending]
	}
	p.queue = queue
	p.waiting.Store(int64(len(queue)))
	return nil
}

// trim takes out of the alerts that wait what is not to be named any more, and hides what is hashed now: they may be of another
// configuration.
func (p *pending) trim(s *detector.Settings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.queue {
		switch a := p.queue[i].Alert.(type) {
		case alert.Anomaly:
			s.Trim(&a.Finding)
			p.queue[i].Alert = a
		case alert.Suppression:
			a = a.Without(func(f flow.Field) bool { return !slices.Contains(s.Contributors.Fields, f) })
			a.Values = s.Hide(a.Fields, a.Values)
			p.queue[i].Alert = a
		case alert.Overflow:
			a.Entities = slices.Clone(a.Entities)
			for k := range a.Entities {
				a.Entities[k].Values = s.Hide(a.Entities[k].Fields, a.Entities[k].Values)
			}
			p.queue[i].Alert = a
		}
	}
}

// adopt appends what waited in another queue. A delivery of what is in this one may be under way: its oldest stay where
// they are.
func (p *pending) adopt(from *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, from.queue...)
	p.waiting.Store(int64(len(p.queue)))
	p.dropped.Add(from.dropped.Load())
}
