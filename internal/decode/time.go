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
		if t := instant(s.values[i]); t > 0 {
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

func instant(v pcommon.Value) int64 {
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return epoch(v.Int())
	case pcommon.ValueTypeDouble:
		return epochFloat(v.Double())
	case pcommon.ValueTypeStr:
		return instantOfText(v.Str())
	case pcommon.ValueTypeSlice:
		if e, ok := only(v); ok {
			return instant(e)
		}
	}
	return 0
}

func instantOfText(t string) int64 {
	t = strings.TrimSpace(t)
	if n, ok := digits(t); ok {
		return epoch(n)
	}
	if n := rfc3339(t); n > 0 {
		return n
	}
	if x, ok := float(t); ok {
		return epochFloat(x)
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

// epoch turns seconds, milli-, micro- or nanoseconds since the epoch into nanoseconds;
// 0 if that is before the epoch or after 2262.
func epoch(n int64) int64 {
	unit := int64(time.Nanosecond)
	switch {
	case n < maxSeconds:
		unit = int64(time.Second)
	case n < maxMilliseconds:
		unit = int64(time.Millisecond)
	case n < maxMicroseconds:
		unit = int64(time.Microsecond)
	}
	if n < 0 || n > math.MaxInt64/unit {
		return 0
	}
	return n * unit
}

// epochFloat is epoch for numbers with a fraction, kept to the microsecond, which is as
// much as a double holds.
func epochFloat(x float64) int64 {
	switch {
	case !(x > 0 && x < math.MaxInt64): // NaN included
		return 0
	case x < maxSeconds:
		x *= 1e6
	case x < maxMilliseconds:
		x *= 1e3
	default:
		return epoch(int64(x))
	}
	if n := int64(math.Round(x)); n <= math.MaxInt64/int64(time.Microsecond) {
		return n * int64(time.Microsecond)
	}
	return 0
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
