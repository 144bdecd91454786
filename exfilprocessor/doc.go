// Package exfilprocessor is the processor "exfil": it passes logs on unchanged and adds alerts
// when far more bytes than usual leave for a destination port or region.
package exfilprocessor

//go:generate go tool -modfile=../tools/go.mod mdatagen metadata.yaml
