// Package netflow encodes flows as routers export them: NetFlow version 5, NetFlow version 9
// (RFC 3954) and IPFIX (RFC 7011). It exists for tests, which send its datagrams to real collectors
// of such: of each protocol it speaks what routers commonly send, not all that could be said.
package netflow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Flow is one direction of a connection, as a router has counted it.
type Flow struct {
	Source, Destination netip.AddrPort
	Protocol            uint8 // of IANA: 6 is TCP, 17 UDP
	Start, End          time.Time
	// Bytes and Packets are what was counted. A router that samples counts one packet in
	// its rate, and leaves it to the receiver to multiply.
	Bytes, Packets uint64
}

// Exporter encodes flows for one protocol. What is to be told once or now and then, templates and
// sampling rates, it tells by itself.
type Exporter interface {
	// Export returns the datagrams, none longer than maxDatagram, that a router sends at the
	// given time to report the flows, in their order.
	Export(now time.Time, flows []Flow) ([][]byte, error)
}

// What Export refuses.
var (
	ErrFamily = errors.New("the protocol cannot carry this address")
	ErrTime   = errors.New("the protocol cannot carry this time")
	ErrCount  = errors.New("the protocol cannot carry this count")
)

const (
	// maxDatagram is what fits into an Ethernet frame beside the headers of IPv4 and UDP.
	maxDatagram = 1500 - 20 - 8
	// templatesEvery is after how many datagrams the templates are sent again, as UDP may
	// lose them: routers do so by count or by time.
	templatesEvery = 20
	// domain tells apart the parts of a router that number their templates by themselves.
	domain = 7
)

// uptime is the time at which a router was switched on. NetFlow's times are counted from it.
type uptime time.Time

// at returns t as milliseconds since the router was switched on.
func (u uptime) at(t time.Time) (uint32, error) {
	ms := t.Sub(time.Time(u)).Milliseconds()
	if ms < 0 || ms > 1<<32-1 {
		return 0, fmt.Errorf("%w: %s is not within 2³² ms after the router was switched on, %s", ErrTime, t, time.Time(u))
	}
	return uint32(ms), nil
}

// append appends t in milliseconds since the router was switched on.
func (u uptime) append(b []byte, t time.Time) ([]byte, error) {
	ms, err := u.at(t)
	if err != nil {
		return nil, err
	}
	return binary.BigEndian.AppendUint32(b, ms), nil
}
