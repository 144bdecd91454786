package rule

import (
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// How long before its end an exception is about to expire, and for how long it may match nothing until it is idle.
const (
	ExpiringWithin = 14 * 24 * time.Hour
	IdleAfter      = 30 * 24 * time.Hour
)

// ExceptionStatus says how an exception stands.
type ExceptionStatus string

// The statuses. What is expired is not idle, too.
const (
	ExceptionActive   ExceptionStatus = "active"
	ExceptionExpiring ExceptionStatus = "expiring" // it ends within ExpiringWithin
	ExceptionExpired  ExceptionStatus = "expired"  // it matches nothing any more
	ExceptionIdle     ExceptionStatus = "idle"     // it has matched nothing for IdleAfter
)

// ExceptionStatuses lists those of exceptions.
func ExceptionStatuses() []ExceptionStatus {
	return []ExceptionStatus{ExceptionActive, ExceptionExpiring, ExceptionExpired, ExceptionIdle}
}

// needsSomebody says whether somebody should look at what stands so.
func (s ExceptionStatus) needsSomebody() bool {
	switch s {
	case ExceptionExpiring, ExceptionExpired, ExceptionIdle, CalendarEnded:
		return true
	}
	return false
}

// exceptionCounts are what came of an exception.
type exceptionCounts struct {
	flows, bytes           int64 // excepted
	aboveFlows, aboveBytes int64 // above the ceiling
	since                  time.Time
	told                   ExceptionStatus // by Review
}

func (c *exceptionCounts) except(f *flow.Flow, now time.Time) {
	c.flows, c.bytes, c.since = c.flows+1, flow.AddBytes(c.bytes, f.Bytes), now
}

func (c *exceptionCounts) exceed(f *flow.Flow, now time.Time) {
	c.aboveFlows, c.aboveBytes, c.since = c.aboveFlows+1, flow.AddBytes(c.aboveBytes, f.Bytes), now
}

// ExceptionReport is how an exception stands and what came of it since the process began.
type ExceptionReport struct {
	Name, Owner, Reason string
	Expires             string // the day, "" if it does not
	Status              ExceptionStatus
	Since               time.Time // when a flow last fell under it; if none did, since when that is so
	Flows, Bytes        int64     // excepted
	AboveFlows          int64     // that fell under it above max_bytes
	AboveBytes          int64
	HasConditions       bool
	ConditionFailures   int64 // times that one of its conditions could not be evaluated
}

func (x *exception) status(now time.Time) ExceptionStatus {
	if x.schedule != nil {
		return x.calendarStatus(now)
	}
	switch {
	case x.ends != 0 && now.UnixNano() >= x.ends:
		return ExceptionExpired
	case now.Sub(x.counts.since) >= IdleAfter:
		return ExceptionIdle
	case x.ends != 0 && now.Add(ExpiringWithin).UnixNano() >= x.ends:
		return ExceptionExpiring
	}
	return ExceptionActive
}

func (x *exception) report(now time.Time) ExceptionReport {
	r := ExceptionReport{
		Name: x.name, Owner: x.owner, Reason: x.reason, Status: x.status(now), Since: x.counts.since,
		Flows: x.counts.flows, Bytes: x.counts.bytes, AboveFlows: x.counts.aboveFlows, AboveBytes: x.counts.aboveBytes,
	}
	if x.ends != 0 {
		r.Expires = time.Unix(0, x.ends-1).UTC().Format(time.DateOnly)
	}
	if x.conditions != nil {
		r.HasConditions, r.ConditionFailures = true, x.conditions.Failures()
	}
	return r
}

// Reports tells how all exceptions stand. It must not be called while Admit is.
func (e *Exceptions) Reports(now time.Time) []ExceptionReport {
	reports := make([]ExceptionReport, 0, len(e.list))
	for i := range e.list {
		reports = append(reports, e.list[i].report(now))
	}
	return reports
}

// Review returns those that somebody should look at, each once when it comes to that. It must not be called while Admit is.
func (e *Exceptions) Review(now time.Time) (news []ExceptionReport) {
	for i := range e.list {
		x := &e.list[i]
		status := x.status(now)
		if status != x.counts.told && status.needsSomebody() {
			news = append(news, x.report(now))
		}
		x.counts.told = status
	}
	return news
}
