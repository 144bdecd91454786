package main

import (
	"context"
	"errors"
	"sync"
)

// inParallel does all tasks, so many at a time, and returns their errors in the order of the tasks. Each
// task writes to a place of its own, so that what comes out does not depend on who was first.
func inParallel(ctx context.Context, workers int, tasks []func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(tasks))
	next := make(chan int)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range next {
				if errs[i] = tasks[i](ctx); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	for i := range tasks {
		next <- i
	}
	close(next)
	group.Wait()
	return errors.Join(errs...)
}
