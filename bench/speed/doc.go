// Package speed measures what exfil costs a collector, beside what the collector does anyway and what other processors
// cost, on the same batches in the same run: `make bench`, which writes bench/SPEED.md.
//
// It is a module of its own, so that nobody who uses exfil inherits the processors that it is compared with.
package speed
