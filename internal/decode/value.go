package decode

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/flow"
)

// reading says how reading a value went.
type reading uint8

const (
	absent reading = iota // no such key, or its value is null, empty or "-"
	good
	bad // there is a value, but not of the kind that belongs there
)

// maxNumberLength bounds the text that is tried as a number or a time.
const maxNumberLength = 64

// number reads a count ≥ 0 from the first of the keys that has a value. Int, Double and
// text are taken alike; a fraction is cut off.
func (s *Scratch) number(ks keys) (int64, reading) {
	for _, i := range ks {
		if !s.has(i) {
			continue
		}
		if n, r := count(s.values[i]); r != absent {
			return n, r
		}
	}
	return 0, absent
}

func count(v pcommon.Value) (int64, reading) {
	// An Int is the common case; this asks once for the type of the value, not twice.
	if n := v.Int(); n > 0 {
		return n, good
	}
	switch v.Type() {
	case pcommon.ValueTypeInt:
		return countOfInt(v.Int())
	case pcommon.ValueTypeDouble:
		return countOfFloat(v.Double())
	case pcommon.ValueTypeStr:
		return countOfText(v.Str())
	case pcommon.ValueTypeEmpty:
		return 0, absent
	case pcommon.ValueTypeSlice:
		if e, ok := only(v); ok {
			return count(e)
		}
	}
	return 0, bad
}

// only returns the element of a list of one scalar, as documents exported from search
// engines hold their fields.
func only(v pcommon.Value) (pcommon.Value, bool) {
	if v.Slice().Len() != 1 {
		return v, false
	}
	e := v.Slice().At(0)
	return e, e.Type() != pcommon.ValueTypeSlice
}

func countOfInt(n int64) (int64, reading) {
	if n < 0 {
		return 0, bad
	}
	return n, good
}

func countOfFloat(x float64) (int64, reading) {
	// The comparison is false for NaN.
	if x >= 0 && x < math.MaxInt64 {
		return int64(x), good
	}
	return 0, bad
}

func countOfText(t string) (int64, reading) {
	t = strings.TrimSpace(t)
	if missing(t) {
		return 0, absent
	}
	if n, ok := digits(t); ok {
		return n, good
	}
	if x, ok := float(t); ok {
		return countOfFloat(x)
	}
	return 0, bad
}

// missing says whether a text means that there is no value.
func missing(t string) bool {
	return t == "" || t == "-"
}

// digits reads a decimal number that fits into an int64. Unlike strconv it makes no
// error, which would be an allocation for every bad value.
func digits(t string) (int64, bool) {
	if t == "" || len(t) > 19 {
		return 0, false
	}
	var n uint64 // 19 digits always fit
	for i := 0; i < len(t); i++ {
		d := t[i] - '0'
		if d > 9 {
			return 0, false
		}
		n = n*10 + uint64(d)
	}
	return int64(n), n <= math.MaxInt64
}

// float reads a decimal number with sign, point or exponent, and nothing else that
// strconv would take (hexadecimal, infinities, underscores).
func float(t string) (float64, bool) {
	if len(t) > maxNumberLength || strings.Trim(t, "0123456789.eE+-") != "" {
		return 0, false
	}
	x, err := strconv.ParseFloat(t, 64)
	return x, err == nil
}

// bytes reads a byte count; absent ones are flow.UnknownBytes.
func (s *Scratch) bytes(ks keys) (int64, Reason) {
	return byteCount(s.number(ks))
}

// sampled reads a byte count that stands for as many times the bytes as one
// in how many packets was looked at. A rate of 0 or none means every packet.
func (s *Scratch) sampled(bytes, rate keys) (int64, Reason) {
	n, why := s.bytes(bytes)
	if why != Accepted || n == flow.UnknownBytes {
		return n, why
	}
	k, r := s.number(rate)
	switch {
	case r == bad:
		return 0, BadBytes
	case k <= 1 || n == 0:
		return n, Accepted
	case k > MaxBytes/n:
		return 0, BadBytes
	}
	return n * k, Accepted
}

// port reads a port; absent ones are 0.
func (s *Scratch) port(ks keys) (uint16, Reason) {
	n, r := s.number(ks)
	if r == bad || n > math.MaxUint16 {
		return 0, BadPort
	}
	return uint16(n), Accepted
}

// address reads an address, unmapped and without zone, from the first of the keys
// that holds one. Some sources put host names where others put addresses.
func (s *Scratch) address(ks keys) (netip.Addr, Reason) {
	why := NoAddress
	for _, i := range ks {
		if !s.has(i) {
			continue
		}
		t, ok := text(s.values[i])
		if ok && missing(t) {
			continue
		}
		if a, ok := parseAddress(t); ok {
			return a, Accepted
		}
		why = BadAddress
	}
	return netip.Addr{}, why
}

// maxAddressLength is that of the longest text of an IPv6 address, without zone.
const maxAddressLength = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

