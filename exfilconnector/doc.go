// Package exfilconnector is the connector "exfil": it reads the logs and metrics of the pipelines
// that it ends, and begins logs pipelines that carry nothing but alerts and metrics pipelines that carry
// nothing but gauges of the baselines.
package exfilconnector

//go:generate go tool -modfile=../tools/go.mod mdatagen metadata.yaml
