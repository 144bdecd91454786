package netflow

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// V5 speaks NetFlow version 5, whose records have one fixed layout, for IPv4 only. There is no RFC
// of it; Cisco's "NetFlow Export Datagram Format" gives the layout.
type V5 struct {
	on       uptime
	sampling uint16
	sequence uint32 // flows sent so far
}

// The layout, in octets.
const (
	v5Header = 24
	v5Record = 48
	// v5MaxRecords is how many records Cisco's routers send at most in a datagram.
	v5MaxRecords = 30
	// v5MaxSampling is the largest rate that 14 bits hold.
	v5MaxSampling = 1<<14 - 1
	// v5Deterministic in the upper two bits of the rate says that every so manieth packet is counted.
	v5Deterministic = 1 << 14
)

// NewV5 returns an exporter that was switched on at the given time and that counts one
// packet in sampling; 1: every packet.
func NewV5(on time.Time, sampling int) (*V5, error) {
	if sampling < 1 || sampling > v5MaxSampling {
		return nil, fmt.Errorf("%w: a sampling rate of %d is not within 1 and %d", ErrCount, sampling, v5MaxSampling)
	}
	return &V5{on: uptime(on), sampling: uint16(sampling)}, nil
}

// Export implements Exporter.
func (e *V5) Export(now time.Time, flows []Flow) (datagrams [][]byte, err error) {
	for len(flows) > 0 {
		n := min(len(flows), v5MaxRecords)
		d, err := e.datagram(now, flows[:n])
		if err != nil {
			return nil, err
		}
		datagrams = append(datagrams, d)
		flows = flows[n:]
	}
	return datagrams, nil
}

func (e *V5) datagram(now time.Time, flows []Flow) ([]byte, error) {
	up, err := e.on.at(now)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, v5Header+v5Record*len(flows))
	b = binary.BigEndian.AppendUint16(b, 5)
	b = binary.BigEndian.AppendUint16(b, uint16(len(flows)))
	b = binary.BigEndian.AppendUint32(b, up)
	b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(now.Nanosecond()))
	b = binary.BigEndian.AppendUint32(b, e.sequence)
	b = append(b, 0, 0) // type and number of the switching engine
	b = binary.BigEndian.AppendUint16(b, v5Deterministic|e.sampling)
	for i := range flows {
		if b, err = e.record(b, &flows[i]); err != nil {
			return nil, err
		}
	}
	e.sequence += uint32(len(flows))
	return b, nil
}

func (e *V5) record(b []byte, f *Flow) ([]byte, error) {
	source, destination := f.Source.Addr(), f.Destination.Addr()
	if !source.Is4() || !destination.Is4() {
		return nil, fmt.Errorf("%w: version 5 knows IPv4 only, not %s to %s", ErrFamily, source, destination)
	}
	if f.Bytes > math.MaxUint32 || f.Packets > math.MaxUint32 {
		return nil, fmt.Errorf("%w: version 5 counts to 2³², not to %d bytes and %d packets", ErrCount, f.Bytes, f.Packets)
	}
	b = append(b, source.AsSlice()...)
	b = append(b, destination.AsSlice()...)
	b = append(b, 0, 0, 0, 0) // next hop
	b = append(b, 0, 1, 0, 2) // interfaces in and out
	b = binary.BigEndian.AppendUint32(b, uint32(f.Packets))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Bytes))
	b, err := e.on.append(b, f.Start)
	if err != nil {
		return nil, err
	}
	if b, err = e.on.append(b, f.End); err != nil {
		return nil, err
	}
	b = binary.BigEndian.AppendUint16(b, f.Source.Port())
	b = binary.BigEndian.AppendUint16(b, f.Destination.Port())
	b = append(b, 0, 0, f.Protocol, 0) // padding, TCP flags, protocol, type of service
	b = append(b, 0, 0, 0, 0)          // numbers of the autonomous systems
	return append(b, 0, 0, 0, 0), nil  // lengths of the prefixes, padding
}
