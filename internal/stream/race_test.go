//go:build race

package stream

// many is how many streams a test of the memory fills; with the race detector each takes ten times as long.
const many = 100_000
