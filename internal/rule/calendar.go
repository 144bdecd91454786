package rule

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	_ "time/tzdata" // calendars name time zones, and not every machine that a collector runs on has files of them
)

// Bounds of calendars.
const (
	MaxCalendars = 200
	maxWhen      = 100       // windows of a calendar
	maxADayAll   = 250       // how often all recurring windows may begin on one day, each counting at least once
	longestOnce  = 366 * day // of a window that happens once
	longestAgain = 31 * day  // of one that recurs
	firstYear    = 2000      // of a window's start
	lastYear     = 2199      //
)

// NewCalendars compiles calendars. They are exceptions that hold at some times only, and need not say of what. They are
// asked apart from the exceptions: what either keeps a flow from, it is kept from. Recurring windows are worked out for the
// two years after o.Now; Extend goes on with that. The error names every wrong setting by its path
// below "calendars" and wraps ErrInvalid.
func NewCalendars(configs []CalendarConfig, o ExceptionOptions) (*Exceptions, error) {
	p := &problems{}
	if len(configs) > MaxCalendars {
		p.add("calendars", "%d are too many; at most %d, but one may have any number of windows up to %d", len(configs), MaxCalendars, maxWhen)
		return nil, p.err()
	}
	e, err := assemble("calendars", configs, o, (*Exceptions).compileCalendar)
	if err != nil {
		return nil, err
	}
	if n := e.timesADay(); n > maxADayAll {
		p.add("calendars", "their recurring windows may begin %d times a day; at most %d in all", n, maxADayAll)
		return nil, p.err()
	}
	e.agenda = new(atomic.Pointer[agenda])
	e.Extend(o.Now)
	return e, nil
}

func (e *Exceptions) compileCalendar(c *CalendarConfig, o ExceptionOptions, p *problems) exception {
	x := e.compile(&ExceptionConfig{
		Name: c.Name, Owner: c.Owner, Reason: c.Reason, Match: c.Match, Action: c.Action, Rules: c.Rules, MaxBytes: c.MaxBytes,
	}, o, p)
	x.schedule = newSchedule(c, p)
	return x
}

// timesADay is how often recurring windows may begin on one day.
func (e *Exceptions) timesADay() (n int) {
	for i := range e.list {
		for _, r := range e.list[i].schedule.again {
			n += r.aDay
		}
	}
	return n
}

// Extend works out the windows of calendars that come, for the time that the clock is about to reach. Call it now and then.
func (e *Exceptions) Extend(now time.Time) {
	e.extending.Lock()
	defer e.extending.Unlock()
	if e.agenda == nil {
		return // exceptions hold at all times
	}
	tables, changed := make([]*timetable, 0, len(e.list)), e.agenda.Load() == nil
	for i := range e.list {
		s := e.list[i].schedule
		changed = s.extend(now) || changed
		tables = append(tables, s.table.Load())
	}
	if changed {
		e.agenda.Store(newAgenda(tables))
	}
}

func newSchedule(c *CalendarConfig, p *problems) *schedule {
	s := &schedule{}
	zone, ok := loadZone(c.TimeZone, time.UTC, "time_zone", p)
	switch {
	case len(c.When) == 0:
		p.add("when", "it names no window, so that the calendar would never hold; write some, such as {start: 2027-03-26T22:00, end: 2027-03-29T04:00}")
	case len(c.When) > maxWhen:
		p.add("when", "%d windows are too many; at most %d", len(c.When), maxWhen)
	case ok:
		for i := range c.When {
			s.take(&c.When[i], zone, &problems{path: join(p.path, fmt.Sprintf("when[%d]", i))}, p)
		}
	}
	return s
}

// take adds a window. What is wrong with it is added to all.
func (s *schedule) take(c *WhenConfig, zone *time.Location, own, all *problems) {
	zone, ok := loadZone(c.TimeZone, zone, "time_zone", own)
	switch year := c.Start.wall.Year(); {
	case c.Start.IsZero():
		own.add("start", "it is missing; write the date and the time of day, such as 2027-03-26T22:00")
	case year < firstYear || year > lastYear:
		own.add("start", "%v is out of %d..%d", c.Start, firstYear, lastYear)
	case !ok:
	case c.RRule != "":
		s.takeAgain(c, zone, own)
	default:
		s.takeOnce(c, zone, own)
	}
	all.errs = append(all.errs, own.errs...)
}

func (s *schedule) takeOnce(c *WhenConfig, zone *time.Location, p *problems) {
	if c.Duration != 0 {
		p.add("duration", "%s is of use with rrule only; write end", FormatSpan(c.Duration))
		return
	}
	if c.End.IsZero() {
		p.add("end", "it is missing; write when the window is over, such as 2027-03-29T04:00, or rrule and duration if it recurs")
		return
	}
	from, until := c.Start.in(zone), c.End.in(zone)
	switch lasts := until.Sub(from); {
	case lasts <= 0:
		p.add("end", "%v is not after start: %v; put them in order", c.End, c.Start)
	case lasts > longestOnce:
		p.add("end", "%v is more than %d days after start: %v; what holds for longer is an exception, with expires", c.End, longestOnce/day, c.Start)
	default:
		s.once = append(s.once, span{from.UnixNano(), until.UnixNano()})
	}
}

func (s *schedule) takeAgain(c *WhenConfig, zone *time.Location, p *problems) {
	if !c.End.IsZero() {
		p.add("end", "%v is of no use with rrule: each window ends after duration, and the last is told by UNTIL or COUNT; remove it", c.End)
	}
	switch {
	case c.Duration == 0:
		p.add("duration", "it is missing; write how long each window lasts, such as 6h")
	case c.Duration < 0 || c.Duration > longestAgain:
		p.add("duration", "%s is out of range; above 0s and at most %s, which is %d days",
			FormatSpan(c.Duration), FormatSpan(longestAgain), longestAgain/day)
	}
	r, err := newRecurrence(c.RRule, c.Start, zone)
	switch {
	case err != nil:
		p.wrap("rrule", err)
	case len(p.errs) > 0:
	case !r.occurs():
		p.add("rrule", "%q never occurs from start: %v on; correct one of them", c.RRule, c.Start)
	default:
		r.lasts = c.Duration
		s.again = append(s.again, r)
	}
}

// loadZone returns a zone by its IANA name, or the other one for no name.
func loadZone(name string, otherwise *time.Location, key string, p *problems) (zone *time.Location, ok bool) {
	if name == "" {
		return otherwise, true
	}
	// LoadLocation takes Local for whatever the machine is set to, which another machine is not.
	zone, err := time.LoadLocation(name)
	if err != nil || strings.EqualFold(name, "Local") {
		p.add(key, "%q is not a time zone; write its IANA name, such as Europe/Berlin or UTC", name)
		return nil, false
	}
	return zone, true
}
