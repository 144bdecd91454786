package engine

import "time"

// Clock is where time comes from, so that a test can own it.
type Clock interface {
	// Now returns the time.
	Now() time.Time
	// Every delivers ticks until stop is called.
	Every(d time.Duration) (ticks <-chan time.Time, stop func())
}

// WallClock is the system's clock.
type WallClock struct{}

// Now returns the system's time.
func (WallClock) Now() time.Time { return time.Now() }

// Every returns the ticks of a time.Ticker, and what stops it.
func (WallClock) Every(d time.Duration) (ticks <-chan time.Time, stop func()) {
	ticker := time.NewTicker(d)
	return ticker.C, ticker.Stop
}
