// Package e2e tests the processor and the connector in a collector that the builder has built, over
// real connections on the loopback: what goes in comes over OTLP, what comes out is read
// from files and from a Prometheus endpoint.
//
// Its tests run where EXFIL_COLLECTOR names a collector, which `make test` sees to.
package e2e
