package netflow

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// field is an element of a template: what is said, in how many octets.
type field struct {
	element    uint16
	length     uint16                                  // in octets, or variable
	enterprise uint32                                  // number of the enterprise that defined the element; 0: IANA
	write      func(b []byte, f *Flow) ([]byte, error) // appends the element of a flow
}

// template is a layout of records, and the number by which data refer to it.
type template struct {
	id     uint16
	fields []field
}

// Numbers of templates. Those below 256 are of sets that tell templates.
const (
	templateIPv4 = 256 + iota
	templateIPv6
	templateSampling
)

// The elements that NetFlow version 9 and IPFIX have in common.
const (
	elementBytes           = 1
	elementPackets         = 2
	elementProtocol        = 4
	elementSourcePort      = 7
	elementSourceIPv4      = 8
	elementDestinationPort = 11
	elementDestinationIPv4 = 12
	elementSourceIPv6      = 27
	elementDestinationIPv6 = 28
	elementSampling        = 34 // one packet in how many is counted
)

// ends returns the elements that say who sent to whom, the addresses having so many octets.
func ends(source, destination, octets uint16) []field {
	address := func(b []byte, a netip.AddrPort) ([]byte, error) { return append(b, a.Addr().AsSlice()...), nil }
	port := func(b []byte, a netip.AddrPort) ([]byte, error) {
		return binary.BigEndian.AppendUint16(b, a.Port()), nil
	}
	return []field{
		{element: source, length: octets, write: func(b []byte, f *Flow) ([]byte, error) { return address(b, f.Source) }},
		{element: destination, length: octets, write: func(b []byte, f *Flow) ([]byte, error) { return address(b, f.Destination) }},
		{element: elementSourcePort, length: 2, write: func(b []byte, f *Flow) ([]byte, error) { return port(b, f.Source) }},
		{element: elementDestinationPort, length: 2, write: func(b []byte, f *Flow) ([]byte, error) { return port(b, f.Destination) }},
		{element: elementProtocol, length: 1, write: func(b []byte, f *Flow) ([]byte, error) { return append(b, f.Protocol), nil }},
	}
}

// counts returns the elements that say how much.
func counts() []field {
	count := func(b []byte, n uint64) ([]byte, error) { return binary.BigEndian.AppendUint64(b, n), nil }
	return []field{
		{element: elementBytes, length: 8, write: func(b []byte, f *Flow) ([]byte, error) { return count(b, f.Bytes) }},
		{element: elementPackets, length: 8, write: func(b []byte, f *Flow) ([]byte, error) { return count(b, f.Packets) }},
	}
}

// layouts are the templates of flows: the two families of addresses have one each.
type layouts struct {
	v4, v6 template
}

// newLayouts returns layouts that say who sent to whom, and more.
func newLayouts(more ...field) layouts {
	return layouts{
		v4: template{templateIPv4, append(ends(elementSourceIPv4, elementDestinationIPv4, 4), more...)},
		v6: template{templateIPv6, append(ends(elementSourceIPv6, elementDestinationIPv6, 16), more...)},
	}
}

func (l *layouts) of(f *Flow) (*template, error) {
	source, destination := f.Source.Addr(), f.Destination.Addr()
	switch {
	case source.Is4() && destination.Is4():
		return &l.v4, nil
	case source.Is6() && destination.Is6():
		return &l.v6, nil
	}
	return nil, fmt.Errorf("%w: %s and %s are not of one family", ErrFamily, source, destination)
}

// appendFlows appends sets with as many of the flows as fit into a message of so many octets, a set
// for each run of flows of one family, and returns how many these are.
func (l *layouts) appendFlows(b []byte, flows []Flow, room int) (_ []byte, done int, err error) {
	for done < len(flows) {
		layout, err := l.of(&flows[done])
		if err != nil {
			return nil, 0, err
		}
		content, n, err := l.run(layout, flows[done:], room-len(b)-setHeader-maxPadding)
		if err != nil {
			return nil, 0, err
		}
		if n == 0 {
			break
		}
		b = appendSet(b, layout.id, content)
		done += n
	}
	return b, done, nil
}

// run encodes the flows up to the first that has another layout or no room, and returns how many.
func (l *layouts) run(layout *template, flows []Flow, room int) (content []byte, n int, err error) {
	for n = range flows {
		its, err := l.of(&flows[n])
		if err != nil {
			return nil, 0, err
		}
		if its != layout {
			return content, n, nil
		}
		longer, err := layout.append(content, &flows[n])
		if err != nil {
			return nil, 0, err
		}
		if len(longer) > room {
			return content, n, nil
		}
		content = longer
	}
	return content, len(flows), nil
}

// append appends a flow's record.
func (t *template) append(b []byte, f *Flow) (_ []byte, err error) {
	for i := range t.fields {
		if b, err = t.fields[i].write(b, f); err != nil {
			return nil, err
		}
	}
	return b, nil
}

const (
	setHeader  = 4 // octets of a set's number and length
	maxPadding = 3
)

// appendSet appends a set of the given number: its length, which counts all of it, and its content,
// filled up to a multiple of four octets.
func appendSet(b []byte, id uint16, content []byte) []byte {
	padding := -len(content) & maxPadding
	b = appendUint16s(b, id, uint16(setHeader+len(content)+padding))
	b = append(b, content...)
	return append(b, make([]byte, padding)...)
}

func appendUint16s(b []byte, numbers ...uint16) []byte {
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}
