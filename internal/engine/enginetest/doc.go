// Package enginetest is what the tests of an engine and of the components around it share: a clock
// that a test moves, a next consumer that can refuse, and an office's traffic with a theft in it.
package enginetest
