package rule

import "time"

// idleWindows is how many windows of a calendar may pass in which it matches nothing until it is idle.
const idleWindows = 3

// How a calendar stands, which is told by the clock and not by the flows.
const (
	CalendarOpen    ExceptionStatus = "open"    // a window is open
	CalendarWaiting ExceptionStatus = "waiting" // none is, and one will come
	CalendarEnded   ExceptionStatus = "ended"   // none will come
	CalendarIdle                    = ExceptionIdle
)

// CalendarStatuses lists those of calendars. A calendar is idle that has matched nothing for IdleAfter, and in its last
// three windows. What has ended is not idle, too.
func CalendarStatuses() []ExceptionStatus {
	return []ExceptionStatus{CalendarOpen, CalendarWaiting, CalendarEnded, CalendarIdle}
}

func (x *exception) calendarStatus(now time.Time) ExceptionStatus {
	at, since := nanoseconds(now), nanoseconds(x.counts.since)
	table := x.schedule.table.Load()
	switch {
	case table.ended(at):
		return CalendarEnded
	case now.Sub(x.counts.since) >= IdleAfter && table.passed(since, at) >= idleWindows:
		return CalendarIdle
	case table.holds(at):
		return CalendarOpen
	}
	return CalendarWaiting
}
