package detector

import (
	"math"

	"github.com/otel-exfil/exfil/internal/flow"
)

// exemption is what a flow does not do in a space. A space that several rules share exempts what one of them exempts:
// what it finds may be told under either.
type exemption uint8

const (
	noExemption exemption = iota
	onlyTeaches           // its bytes do not count towards what alerts
	onlyJudged            // its bytes do not become part of the baseline
	leftOut               // neither
)

func (s *space) exempts(f *flow.Flow) exemption {
	var e exemption
	if f.NoAlert&s.rules != 0 {
		e |= onlyTeaches
	}
	if f.NoLearning&s.rules != 0 {
		e |= onlyJudged
	}
	return e
}

// teachBesides adds bytes that a sum teaches and that are not in it. What is ancient teaches nothing either way.
func (w *window) teachBesides(at uint32, bytes int64, came arrival) {
	if came != ancient {
		w.leaveUntaught(at, -bytes)
	}
}

// leaveUntaught notes bytes of a sum that it does not teach; negative ones it teaches in addition.
func (w *window) leaveUntaught(at uint32, bytes int64) {
	if w.untaught == nil {
		w.untaught = make(map[uint32]int64)
	}
	bytes = max(bytes, -math.MaxInt64)
	switch was := w.untaught[at]; {
	case was > 0 && bytes > math.MaxInt64-was:
		w.untaught[at] = math.MaxInt64
	case was < 0 && bytes < -math.MaxInt64-was:
		w.untaught[at] = -math.MaxInt64
	default:
		w.untaught[at] = was + bytes
	}
}

// taught is how many bytes a sum teaches.
func (w *window) taught(at uint32) int64 {
	bytes, untaught := w.sums[at].bytes, w.untaught[at]
	if untaught < 0 {
		return flow.AddBytes(bytes, -untaught)
	}
	return bytes - untaught
}
