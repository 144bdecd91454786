package netflow

import (
	"encoding/binary"
	"time"
)

// V9 speaks NetFlow version 9, RFC 3954, as a router or a firewall: what a record holds is told by templates, sent before it.
type V9 struct {
	on       uptime
	sampling uint32 // 0: nothing is said of it
	layouts  layouts
	sequence uint32 // datagrams sent so far
}

// Numbers of RFC 3954: sections 5.1, 5.2, 6.1 and 8.
const (
	v9Header           = 20 // octets
	v9Templates        = 0  // number of the set that tells templates
	v9OptionsTemplates = 1  // and of the one that tells templates of what is said of the router
	v9LastSwitched     = 21
	v9FirstSwitched    = 22
	v9ScopeSystem      = 1 // what is said is said of the whole router
)

// NewV9 returns a router that was switched on at the given time and that counts one
// packet in sampling; 1: every packet.
func NewV9(on time.Time, sampling uint32) *V9 {
	e := &V9{on: uptime(on), sampling: sampling}
	e.layouts = newLayouts(append(counts(),
		field{element: v9FirstSwitched, length: 4, write: func(b []byte, f *Flow) ([]byte, error) { return e.on.append(b, f.Start) }},
		field{element: v9LastSwitched, length: 4, write: func(b []byte, f *Flow) ([]byte, error) { return e.on.append(b, f.End) }},
	)...)
	return e
}

// Export implements Exporter.
func (e *V9) Export(now time.Time, flows []Flow) (datagrams [][]byte, err error) {
	// The header tells the time in whole seconds: tell uptime for just that second.
	if whole := now.Truncate(time.Second); whole.Before(now) {
		now = whole.Add(time.Second)
	}
	up, err := e.on.at(now)
	if err != nil {
		return nil, err
	}
	for len(flows) > 0 {
		var content []byte
		records := 0
		if e.sequence%templatesEvery == 0 {
			content, records = e.templates()
		}
		content, n, err := e.layouts.appendFlows(content, flows, maxDatagram-v9Header)
		if err != nil {
			return nil, err
		}
		flows = flows[n:]
		b := appendUint16s(make([]byte, 0, v9Header+len(content)), 9, uint16(records+n))
		b = binary.BigEndian.AppendUint32(b, up)
		b = binary.BigEndian.AppendUint32(b, uint32(now.Unix()))
		b = binary.BigEndian.AppendUint32(b, e.sequence)
		b = binary.BigEndian.AppendUint32(b, domain)
		datagrams = append(datagrams, append(b, content...))
		e.sequence++
	}
	return datagrams, nil
}

// templates returns the sets that tell the layouts and the sampling rate, and how many records
// they hold.
func (e *V9) templates() (sets []byte, records int) {
	var told []byte
	for _, t := range []*template{&e.layouts.v4, &e.layouts.v6} {
		told = appendUint16s(told, t.id, uint16(len(t.fields)))
		for _, f := range t.fields {
			told = appendUint16s(told, f.element, f.length)
		}
	}
	sets = appendSet(sets, v9Templates, told)
	if e.sampling == 0 {
		return sets, 2
	}
	// Lengths here are in octets: of the list of scopes, and of the list of elements.
	told = appendUint16s(nil, templateSampling, 4, 4, v9ScopeSystem, 4, elementSampling, 4)
	sets = appendSet(sets, v9OptionsTemplates, told)
	rate := binary.BigEndian.AppendUint32(nil, domain) // of the scope
	rate = binary.BigEndian.AppendUint32(rate, e.sampling)
	return appendSet(sets, templateSampling, rate), 4
}
