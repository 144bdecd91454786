package peers

import (
	"fmt"
	"time"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/flow"
)

// FirstSeen alarms when an entity that was not seen for long has sent a number of bytes soon after
// it showed up; the score is those bytes, in the levels of [FixedBytes]. It is the
// new-terms rule of Elastic Security ("Create a new terms rule", with its history window) and the first-time-seen
// search of Splunk Security Essentials ("First Time Seen"), with a number of bytes to keep the noise out.
// Alarms leave with the flow that crosses.
type FirstSeen struct {
	Memory time.Duration // an entity that was silent for so long is new again
	Span   time.Duration // how long a new one's bytes are added up
}

// New returns the method.
func (s FirstSeen) New() score.Method {
	name := fmt.Sprintf("first seen in %s, bytes of the first %s", short(s.Memory), short(s.Span))
	return &firstSeen{running: newRunning(name, s.Span), memory: int64(s.Memory)}
}

type firstSeen struct {
	running
	memory int64
}

// Observe implements score.Method.
func (m *firstSeen) Observe(batch []flow.Flow) { m.observe(batch, m.begin) }

func (m *firstSeen) begin(s *sums, id int32, now int64) (watched bool) {
	if s.last[id] == never || now-s.last[id] >= m.memory {
		s.restart(id, now)
	}
	s.last[id] = max(s.last[id], now)
	// All entities are new to somebody who has just begun.
	return now-s.since[id] < m.span && s.since[id]-m.start >= min(m.memory, int64(warmUp))
}
