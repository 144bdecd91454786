package netflow

import (
	"encoding/binary"
	"time"
)

// IPFIX speaks RFC 7011. It is like NetFlow version 9, but tells times by the calendar, knows
// elements of enterprises, and elements of variable length; each record has one of both.
type IPFIX struct {
	sampling uint32
	layouts  layouts
	messages int
	sequence uint32 // data records sent so far
}

// Numbers of RFC 7011, sections 3.1, 3.3.2, 3.4.1 and 7, of IANA's registry of IPFIX elements, and
// of RFC 5103, section 6.1.
const (
	ipfixHeader           = 16 // octets
	ipfixTemplates        = 2  // number of the set that tells templates
	ipfixOptionsTemplates = 3  // and of the one that tells templates of what is said of the router
	ipfixInterfaceName    = 82
	ipfixDomain           = 149 // observationDomainId
	ipfixStart            = 152 // flowStartMilliseconds
	ipfixEnd              = 153 // flowEndMilliseconds

	ipfixVariable   = 0xffff  // length of an element that tells its length
	ipfixEnterprise = 1 << 15 // bit of an element that is not IANA's
	ipfixReverse    = 29305   // enterprise: the same element of the opposite direction
)

// reverseBytes is what each record says that the other side has sent. Receivers of
// one-way records must not add it.
const reverseBytes = 1 << 40

// NewIPFIX returns an exporter that counts one packet in sampling; 1: every packet.
func NewIPFIX(sampling uint32) *IPFIX {
	at := func(b []byte, t time.Time) ([]byte, error) {
		return binary.BigEndian.AppendUint64(b, uint64(t.UnixMilli())), nil
	}
	const name = "wan0"
	return &IPFIX{sampling: sampling, layouts: newLayouts(append(counts(),
		field{element: ipfixStart, length: 8, write: func(b []byte, f *Flow) ([]byte, error) { return at(b, f.Start) }},
		field{element: ipfixEnd, length: 8, write: func(b []byte, f *Flow) ([]byte, error) { return at(b, f.End) }},
		field{element: ipfixInterfaceName, length: ipfixVariable, write: func(b []byte, _ *Flow) ([]byte, error) {
			return append(append(b, byte(len(name))), name...), nil
		}},
		field{element: elementBytes, enterprise: ipfixReverse, length: 8, write: func(b []byte, _ *Flow) ([]byte, error) {
			return binary.BigEndian.AppendUint64(b, reverseBytes), nil
		}},
	)...)}
}

// Export implements Exporter.
func (e *IPFIX) Export(now time.Time, flows []Flow) (datagrams [][]byte, err error) {
	for len(flows) > 0 {
		var content []byte
		records := 0
		if e.messages%templatesEvery == 0 {
			content, records = e.templates()
		}
		content, n, err := e.layouts.appendFlows(content, flows, maxDatagram-ipfixHeader)
		if err != nil {
			return nil, err
		}
		flows = flows[n:]
		b := appendUint16s(make([]byte, 0, ipfixHeader+len(content)), 10, uint16(ipfixHeader+len(content)))
		b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
		b = binary.BigEndian.AppendUint32(b, e.sequence)
		b = binary.BigEndian.AppendUint32(b, domain)
		datagrams = append(datagrams, append(b, content...))
		e.messages++
		e.sequence += uint32(records + n)
	}
	return datagrams, nil
}

// templates returns the sets that tell the layouts and the sampling rate, and how many data
// records they hold.
func (e *IPFIX) templates() (sets []byte, records int) {
	var told []byte
	for _, t := range []*template{&e.layouts.v4, &e.layouts.v6} {
		told = appendUint16s(told, t.id, uint16(len(t.fields)))
		for _, f := range t.fields {
			told = f.appendSpecifier(told)
		}
	}
	sets = appendSet(sets, ipfixTemplates, told)
	// Two elements, of which the first is the scope.
	told = appendUint16s(nil, templateSampling, 2, 1, ipfixDomain, 4, elementSampling, 4)
	sets = appendSet(sets, ipfixOptionsTemplates, told)
	rate := binary.BigEndian.AppendUint32(nil, domain)
	rate = binary.BigEndian.AppendUint32(rate, e.sampling)
	return appendSet(sets, templateSampling, rate), 1
}

// appendSpecifier appends how IPFIX tells a field of a template.
func (f *field) appendSpecifier(b []byte) []byte {
	if f.enterprise == 0 {
		return appendUint16s(b, f.element, f.length)
	}
	b = appendUint16s(b, ipfixEnterprise|f.element, f.length)
	return binary.BigEndian.AppendUint32(b, f.enterprise)
}
