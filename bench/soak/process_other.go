//go:build !linux

package main

import "time"

// processorTime is not known here.
func processorTime() time.Duration { return 0 }

// residentSize is not known here.
func residentSize() int64 { return 0 }
