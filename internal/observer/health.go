package observer

import (
	"fmt"
	"time"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/geo"
)

const (
	// staleAfter is the age from which on a database misplaces enough addresses to be worth a
	// word. Publishers bring out a new one every week to month.
	staleAfter = 90 * 24 * time.Hour
	// staleCheck is how often the ages are looked at.
	staleCheck = time.Hour
)

// health notices changes of the detection itself that those who read its alerts must know of.
// It is not safe for concurrent use.
type health struct {
	lasts time.Duration // the warm-up

	warming, ready bool                 // told
	stale          map[string]time.Time // build time of the databases told of, by path
	checkAt        time.Time            // of the databases

	newest time.Time // newest event time seen
	since  time.Time // the clock's time when it was first seen
}

// eventTime returns the newest event time, run on with the clock where nothing newer comes. The
// zero time: nothing has come yet.
func (h *health) eventTime(newest, now time.Time) time.Time {
	if !newest.Equal(h.newest) {
		h.newest, h.since = newest, now
	}
	if newest.IsZero() {
		return newest
	}
	return newest.Add(max(0, now.Sub(h.since)))
}

// warmUp tells, once each, that the warm-up has begun and that it is over.
func (h *health) warmUp(s *detector.Stats) []alert.Health {
	if s.Newest.IsZero() {
		return nil
	}
	var told []alert.Health
	if !h.warming {
		h.warming = true
		began, until := s.Newest, s.Newest.Add(h.lasts)
		if !s.Began.IsZero() {
			// The window that it began with, and not how far a fast replay has come: what is told,
			// and so the event's identity, must not depend on when it was noticed.
			began, until = s.Began, s.Began.Add(h.lasts)
		}
		told = append(told, alert.Health{
			Time:   began,
			Status: alert.WarmingUp,
			Until:  until,
			Detail: "Nothing alerts until the baselines have learned what is usual.",
		})
	}
	if !h.ready && s.State != detector.Learning {
		h.ready = true
		told = append(told, alert.Health{
			Time:   s.ReadyAt,
			Status: alert.Ready,
			Detail: "Alerts leave from now on.",
		})
	}
	return told
}

// databases tells, once for each build, of databases that have aged. It looks every staleCheck.
func (h *health) databases(sources []geo.Source, now time.Time) []alert.Health {
	if now.Before(h.checkAt) {
		return nil
	}
	h.checkAt = now.Add(staleCheck)
	var told []alert.Health
	for _, s := range sources {
		age := now.Sub(s.Built)
		if s.Embedded || age < staleAfter || h.stale[s.Path].Equal(s.Built) {
			continue
		}
		if h.stale == nil {
			h.stale = map[string]time.Time{}
		}
		h.stale[s.Path] = s.Built
		told = append(told, alert.Health{
			Time:    now,
			Status:  alert.DatabaseOld,
			Subject: s.Path,
			Detail: fmt.Sprintf("The database of %s was built on %s, %d days ago; replace the file with a newer one.",
				s.Key, s.Built.UTC().Format(time.DateOnly), int(age.Hours()/24)),
		})
	}
	return told
}
