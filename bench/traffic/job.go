package traffic

import (
	"slices"
	"time"
)

// Job is something that the hosts of a group do by the clock: a backup, an update.
type Job struct {
	Service  Service
	At       time.Duration  // after midnight
	Days     []time.Weekday // none: every day
	Delay    time.Duration  // up to so much later, on each host and each time differently
	Lasts    time.Duration
	Flows    int  // into which the bytes are cut
	Sent     Size // by the whole run
	Received Size
	Region   string
}

// jobs makes the jobs that are due in the hour that begins at start. They may reach
// into later hours.
func (s *stage) jobs(h *host, start time.Time) {
	for i := range h.group.Jobs {
		j := &h.group.Jobs[i]
		if j.due(start) {
			s.run(h, j, h.jobFrom[i], start)
		}
	}
}

// due reports whether the job begins in the given hour.
func (j *Job) due(hour time.Time) bool {
	return int(j.At/time.Hour) == hour.Hour() && (len(j.Days) == 0 || slices.Contains(j.Days, hour.Weekday()))
}

func (s *stage) run(h *host, j *Job, region int, hour time.Time) {
	begin := hour.Add(j.At%time.Hour + time.Duration(s.rng.Int64N(int64(j.Delay)+1)))
	sent, received := j.Sent.draw(s.rng), j.Received.draw(s.rng)
	n := max(j.Flows, 1)
	for i := range n {
		s.add(s.opened(h, call{
			time:     begin.UnixNano() + int64(j.Lasts)*int64(i+1)/int64(n+1),
			region:   region,
			service:  j.Service,
			sent:     share(sent, i, n),
			received: share(received, i, n),
		}), "")
	}
}

// share returns the i-th of n parts of total; the parts add up to total.
func share(total int64, i, n int) int64 {
	return total*int64(i+1)/int64(n) - total*int64(i)/int64(n)
}
