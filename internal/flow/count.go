package flow

import "math"

// AddBytes adds counts of bytes; what does not fit is the largest number there is.
func AddBytes(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Window returns the number of the window of a span that an instant lies in, counted from the epoch, also before 1970: the
// quotient, rounded down. Both are in the same unit.
func Window(at, span int64) int64 {
	n := at / span
	if at%span < 0 {
		n--
	}
	return n
}
