package decode

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/flow"
)

// azure is an Azure virtual network flow log (version 4) or network security group flow log
// (version 2): a record of one interface and minute, or a whole file of them, with
// many flows in it as comma-separated text. A flow is reported when it begins,
// without bytes, and then every few minutes with those since the last report.
type azure struct {
	network, group keys // the flows of a VNet's record, of an NSG's record
	records        keys
}

func newAzure(c *compiler) format {
	return &azure{
		network: c.signs("flowRecords.flows"),
		group:   c.signs("properties.flows"),
		records: c.signs("records"),
	}
}

func (f *azure) read(s *Scratch, dst []flow.Record) ([]flow.Record, Reason) {
	w := azureWalk{dst: dst, left: MaxFlows, received: s.received, first: NotAFlow}
	for _, i := range f.network {
		if s.has(i) {
			w.flows(s.values[i], networkTuple, azureDepth)
		}
	}
	for _, i := range f.group {
		if s.has(i) {
			w.flows(s.values[i], groupTuple, azureDepth)
		}
	}
	for _, i := range f.records {
		if s.has(i) {
			w.records(s.values[i])
		}
	}
	switch {
	case w.left < 0:
		return w.dst, TooLarge
	case len(w.dst) > len(dst):
		return w.dst, Accepted
	}
	return w.dst, w.first
}

// tupleKind tells the two kinds of tuples apart.
type tupleKind uint8

const (
	networkTuple tupleKind = iota
	groupTuple
)

// azureDepth is how deep lists of flows nest: flows of an access list or interface, and
// groups of a rule in them.
const azureDepth = 2

// azureWalk goes through the nested lists of one record.
type azureWalk struct {
	dst      []flow.Record
	left     int // flows that may still be taken; negative once there was one too many
	received int64
	first    Reason // of the first tuple that was not taken
}

// records reads a whole file's records.
func (w *azureWalk) records(v pcommon.Value) {
	if v.Type() != pcommon.ValueTypeSlice {
		return
	}
	for _, record := range v.Slice().All() {
		if record.Type() != pcommon.ValueTypeMap {
			continue
		}
		if flows, ok := below(record.Map(), "flowRecords", "flows"); ok {
			w.flows(flows, networkTuple, azureDepth)
		}
		if flows, ok := below(record.Map(), "properties", "flows"); ok {
			w.flows(flows, groupTuple, azureDepth)
		}
	}
}

func below(m pcommon.Map, outer, inner string) (pcommon.Value, bool) {
	v, ok := m.Get(outer)
	if !ok || v.Type() != pcommon.ValueTypeMap {
		return v, false
	}
	return v.Map().Get(inner)
}

func (w *azureWalk) flows(v pcommon.Value, kind tupleKind, depth int) {
	if v.Type() != pcommon.ValueTypeSlice {
		return
	}
	for _, group := range v.Slice().All() {
		if group.Type() != pcommon.ValueTypeMap {
			continue
		}
		for name, e := range group.Map().All() {
			switch {
			case name == "flowTuples":
				w.tuples(e, kind)
			case depth > 1 && (name == "flowGroups" || name == "flows"):
				w.flows(e, kind, depth-1)
			}
		}
	}
}

func (w *azureWalk) tuples(v pcommon.Value, kind tupleKind) {
	if v.Type() != pcommon.ValueTypeSlice {
		return
	}
	for _, e := range v.Slice().All() {
		if w.left < 0 {
			return
		}
		n := len(w.dst)
		w.dst = append(w.dst, flow.Record{})
		why := w.tuple(e.Str(), kind, &w.dst[n])
		if why == Accepted {
			w.left--
		}
		if why != Accepted || w.left < 0 {
			w.dst = w.dst[:n]
		}
		if w.first == NotAFlow {
			w.first = why
		}
	}
}

// Columns of a tuple. A VNet's has the state (D: denied) and the encryption where an NSG's has
// the decision and the state.
const (
	tupleTime = iota
	tupleSource
	tupleDestination
	tupleSourcePort
	tupleDestinationPort
	tupleProtocol
	tupleDirection
	tupleStateOrDecision
	tupleEncryptionOrState
	tuplePacketsSent
	tupleBytesSent
	tuplePacketsReceived
	tupleBytesReceived
	tupleColumns

	tupleColumnsOfVersion1 = 8 // an NSG flow log without states and bytes
)

func (w *azureWalk) tuple(t string, kind tupleKind, r *flow.Record) (why Reason) {
	switch strings.Count(t, ",") + 1 {
	case tupleColumns:
	case tupleColumnsOfVersion1:
		return NoBytes
	default:
		return Malformed
	}
	var c [tupleColumns]string
	for i := range c {
		c[i], t, _ = strings.Cut(t, ",")
	}
	state := c[tupleStateOrDecision]
	if kind == groupTuple && state != "D" {
		state = c[tupleEncryptionOrState]
	}
	switch state {
	case "D":
		return Rejected
	case "B":
		return NoBytes
	}
	return w.counted(&c, r)
}

func (w *azureWalk) counted(c *[tupleColumns]string, r *flow.Record) (why Reason) {
	if r.Sent, why = bytesOfText(c[tupleBytesSent]); why != Accepted {
		return why
	}
	if r.Received, why = bytesOfText(c[tupleBytesReceived]); why != Accepted {
		return why
	}
	if r.Sent == flow.UnknownBytes && r.Received == flow.UnknownBytes {
		return NoBytes
	}
	if r.Source, why = addressOfText(c[tupleSource]); why != Accepted {
		return why
	}
	if r.Destination, why = addressOfText(c[tupleDestination]); why != Accepted {
		return why
	}
	if r.SourcePort, why = portOfText(c[tupleSourcePort]); why != Accepted {
		return why
	}
	if r.DestinationPort, why = portOfText(c[tupleDestinationPort]); why != Accepted {
		return why
	}
	switch c[tupleDirection] {
	case "O":
		r.Direction = flow.Outbound
	case "I":
		r.Direction = flow.Inbound
	}
	if r.Time = instantOfText(c[tupleTime]); r.Time == 0 {
		r.Time = w.received
	}
	return Accepted
}
