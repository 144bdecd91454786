//go:build race

package engine_test

// eachCall is which calls of a storage are made to fail: with the race detector, which makes all ten times slower,
// every seventh.
const eachCall = 7
