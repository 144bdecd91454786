package rule

import (
	"testing"
	"time"
)

// Whatever a rule says, it is refused or comes in order, from its start on, and not more often than it may.
func FuzzRecurrence(f *testing.F) {
	for _, text := range []string{
		"FREQ=DAILY", "RRULE:FREQ=MONTHLY;BYDAY=-1FR", "FREQ=YEARLY;BYWEEKNO=53,-53;BYDAY=MO;WKST=SU", "FREQ=YEARLY;BYDAY=53FR,-53MO",
		"FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU;BYSETPOS=-1", "FREQ=YEARLY;BYYEARDAY=-366,366", "FREQ=DAILY;BYHOUR=0,23;BYMINUTE=59;BYSECOND=59",
		"FREQ=MONTHLY;BYDAY=5MO,-5SU;BYMONTHDAY=29,30,31;COUNT=3", "FREQ=YEARLY;BYMONTH=12;BYDAY=5FR;UNTIL=20301231T235959Z",
		"FREQ=YEARLY;BYSETPOS=366,-366;BYMONTH=2", "FREQ=MONTHLY;INTERVAL=1000", "freq=weekly;byday=0mo", "FREQ=SECONDLY", "FREQ=;=;;",
		"FREQ=HOURLY;INTERVAL=24;BYHOUR=5", "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,30", "FREQ=DAILY;INTERVAL=99999999999999999999",
	} {
		f.Add(text)
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		f.Fatal(err)
	}
	start := LocalTime{time.Date(2026, 2, 28, 1, 30, 0, 0, time.UTC)}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := newRecurrence(text, start, zone)
		if err != nil {
			return
		}
		r.lasts = time.Hour
		if r.aDay < 1 || r.aDay > maxADay {
			t.Fatalf("%q begins %d times a day", text, r.aDay)
		}
		// Of two times of one night, one that the clocks skip may come after one that they do not.
		skipped := int64(time.Hour)
		last, n := start.in(zone).UnixNano(), 0
		r.walk(func(s span) bool {
			if s.from < last-skipped || s.until-s.from != int64(time.Hour) {
				t.Fatalf("%q: %v after %v", text, s, last)
			}
			last, n = max(last, s.from), n+1
			return n < 3000
		})
		if days := int((last-start.in(zone).UnixNano())/int64(day)) + 2; n > days*r.aDay {
			t.Fatalf("%q begins %d times in %d days", text, n, days)
		}
	})
}
