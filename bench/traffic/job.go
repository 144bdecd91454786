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
	// Differ is the standard deviation of ln(bytes) from host to host.
	Differ   float64
	MonthEnd bool   // on the last day of a month only
	Benign   string // labels the job's flows, see Labelled
}

// jobs makes the jobs that are due in the hour that begins at start. They may reach
// into later hours.
func (s *stage) jobs(h *host, start time.Time) {
	for i := range h.group.Jobs {
		j := &h.group.Jobs[i]
		if j.due(start) && !(s.holiday && len(j.Days) > 0) {
			s.run(h, i, start)
		}
	}
}

// due reports whether the job begins in the given hour.
func (j *Job) due(hour time.Time) bool {
	return int(j.At/time.Hour) == hour.Hour() && (len(j.Days) == 0 || slices.Contains(j.Days, hour.Weekday())) &&
		(!j.MonthEnd || hour.AddDate(0, 0, 1).Day() == 1)
}

func (s *stage) run(h *host, i int, hour time.Time) {
	j, region := &h.group.Jobs[i], h.jobFrom[i]
	begin := hour.Add(j.At%time.Hour + time.Duration(s.rng.Int64N(int64(j.Delay)+1)))
	factor := s.factor(j.Service.Name) * h.jobSize[i]
	sent, received := scale(j.Sent.draw(s.rng), factor), scale(j.Received.draw(s.rng), factor)
	n := max(j.Flows, 1)
	for k := range n {
		s.add(s.opened(h, call{
			time:     begin.UnixNano() + int64(j.Lasts)*int64(k+1)/int64(n+1),
			region:   region,
			service:  j.Service,
			sent:     share(sent, k, n),
			received: share(received, k, n),
		}), j.Benign)
	}
}

// share returns the i-th of n parts of total; the parts add up to total.
func share(total int64, i, n int) int64 {
	return total*int64(i+1)/int64(n) - total*int64(i)/int64(n)
}
