//go:build !race

package stream

// many is how many streams a test of the memory fills.
const many = MaxStreams
