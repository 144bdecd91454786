//go:build race

package observer

// raceDetector says that the race detector is on, with which everything takes ten times as long.
const raceDetector = true
