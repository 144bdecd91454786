package peers

import (
	"math"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Levels are the thresholds that a running sum can be compared with: 20 a decade from 100 kB.
const (
	levelsPerDecade = 20
	lowestLevel     = 1e5
)

// level returns the highest level that is not above bytes, and the next one. Below the lowest it returns 0 and the lowest.
func level(bytes int64) (reached, next float64) {
	if bytes < lowestLevel {
		return 0, lowestLevel
	}
	k := math.Floor(levelsPerDecade * math.Log10(float64(bytes)/lowestLevel))
	return lowestLevel * math.Pow(10, k/levelsPerDecade), lowestLevel * math.Pow(10, (k+1)/levelsPerDecade)
}

// running is a method that compares a growing sum with a number of bytes, and so speaks with the flow
// that crosses it. Which entities' sums it looks at is what its variants differ in.
type running struct {
	journal
	name  string
	span  int64 // of the sum, nanoseconds
	hosts *hosts
	sums  [len(rules)]*sums
	begun bool
	start int64
}

// sums are the running sums of one rule's entities.
type sums struct {
	*book
	since []int64   // beginning of the entity's sum
	next  []float64 // bytes at which it crosses the next level
	last  []int64   // time of the flow before, for whose sake an entity is not new
}

var _ score.Method = (*running)(nil)

func newRunning(name string, span time.Duration) running {
	m := running{journal: journal{rising: true}, name: name, span: int64(span), hosts: newHosts()}
	for i, field := range rules {
		m.sums[i] = &sums{book: newBook(field)}
	}
	return m
}

// Name implements score.Method.
func (m *running) Name() string { return m.name }

// Observe implements score.Method.
func (m *running) Observe(batch []flow.Flow) { m.observe(batch, m.tumble) }

// Finish implements score.Method. All has been said already.
func (m *running) Finish(time.Time) {}

// tumble begins a sum anew in each window.
func (m *running) tumble(s *sums, id int32, now int64) (watched bool) {
	if window := flow.Window(now, m.span) * m.span; window > s.since[id] {
		s.restart(id, window)
	}
	return true
}

// observe adds flows to sums. Before each, begin may start its entity's sum anew, and says whether it is watched.
func (m *running) observe(batch []flow.Flow, begin func(s *sums, id int32, now int64) bool) {
	for i := range batch {
		f := &batch[i]
		if !counts(f) {
			continue
		}
		if !m.begun {
			m.begun, m.start = true, f.Time
		}
		host := m.hosts.number(f)
		for _, s := range m.sums {
			id := s.find(f)
			if id < 0 || !begin(s, id, f.Time) {
				continue
			}
			s.count(id, f.Bytes, host)
			if float64(s.open[id].bytes) >= s.next[id] {
				m.cross(s, id, f.Time)
			}
		}
	}
}

func (m *running) cross(s *sums, id int32, now int64) {
	reached, next := level(s.open[id].bytes)
	s.next[id] = next
	if now-m.start < int64(warmUp) {
		return
	}
	m.journal.add(score.Alarm{
		Time: now, Field: s.field, Value: s.names[id], Score: reached,
		Host: m.hosts.names[s.open[id].top()], Since: s.since[id], Chance: math.NaN(),
	})
}

const never = math.MinInt64

// find is book.id with room for the entity's sum.
func (s *sums) find(f *flow.Flow) int32 {
	id := s.id(f)
	if id == int32(len(s.since)) {
		s.since, s.next, s.last = append(s.since, never), append(s.next, 0), append(s.last, never)
		s.restart(id, never)
	}
	return id
}

// restart empties an entity's sum. It keeps no list of active ones: nobody turns all at once.
func (s *sums) restart(id int32, since int64) {
	o := &s.open[id]
	o.bytes, o.flows, o.hosts = 0, 0, o.hosts[:0]
	s.since[id] = since
	_, s.next[id] = level(0)
	s.active = s.active[:0]
}
