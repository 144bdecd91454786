// Package checkpointtest has a storage client in memory that counts what is asked of it and
// fails when a test says so.
package checkpointtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// ErrFailed is what a call returns that a test wanted to fail.
var ErrFailed = errors.New("the storage failed, as the test asked")

// Effect says what a failing call does to the data before it fails.
type Effect int

const (
	// Nothing is done.
	Nothing Effect = iota
	// Everything is done: only the answer is lost.
	Everything
	// Half of a value is written. Other operations than Set do nothing.
	Half
)

// Effects are all effects, for tests that try each.
func Effects() []Effect { return []Effect{Nothing, Everything, Half} }

func (e Effect) String() string {
	switch e {
	case Nothing:
		return "nothing done"
	case Everything:
		return "everything done"
	case Half:
		return "half done"
	default:
		return fmt.Sprintf("Effect(%d)", int(e))
	}
}

// Client is a storage.Client in memory. Values are copied on the way in and out. It is safe for
// concurrent use.
//
// Each operation of a Batch is a call of its own: a Batch is not atomic, and a failure
// may come between two of its operations.
type Client struct {
	mu     sync.Mutex
	data   map[string][]byte
	calls  int
	closed bool

	fault  fault
	at     int // the call that the fault strikes, counted as calls are
	effect Effect
}

type fault int

const (
	none fault = iota
	fail
	crash
	block
)

var _ storage.Client = (*Client)(nil)

// New returns an empty client that works.
func New() *Client { return &Client{data: map[string][]byte{}} }

// Clone returns a client that works and has a copy of the data: what a process finds that starts
// where another one stopped. It counts its calls from 0.
func (c *Client) Clone() *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	data := make(map[string][]byte, len(c.data))
	for key, value := range c.data {
		data[key] = bytes.Clone(value)
	}
	return &Client{data: data}
}

// Calls returns how many calls there were, failed ones too. Close is none.
func (c *Client) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// Closed says whether Close was called.
func (c *Client) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Keys returns the keys that have a value, sorted.
func (c *Client) Keys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.data))
}

// Peek returns a copy of a value, nil if there is none. It is not counted and does not fail.
func (c *Client) Peek(key string) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Clone(c.data[key])
}

// Poke sets a value, or with nil removes it. It is not counted and does not fail.
func (c *Client) Poke(key string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if value == nil {
		delete(c.data, key)
		return
	}
	c.data[key] = bytes.Clone(value)
}

// Fail makes the n-th call from now fail with ErrFailed, 1 being the next one. Those before and
// after it work.
func (c *Client) Fail(n int, effect Effect) { c.arm(fail, n, effect) }

// Crash makes the n-th call from now fail with ErrFailed, and nothing works after it.
func (c *Client) Crash(n int, effect Effect) { c.arm(crash, n, effect) }

// Block makes the n-th call from now and all after it wait for the end of their context, whose
// error they return. They do nothing.
func (c *Client) Block(n int) { c.arm(block, n, Nothing) }

// Repair ends what Fail, Crash or Block began.
func (c *Client) Repair() { c.arm(none, 0, Nothing) }

func (c *Client) arm(f fault, n int, effect Effect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fault, c.at, c.effect = f, c.calls+n, effect
}

// Get returns a copy of the value; nil if there is none.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	op := storage.GetOperation(key)
	err := c.Batch(ctx, op)
	return op.Value, err
}

// Set keeps a copy of the value.
func (c *Client) Set(ctx context.Context, key string, value []byte) error {
	return c.Batch(ctx, storage.SetOperation(key, value))
}

// Delete forgets a value.
func (c *Client) Delete(ctx context.Context, key string) error {
	return c.Batch(ctx, storage.DeleteOperation(key))
}

// Batch does one operation after the other, up to the first that fails.
func (c *Client) Batch(ctx context.Context, ops ...*storage.Operation) error {
	for _, op := range ops {
		if err := c.call(ctx, op); err != nil {
			return err
		}
	}
	return nil
}

// Close is remembered, no more.
func (c *Client) Close(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return nil
}

func (c *Client) call(ctx context.Context, op *storage.Operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	effect, blocked, err := c.count()
	if blocked {
		<-ctx.Done()
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch effect {
	case Everything:
		c.do(op)
	case Half:
		if op.Type == storage.Set {
			c.data[op.Key] = bytes.Clone(op.Value[:len(op.Value)/2])
		}
	}
	if err != nil {
		op.Value = nil
	}
	return err
}

// count counts a call and returns what it is to do.
func (c *Client) count() (effect Effect, blocked bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	struck := c.calls == c.at
	switch c.fault {
	case fail, crash:
		if struck {
			return c.effect, false, ErrFailed
		}
		if c.fault == crash && c.calls > c.at {
			return Nothing, false, ErrFailed
		}
	case block:
		if c.calls >= c.at {
			return Nothing, true, nil
		}
	}
	return Everything, false, nil
}

func (c *Client) do(op *storage.Operation) {
	switch op.Type {
	case storage.Get:
		op.Value = bytes.Clone(c.data[op.Key])
	case storage.Set:
		c.data[op.Key] = append([]byte{}, op.Value...)
	case storage.Delete:
		delete(c.data, op.Key)
	}
}
