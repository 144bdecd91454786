package rule

import "github.com/otel-exfil/exfil/internal/flow"

// ledger sums bytes by window of ExceptionSpan, for the newest window and the one before.
// The zero ledger is empty.
type ledger struct {
	window            int64 // of current
	current, previous int64 // bytes
}

// add counts bytes at an instant, in nanoseconds since the epoch, and returns the sum of its window.
func (l *ledger) add(at, bytes int64) int64 {
	window := at / int64(ExceptionSpan)
	switch {
	case window == l.window+1:
		l.window, l.current, l.previous = window, 0, l.current
	case window > l.window:
		l.window, l.current, l.previous = window, 0, 0
	}
	sum := &l.current
	if window < l.window {
		sum = &l.previous
	}
	*sum = flow.AddBytes(*sum, bytes)
	return *sum
}
