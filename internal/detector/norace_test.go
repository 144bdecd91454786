//go:build !race

package detector

// raceDetector says that the race detector is on, with which pools forget at random.
const raceDetector = false
