package decode

import (
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// time reads an instant in nanoseconds since the epoch from the first of the keys that
// holds one; 0 where none does.
func (s *Scratch) time(ks keys) int64 {
	for _, i := range ks {
		if !s.has(i) {
			continue
		}
		if t := instant(s.values[i], 0); t > 0 {
			return t
		}
	}
	return 0
}

// timeOr is time with the record's own time as the last resort.
func (s *Scratch) timeOr(ks keys) int64 {
	if t := s.time(ks); t > 0 {
		return t
	}
	return s.received
}

// earliest is the first instant that a clock shows which was ever set: 2000-01-01. What is before it was
// counted from the start of a device, or in another unit.
const earliest = 946_684_800 * int64(time.Second)

// timeUntil reads an instant as time does, from keys whose numbers are in the given unit (0: to be told
// from their magnitude), but passes over those before earliest and after latest; 0 where none is left.
func (s *Scratch) timeUntil(latest int64, unit time.Duration, ks keys) int64 {
	for _, i := range ks {
		if !s.has(i) {
			continue
		}
		if t := instant(s.values[i], unit); t >= earliest && t <= latest {
			return t
		}
	}
	return 0
}

// instant reads a number in the given unit (0: to be told from its magnitude), or a text of one or of
// an RFC 3339 time.
func instant(v pcommon.Value, unit time.Duration) int64 {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return epoch(v.Int(), unit)
	case pcommon.ValueTypeDouble:
		return epochFloat(v.Double(), unit)
	case pcommon.ValueTypeStr:
		return instantOfNumeral(v.Str(), unit)
	case pcommon.ValueTypeSlice:
		if e, ok := only(v); ok {
			return instant(e, unit)
		}
	}
	return 0
}

func instantOfText(t string) int64 { return instantOfNumeral(t, 0) }

func instantOfNumeral(t string, unit time.Duration) int64 {
	t = strings.TrimSpace(t)
	if n, ok := digits(t); ok {
		return epoch(n, unit)
	}
	if n := rfc3339(t); n > 0 {
		return n
	}
	if x, ok := float(t); ok {
		return epochFloat(x, unit)
	}
	return 0
}

// Bounds that tell the unit of an epoch time: each is the year 5138 in its own unit
// and the year 1973 in the next finer one.
const (
	maxSeconds      = 1e11
	maxMilliseconds = 1e14
	maxMicroseconds = 1e17
)

// unitOfEpoch tells the unit of a time since the epoch from its magnitude.
func unitOfEpoch(n int64) time.Duration {
	switch {
	case n < maxSeconds:
		return time.Second
	case n < maxMilliseconds:
		return time.Millisecond
	case n < maxMicroseconds:
		return time.Microsecond
	}
	return time.Nanosecond
}

// epoch turns a time since the epoch in the given unit (0: to be told from its magnitude) into
// nanoseconds; 0 if that is before the epoch or after 2262.
func epoch(n int64, unit time.Duration) int64 {
	if unit == 0 {
		unit = unitOfEpoch(n)
	}
	if n < 0 || n > math.MaxInt64/int64(unit) {
		return 0
	}
	return n * int64(unit)
}

// epochFloat is epoch for numbers with a fraction, kept to the microsecond, which is as
// much as a double holds.
func epochFloat(x float64, unit time.Duration) int64 {
	if !(x > 0 && x < math.MaxInt64) { // NaN included
		return 0
	}
	if unit == 0 {
		unit = unitOfEpoch(int64(x))
	}
	if unit < time.Millisecond {
		return epoch(int64(x), unit)
	}
	x = math.Round(x * float64(unit/time.Microsecond))
	if x > math.MaxInt64/float64(time.Microsecond) {
		return 0
	}
	return int64(x) * int64(time.Microsecond)
}

// rfc3339 reads an RFC 3339 time, its offset also without colon as Suricata writes it;
// 0 for anything else. Unlike time.Parse it makes no error, which would be an allocation
// for every bad value.
func rfc3339(t string) int64 {
	if len(t) < len("2006-01-02T15:04:05Z") || len(t) > maxNumberLength ||
		t[4] != '-' || t[7] != '-' || t[10] != 'T' && t[10] != 't' && t[10] != ' ' || t[13] != ':' || t[16] != ':' {
		return 0
	}
	century, year := twoDigits(t), twoDigits(t[2:])
	month, day := twoDigits(t[5:]), twoDigits(t[8:])
	hour, minute, second := twoDigits(t[11:]), twoDigits(t[14:]), twoDigits(t[17:])
	if min(century, year) < 0 || month < 1 || month > 12 || day < 1 || day > 31 ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0
	}
	days := daysSinceEpoch(100*century+year, month, day)
	if days < 0 || days > math.MaxInt64/int64(25*time.Hour) {
		return 0
	}
	nanos, rest := fraction(t[19:])
	offset, ok := zoneOffset(rest)
	if !ok {
		return 0
	}
	seconds := days*24*60*60 + int64(hour)*60*60 + int64(minute)*60 + int64(second)
	return seconds*int64(time.Second) + nanos - int64(offset)
}

// twoDigits reads the two digits that t begins with; it is negative where there are none.
func twoDigits(t string) int {
	a, b := t[0]-'0', t[1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

// daysSinceEpoch counts the days from 1970-01-01 in the Gregorian calendar. The year is taken to
// begin in March, so that the leap day is its last and the lengths of the months before a
// given one are those of five-month rounds of 153 days.
func daysSinceEpoch(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	const epoch = 719468 // days from 0000-03-01 to 1970-01-01
	return int64(365*year+year/4-year/100+year/400+(153*(month-3)+2)/5+day-1) - epoch
}

// fraction reads ".123" as nanoseconds and returns what follows.
func fraction(t string) (int64, string) {
	if t[0] != '.' {
		return 0, t
	}
	n, unit, i := int64(0), int64(time.Second), 1
	for ; i < len(t) && '0' <= t[i] && t[i] <= '9'; i++ {
		unit /= 10
		n += int64(t[i]-'0') * unit
	}
	return n, t[i:]
}

// zoneOffset reads "Z", "+01:00", "+0100" or "+01", east of Greenwich being positive.
func zoneOffset(t string) (time.Duration, bool) {
	if t == "Z" || t == "z" {
		return 0, true
	}
	if len(t) < len("+01") || t[0] != '+' && t[0] != '-' {
		return 0, false
	}
	hours, ok := digits(t[1:3])
	minutes := int64(0)
	if rest := strings.TrimPrefix(t[3:], ":"); ok && rest != "" {
		minutes, ok = digits(rest)
	}
	if !ok || hours > 23 || minutes > 59 {
		return 0, false
	}
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if t[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// seconds reads a duration given in seconds, as nanoseconds; 0 where there is none.
func (s *Scratch) seconds(ks keys) int64 {
	for _, i := range ks {
		if s.has(i) {
			return nanoseconds(s.values[i])
		}
	}
	return 0
}

func nanoseconds(v pcommon.Value) int64 {
	var x float64
	switch v.Type() {
	case pcommon.ValueTypeInt:
		x = float64(v.Int())
	case pcommon.ValueTypeDouble:
		x = v.Double()
	case pcommon.ValueTypeStr:
		x, _ = float(strings.TrimSpace(v.Str()))
	}
	// A connection of more than a century is none; NaN fails the comparison too.
	if !(x > 0 && x < 100*365*24*60*60) {
		return 0
	}
	return int64(math.Round(x*1e6)) * int64(time.Microsecond)
}
