// Package senders tests exfil behind what sends flows in earnest: goflow2, to which the tests
// speak as routers do. It is a module of its own, so that who uses exfil does not inherit what
// its senders need.
package senders
