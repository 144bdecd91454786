// Package senders tests exfil behind what sends flows in earnest: goflow2, to which the tests
// speak as routers do, and the OpenTelemetry SDK, with which the tests count as OpenTelemetry eBPF
// Instrumentation does. It is a module of its own, so that who uses exfil does not inherit what
// its senders need.
package senders
