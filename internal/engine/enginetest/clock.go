package enginetest

import (
	"sync"
	"time"
)

// Clock is a clock that a test moves. Its ticks never come by themselves: a test ticks
// an engine where it wants to.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands long after the traffic of the tests.
func NewClock() *Clock { return &Clock{now: Monday.Add(100 * 24 * time.Hour)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Every returns ticks that never come.
func (c *Clock) Every(time.Duration) (ticks <-chan time.Time, stop func()) { return nil, func() {} }
