package exfilprocessor

import "time"

// clock is where time comes from, so that a test can own it.
type clock struct {
	now func() time.Time
	// every delivers ticks until stop is called.
	every func(d time.Duration) (ticks <-chan time.Time, stop func())
}

func wallClock() clock {
	return clock{
		now: time.Now,
		every: func(d time.Duration) (<-chan time.Time, func()) {
			ticker := time.NewTicker(d)
			return ticker.C, ticker.Stop
		},
	}
}
