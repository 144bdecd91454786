package traffic

import "time"

// probes makes the scanners that knock on a serving host in the hour that begins at
// start. Each tries one port and gets a refusal, or an error page at most; so there are
// thousands of ports with next to no bytes, as on any address that the world can see.
func (s *stage) probes(h *host, start time.Time) {
	if !h.serves {
		return
	}
	for range poisson(s.rng, s.plan.Probes/hoursPerDay) {
		region := s.rng.IntN(len(s.plan.Regions))
		if s.plan.Regions[region].Weight == 0 {
			continue
		}
		s.add(s.answered(h, call{
			time:     s.within(start, time.Hour),
			region:   region,
			service:  Service{Port: uint16(1 + s.rng.IntN(ephemeralFirst-1))},
			sent:     40 + s.rng.Int64N(200),
			received: 40 + s.rng.Int64N(400),
		}), "")
	}
}