func parseAddress(t string) (netip.Addr, bool) {
	if a, ok := parseIPv4(t); ok {
		return a, true
	}
	if i := strings.IndexByte(t, '%'); i >= 0 {
		t = t[:i]
	}
	// An IPv6 address has a colon; without one, ParseAddr can only make an error.
	if len(t) > maxAddressLength || strings.IndexByte(t, ':') < 0 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(t)
	return a.Unmap(), err == nil
}

// parseIPv4 reads a dotted quad, as strictly as netip.ParseAddr does but in half the
// time, the common case being most of what a record costs.
func parseIPv4(t string) (netip.Addr, bool) {
	if len(t) < len("0.0.0.0") || len(t) > len("255.255.255.255") {
		return netip.Addr{}, false
	}
	var quad [4]byte
	part, value, length := 0, 0, 0
	for i := 0; i < len(t); i++ {
		c := t[i]
		if c == '.' {
			if length == 0 || part == 3 {
				return netip.Addr{}, false
			}
			quad[part] = byte(value)
			part, value, length = part+1, 0, 0
			continue
		}
		// A leading zero is not allowed: some read such a number as octal.
		if c < '0' || c > '9' || length > 0 && value == 0 {
			return netip.Addr{}, false
		}
		value, length = value*10+int(c-'0'), length+1
		if value > 255 {
			return netip.Addr{}, false
		}
	}
	if part != 3 || length == 0 {
		return netip.Addr{}, false
	}
	quad[3] = byte(value)
	return netip.AddrFrom4(quad), true
}

// text returns a value's text, "" for null, and false for anything else.
func text(v pcommon.Value) (string, bool) {
	if t := v.Str(); t != "" {
		return t, true
	}
	switch v.Type() {
	case pcommon.ValueTypeStr, pcommon.ValueTypeEmpty:
		return "", true
	case pcommon.ValueTypeSlice:
		if e, ok := only(v); ok {
			return text(e)
		}
	}
	return "", false
}

// text reads a text as it is, however long: whatever is kept of it is made safe where it becomes part of a flow.
// Absent ones and those of another type are "".
func (s *Scratch) text(ks keys) string {
	for _, i := range ks {
		if !s.has(i) {
			continue
		}
		if t, ok := text(s.values[i]); ok && !missing(t) {
			return t
		}
	}
	return ""
}

// idKeys name a flow. Those that tell its addresses to whoever tries are known to the logs of other sources, too, and so
// preferred.
type idKeys struct{ telling, opaque keys }

// id reads the name that a source gives a flow.
func (s *Scratch) id(ks idKeys) flow.ID {
	if id := s.textOrNumber(ks.telling); id != (flow.ID{}) {
		return id
	}
	id := s.textOrNumber(ks.opaque)
	id.Opaque = id != flow.ID{}
	return id
}

// textOrNumber reads a text or a whole number.
func (s *Scratch) textOrNumber(ks keys) flow.ID {
	for _, i := range ks {
		if !s.has(i) {
			continue
		}
		if t, ok := text(s.values[i]); ok {
			if !missing(t) {
				return flow.ID{Text: t}
			}
			continue
		}
		if n, r := count(s.values[i]); r == good && n != 0 {
			return flow.ID{Number: n}
		}
	}
	return flow.ID{}
}

// truth reads a Boolean; text is taken as JSON and Zeek's own format write it.
func (s *Scratch) truth(ks keys) (value bool, r reading) {
	for _, i := range ks {
		if !s.has(i) {
			continue
		}
		switch v := s.values[i]; v.Type() {
		case pcommon.ValueTypeBool:
			return v.Bool(), good
		case pcommon.ValueTypeStr:
			switch v.Str() {
			case "true", "T":
				return true, good
			case "false", "F":
				return false, good
			}
		}
	}
	return false, absent
}

// longText is text that is not cut, for a line with many columns.
func (s *Scratch) longText(ks keys) string {
	for _, i := range ks {
		if s.has(i) {
			if t, ok := text(s.values[i]); ok {
				return t
			}
		}
	}
	return ""
}

// addressOfText reads an address from the first of the texts that holds one.
func addressOfText(texts ...string) (netip.Addr, Reason) {
	why := NoAddress
	for _, t := range texts {
		if missing(t) {
			continue
		}
		if a, ok := parseAddress(t); ok {
			return a, Accepted
		}
		why = BadAddress
	}
	return netip.Addr{}, why
}

// bytesOfText reads a byte count of a line or tuple; a missing one is flow.UnknownBytes.
func bytesOfText(t string) (int64, Reason) {
	return byteCount(countOfText(t))
}

// byteCount says what a count that was read is worth as bytes.
func byteCount(n int64, r reading) (int64, Reason) {
	switch {
	case r == absent:
		return flow.UnknownBytes, Accepted
	case r == bad || n > MaxBytes:
		return 0, BadBytes
	}
	return n, Accepted
}

func portOfText(t string) (uint16, Reason) {
	n, r := countOfText(t)
	if r == bad || n > math.MaxUint16 {
		return 0, BadPort
	}
	return uint16(n), Accepted
}
