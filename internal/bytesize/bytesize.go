// Package bytesize reads and writes numbers of bytes as people do: "1MiB", "4.2 GB".
package bytesize

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Size is a number of bytes, at most 2^63-1. In configuration it is a plain number or a
// number with a unit; see Parse.
type Size int64

// ErrSyntax is wrapped by the errors of Parse.
var ErrSyntax = errors.New("not a size in bytes")

type unit struct {
	name  string
	bytes int64
}

// binary and decimal are the units of IEC 80000-13 and of the SI, largest first.
var (
	binary = [...]unit{
		{"PiB", 1 << 50}, {"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	}
	decimal = [...]unit{
		{"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
	}
)

// maxText is longer than any size worth writing; it bounds the work that a text can cause.
const maxText = 40

// Parse reads a decimal number, optionally followed by a unit: B, kB, MB, GB, TB, PB (powers
// of 1000) or KiB, MiB, GiB, TiB, PiB (powers of 1024), in any case, with or without a space
// between. Without a unit the number is bytes. The result must be a whole number of bytes,
// not negative and below 2^63; the error says what is wrong and wraps ErrSyntax.
func Parse(text string) (Size, error) {
	trimmed := strings.TrimSpace(text)
	if len(trimmed) > maxText {
		return 0, fmt.Errorf("%w: a text of %d characters; write for example 500MiB", ErrSyntax, len(trimmed))
	}
	end := strings.IndexFunc(trimmed, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(trimmed)
	}
	number, name := trimmed[:end], strings.TrimSpace(trimmed[end:])
	if number == "" {
		return 0, fmt.Errorf("%w: %q; write a number that is not negative, for example 500MiB", ErrSyntax, text)
	}
	factor, ok := unitBytes(name)
	if !ok {
		return 0, fmt.Errorf("%w: %q has the unit %q; known are B, kB, MB, GB, TB, PB, KiB, MiB, GiB, TiB, PiB",
			ErrSyntax, text, name)
	}
	value, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("%w: %q has the number %q; write for example 1.5GiB", ErrSyntax, text, number)
	}
	value.Mul(value, new(big.Rat).SetInt64(factor))
	switch {
	case !value.IsInt():
		return 0, fmt.Errorf("%w: %q is not a whole number of bytes", ErrSyntax, text)
	case !value.Num().IsInt64():
		return 0, fmt.Errorf("%w: %q is too large; at most %d bytes", ErrSyntax, text, int64(math.MaxInt64))
	}
	return Size(value.Num().Int64()), nil
}

func unitBytes(name string) (int64, bool) {
	if name == "" || strings.EqualFold(name, "B") {
		return 1, true
	}
	for _, units := range [...][len(binary)]unit{binary, decimal} {
		for _, u := range units {
			if strings.EqualFold(name, u.name) {
				return u.bytes, true
			}
		}
	}
	return 0, false
}

// String returns the size exactly, in the largest unit that needs no fraction; Parse reads
// it back to the same value unless it is negative.
func (s Size) String() string {
	if s == 0 {
		return "0B"
	}
	for _, units := range [...][len(binary)]unit{binary, decimal} {
		for _, u := range units {
			if int64(s)%u.bytes == 0 {
				return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
			}
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// Human returns the size rounded to two significant digits in SI units, for sentences:
// "0 B", "12 MB", "4.2 GB". From 100 to 999 of a unit all three digits stand.
func (s Size) Human() string {
	value := math.Abs(float64(s))
	sign := ""
	if s < 0 {
		sign = "-"
	}
	name := "B"
	for i := len(decimal) - 1; i >= 0 && rounded(value) >= 1000; i-- {
		value /= 1000
		name = decimal[i].name
	}
	value = rounded(value)
	decimals := 0
	if name != "B" && value < 10 {
		decimals = 1
	}
	return sign + strconv.FormatFloat(value, 'f', decimals, 64) + " " + name
}

// rounded rounds to what Human shows, so that 999.7 kB becomes 1.0 MB and not 1000 kB.
func rounded(value float64) float64 {
	if value < 10 {
		return math.Round(value*10) / 10
	}
	return math.Round(value)
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; see Parse.
func (s *Size) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}
