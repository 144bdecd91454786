package rule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// Bounds of what a recurrence rule may say. They keep small what is worked out of it.
const (
	maxRRule    = 512 // characters
	maxInterval = 1000
	maxADay     = 24
)

// lastStart is where every recurrence ends, if not before.
var lastStart = time.Date(lastYear, 12, 31, 23, 59, 59, 0, time.UTC)

// recurrence is a window that begins again and again.
type recurrence struct {
	rule  *rrule.RRule // of local times, as if their zone were UTC
	zone  *time.Location
	lasts time.Duration
	aDay  int // how often it begins on one day at most
}

// walk calls each with the occurrences, in the order of their local times, until it returns false.
func (r *recurrence) walk(each func(span) bool) {
	next := r.rule.Iterator()
	for {
		wall, ok := next()
		if !ok {
			return
		}
		from := LocalTime{wall}.in(r.zone)
		if !each(span{from.UnixNano(), from.Add(r.lasts).UnixNano()}) {
			return
		}
	}
}

// occurs says whether it ever does.
func (r *recurrence) occurs() (ever bool) {
	r.walk(func(span) bool {
		ever = true
		return false
	})
	return ever
}

// newRecurrence reads a rule of RFC 5545, section 3.3.10, of windows that begin at start or later.
func newRecurrence(text string, start LocalTime, zone *time.Location) (*recurrence, error) {
	parts, err := ruleParts(text)
	if err != nil {
		return nil, err
	}
	until, err := parseUntil(parts["UNTIL"], zone)
	if err != nil {
		return nil, err
	}
	// What remains is read by the library, but for the end: it does not know what zone a rule is of.
	delete(parts, "UNTIL")
	option, err := rrule.StrToROption(joinParts(parts))
	if err != nil {
		return nil, fmt.Errorf("%q is not a recurrence of RFC 5545: %w; write one such as FREQ=MONTHLY;BYDAY=-1FR", text, err)
	}
	option.Dtstart, option.Until = start.wall, until
	if err := checkRecurrence(option, parts); err != nil {
		return nil, err
	}
	rule, err := rrule.NewRRule(*option)
	if err != nil {
		return nil, fmt.Errorf("%q is not a recurrence of RFC 5545: %w; write one such as FREQ=MONTHLY;BYDAY=-1FR", text, err)
	}
	return &recurrence{rule: rule, zone: zone, aDay: timesADay(option)}, nil
}

var recurrenceKeys = []string{
	"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST",
	"BYDAY", "BYHOUR", "BYMINUTE", "BYMONTH", "BYMONTHDAY", "BYSECOND", "BYSETPOS", "BYWEEKNO", "BYYEARDAY",
}

// ruleParts takes a rule apart, into values by their names, all in upper case.
func ruleParts(text string) (map[string]string, error) {
	if len(text) > maxRRule {
		return nil, fmt.Errorf("it is %d characters long; at most %d", len(text), maxRRule)
	}
	text = strings.TrimSpace(text)
	if name := "RRULE:"; len(text) > len(name) && strings.EqualFold(text[:len(name)], name) {
		text = text[len(name):]
	}
	parts := make(map[string]string)
	for part := range strings.SplitSeq(text, ";") {
		key, value, _ := strings.Cut(strings.ToUpper(part), "=")
		_, twice := parts[key]
		switch {
		case key == "DTSTART":
			return nil, errors.New("DTSTART stands beside it; write it as start")
		case !slices.Contains(recurrenceKeys, key):
			return nil, fmt.Errorf("%q is no part of a recurrence; write parts such as FREQ=MONTHLY;BYDAY=-1FR, of %s",
				part, strings.Join(recurrenceKeys, ", "))
		case twice:
			return nil, fmt.Errorf("%s is there twice; keep one of them", key)
		}
		parts[key] = value
	}
	return parts, nil
}

