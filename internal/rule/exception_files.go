package rule

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

// loop is a goroutine that ends when it is told to. The zero loop does not run.
type loop struct {
	mu     sync.Mutex // guards cancel
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Open reads the files of networks, and looks every interval, until Close, whether they have changed; an interval of 0:
// never. The error names each file that cannot be read and wraps ErrNetworkFile. Until Open, they hold no network.
func (e *Exceptions) Open(interval time.Duration) error {
	if len(e.files) == 0 {
		return nil
	}
	if err := e.reload(); err != nil {
		return err
	}
	e.loop.mu.Lock()
	defer e.loop.mu.Unlock()
	if interval == 0 || e.loop.cancel != nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.loop.cancel = cancel
	e.loop.done.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		e.watch(ctx, ticker.C)
	})
	return nil
}

// Close ends what Open began and waits for it. It may be called without Open, and again.
func (e *Exceptions) Close() {
	e.loop.mu.Lock()
	defer e.loop.mu.Unlock()
	if e.loop.cancel != nil {
		e.loop.cancel()
		e.loop.done.Wait()
		e.loop.cancel = nil
	}
}

// watch looks at the files at every tick until ctx ends. One that cannot be read stays as it was, and is tried again.
func (e *Exceptions) watch(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			if err := e.reload(); err != nil {
				e.logger.Warn("Networks of exceptions not reloaded; what the file said before stays in force", zap.Error(err))
			}
		}
	}
}

// reload reads the files that have changed, each by itself, and counts those that cannot be read.
func (e *Exceptions) reload() error {
	e.reading.Lock()
	defer e.reading.Unlock()
	var errs []error
	for _, file := range e.files {
		again := file.info != nil
		changed, err := file.read()
		if err != nil {
			e.failures.Add(1)
			errs = append(errs, err)
		} else if changed && again {
			e.logger.Info("Networks of exceptions reloaded", zap.String("file", file.path),
				zap.Int("networks", file.current.Load().Size()))
		}
	}
	return errors.Join(errs...)
}

// ReadFailures returns how often a file of networks could not be read.
func (e *Exceptions) ReadFailures() int64 { return e.failures.Load() }
