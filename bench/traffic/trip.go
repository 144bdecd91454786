package traffic

import (
	"fmt"
	"time"
)

// Trip is a journey of somebody who takes the host along: half of what it sends goes
// to services near where it is.
type Trip struct {
	Host     string // name of a host of the plan
	Start    time.Time
	Duration time.Duration
	Region   string
}

// tripShare is the share of a traveller's flows that end near them.
const tripShare = 0.5

func (t Trip) validate(regions []Region, hosts map[string]bool) error {
	if !hosts[t.Host] {
		return fmt.Errorf("%w: trip to %s: there is no host %q in the plan", ErrPlan, t.Region, t.Host)
	}
	if _, err := regionIndex(regions, t.Region); err != nil {
		return fmt.Errorf("trip of %s: %w", t.Host, err)
	}
	return nil
}

// trip is the one that the host is on at an instant; nil: none.
func (s *stage) trip(h *host, at time.Time) *Trip {
	for _, t := range h.trips {
		if !at.Before(t.Start) && at.Before(t.Start.Add(t.Duration)) {
			return t
		}
	}
	return nil
}
