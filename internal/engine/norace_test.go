//go:build !race

package engine_test

// eachCall is which calls of a storage are made to fail: each.
const eachCall = 1
