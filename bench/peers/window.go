package peers

import (
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/flow"
)

const (
	day  = 24 * time.Hour
	week = 7 * day
	// warmUp is how long a method listens before it speaks.
	warmUp = week
)

// reading is what one entity has sent in a window that has closed.
type reading struct {
	id           int32
	bytes, flows int64
	// wanted says that a score would be heard: the bytes reach the floor, and the warm-up is over.
	wanted bool
}

// judge scores the windows of one rule. It scores before it learns.
type judge interface {
	// judge takes the readings of all entities that were active in the window with the given number since
	// the epoch, in no order that matters. Numbers grow; those left out had no traffic
	// at all. First is the number of the first window ever.
	judge(window, first int64, readings []reading, say verdict)
}

// verdict takes the score of a reading, and the stated chance that an ordinary window goes
// as far (NaN: none is stated).
type verdict func(r *reading, score, chance float64)

// windowed is a method that judges windows as they close.
type windowed struct {
	journal
	name     string
	span     int64 // nanoseconds
	floor    int64 // bytes; windows with less are learned from, but never alarm
	hosts    *hosts
	books    [len(rules)]*book
	judges   [len(rules)]judge
	readings []reading
	begun    bool
	start    int64 // time of the first flow
	window   int64 // number of the open window
}

var _ score.Method = (*windowed)(nil)

func newWindowed(name string, span time.Duration, floor int64, newJudge func() judge) *windowed {
	m := &windowed{name: name, span: int64(span), floor: floor, hosts: newHosts()}
	for i, field := range rules {
		m.books[i], m.judges[i] = newBook(field), newJudge()
	}
	return m
}

// Name implements score.Method.
func (m *windowed) Name() string { return m.name }

// Observe implements score.Method. A flow that comes after its window has closed joins the open one.
func (m *windowed) Observe(batch []flow.Flow) {
	for i := range batch {
		f := &batch[i]
		if !counts(f) {
			continue
		}
		if !m.begun {
			m.begun, m.start, m.window = true, f.Time, flow.Window(f.Time, m.span)
		}
		if w := flow.Window(f.Time, m.span); w > m.window {
			m.close((m.window + 1) * m.span)
			m.window = w
		}
		host := m.hosts.number(f)
		for _, b := range m.books {
			b.add(f, host)
		}
	}
}

// Finish implements score.Method. The window that is open is judged as it stands.
func (m *windowed) Finish(end time.Time) {
	if m.begun {
		m.close(min(end.UnixNano(), (m.window+1)*m.span))
	}
}

// close judges the open window, which ends at an instant.
func (m *windowed) close(end int64) {
	ready := end-m.start >= int64(warmUp)
	first := flow.Window(m.start, m.span)
	for i, b := range m.books {
		m.readings = m.readings[:0]
		for _, id := range b.active {
			s := &b.open[id]
			m.readings = append(m.readings, reading{id, s.bytes, s.flows, ready && s.bytes >= m.floor})
		}
		m.judges[i].judge(m.window, first, m.readings, func(r *reading, score, chance float64) {
			m.say(b, r, end, score, chance)
		})
		b.turn()
	}
}

func (m *windowed) say(b *book, r *reading, end int64, height, chance float64) {
	if !r.wanted {
		return
	}
	m.add(score.Alarm{
		Time: end, Field: b.field, Value: b.names[r.id], Score: height,
		Host: m.hosts.names[b.open[r.id].top()], Since: m.window * m.span, Chance: chance,
	})
}
