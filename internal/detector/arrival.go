package detector

// arrival is when a record comes, measured by the open window.
type arrival uint8

const (
	inTime      arrival = iota // it is of the open window
	early                      // it is of the next one, or of a later one
	behind                     // its window has closed, and it joins the open one
	afterOutage                // its window is missing
	// It is so old that no feed is that late: it belongs to a replay of old records beside live traffic, or its timestamp
	// is wrong. It is judged with the open window, and teaches nothing.
	ancient
)

func (l *lane) arrivalOf(t int64) arrival {
	switch start := l.start(); {
	case t >= start+l.span:
		return early
	case t >= start:
		return inTime
	case l.outage.holds(t):
		return afterOutage
	case t < start-int64(longestSilence):
		return ancient
	}
	return behind
}

// next finds out how the first of masses[from:to] has come, where the run of those ends that came likewise, and how many
// of these are not dropped.
func (l *lane) next(masses []mass, from, to int) (came arrival, n int64, end int) {
	came = l.arrivalOf(masses[from].time)
	start, span := l.start(), uint64(l.span)
	for end = from; end < to; end++ {
		m := masses[end]
		if same := came == inTime && uint64(m.time-start) < span; !same && l.arrivalOf(m.time) != came {
			break
		}
		if m.bytes != 0 {
			n++
		}
	}
	return came, n, end
}

// windowOf is the window in which records are summed.
func (s *space) windowOf(came arrival) *window {
	switch came {
	case early:
		return s.next
	case afterOutage:
		return s.missed
	}
	return s.current
}
