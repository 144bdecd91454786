// Package engine is what the instances of one component share: an observer, its clock, the
// delivery of its alerts, and its telemetry. The processor and the connector are thin around it.
//
// A collector makes an instance of a component for each pipeline that names it, and gives all of
// one id the same configuration. A Registry makes one engine for each configuration: a
// detector that saw only half of the traffic would judge by half of it, and one alert
// would leave twice.
package engine

//go:generate go tool -modfile=../../tools/go.mod mdatagen metadata.yaml
