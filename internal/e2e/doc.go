// Package e2e tests the processor and the connector in a collector that the builder has built, over
// real connections on the loopback: what goes in comes over OTLP, what comes out is read
// from files, from a Prometheus endpoint and over OTLP, and what is kept from the storage itself.
//
// Its tests run where EXFIL_COLLECTOR names a collector, and those that stop and kill one where EXFIL_STORED
// names the program of the folder stored, too; `make test` sees to both.
package e2e
