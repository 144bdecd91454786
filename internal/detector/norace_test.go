//go:build !race

package detector

// raceDetector says that the race detector is on, with which everything takes ten times as long.
const raceDetector = false