// joinParts puts a rule together again, the frequency first.
func joinParts(parts map[string]string) string {
	var texts []string
	for _, key := range recurrenceKeys {
		if value, ok := parts[key]; ok {
			texts = append(texts, key+"="+value)
		}
	}
	return strings.Join(texts, ";")
}

// parseUntil returns the last local time at which a recurrence may begin, as if the zone were UTC. A day is meant as a whole.
func parseUntil(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return lastStart, nil
	}
	for _, layout := range [...]string{"20060102T150405", "20060102T150405Z", "20060102"} {
		until, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		switch {
		case strings.HasSuffix(layout, "Z"):
			until = localTimeAt(until, zone).wall
		case layout == "20060102":
			until = until.Add(day - time.Second)
		}
		if until.After(lastStart) {
			return lastStart, nil
		}
		return until, nil
	}
	return time.Time{}, fmt.Errorf("UNTIL=%s is no time; write 20271231T220000 or the last day, 20271231, in time_zone, or 20271231T210000Z in UTC", text)
}

// checkRecurrence refuses what RFC 5545 does, what recurs too often for a calendar, and what the library takes for
// something else.
func checkRecurrence(o *rrule.ROption, parts map[string]string) error {
	has := func(key string) bool { return parts[key] != "" }
	switch {
	case o.Freq > rrule.DAILY:
		return fmt.Errorf("FREQ=%v recurs within the day; write FREQ=DAILY with hours, such as FREQ=DAILY;BYHOUR=0,6,12,18", o.Freq)
	case has("INTERVAL") && (o.Interval < 1 || o.Interval > maxInterval):
		return fmt.Errorf("INTERVAL=%d is out of 1..%d", o.Interval, maxInterval)
	case has("COUNT") && o.Count < 1:
		return fmt.Errorf("COUNT=%d is below 1; leave it out for a recurrence without end", o.Count)
	case has("COUNT") && o.Until.Before(lastStart):
		return errors.New("COUNT and UNTIL both say when it ends; keep one of them")
	case has("BYWEEKNO") && o.Freq != rrule.YEARLY:
		return fmt.Errorf("BYWEEKNO does not go with FREQ=%v; write FREQ=YEARLY", o.Freq)
	case has("BYYEARDAY") && o.Freq != rrule.YEARLY:
		return fmt.Errorf("BYYEARDAY does not go with FREQ=%v; write FREQ=YEARLY", o.Freq)
	case has("BYMONTHDAY") && o.Freq == rrule.WEEKLY:
		return errors.New("BYMONTHDAY does not go with FREQ=WEEKLY; write FREQ=MONTHLY")
	case timesADay(o) > maxADay:
		return fmt.Errorf("it begins %d times a day; at most %d, and a duration may last until the next", timesADay(o), maxADay)
	}
	return checkWeekdays(o, has("BYWEEKNO"))
}

// checkWeekdays refuses numbered weekdays where there are none, such as the sixth Friday of a month.
func checkWeekdays(o *rrule.ROption, byWeek bool) error {
	most := 0
	switch {
	case o.Freq == rrule.MONTHLY, o.Freq == rrule.YEARLY && len(o.Bymonth) > 0:
		most = 5
	case o.Freq == rrule.YEARLY && !byWeek:
		most = 53
	}
	for i := range o.Byweekday {
		n := o.Byweekday[i].N()
		switch {
		case n != 0 && most == 0:
			return fmt.Errorf("BYDAY=%v is a numbered day, which goes with FREQ=MONTHLY, or FREQ=YEARLY without BYWEEKNO; write the day alone",
				o.Byweekday[i])
		case n < -most || n > most:
			return fmt.Errorf("BYDAY=%v is a day that there never is; number it from 1 to %d, or -1 to -%d from the end", o.Byweekday[i], most, most)
		}
	}
	return nil
}

func timesADay(o *rrule.ROption) int {
	return max(1, len(o.Byhour)) * max(1, len(o.Byminute)) * max(1, len(o.Bysecond))
}
