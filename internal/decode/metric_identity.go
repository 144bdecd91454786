package decode

import (
	"math"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// A stream of data points is identified by its resource's and its scope's attributes, the
// metric's name and temporality and the point's attributes; the order of attributes does not matter. The identity
// is a hash of 64 bits under the decoder's Key. Among n streams two have the same with a probability of at most n²/2^65: one in
// thirty million for a million streams. Two that do would be taken for one whose total falls and rises, and
// the bytes of one counted under the port of the other; which is why nobody outside must be able to choose them.

// maxHashDepth bounds how deep nested values are told apart. OpenTelemetry's attributes
// are flat, but for those of resources.
const maxHashDepth = 8

// attributes identifies a set of attributes whatever their order: the sum of the
// hashes of the pairs, each of which has every bit depend on the whole pair.
func (h *identity) attributes(m pcommon.Map, depth int) uint64 {
	var sum uint64
	for key, value := range m.All() {
		sum += h.chain(h.text(key), h.value(value, depth))
	}
	return h.chain(sum, uint64(m.Len()))
}

func (h *identity) value(v pcommon.Value, depth int) uint64 {
	kind := uint64(v.Type())
	if depth >= maxHashDepth {
		return kind
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return h.text(v.Str()) // the common case; other types are told apart by their kind
	case pcommon.ValueTypeInt:
		return h.chain(kind, uint64(v.Int()))
	case pcommon.ValueTypeDouble:
		return h.chain(kind, math.Float64bits(v.Double()))
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return h.chain(kind, 1)
		}
	case pcommon.ValueTypeMap:
		return h.chain(kind, h.attributes(v.Map(), depth+1))
	case pcommon.ValueTypeSlice:
		sum := kind
		for _, e := range v.Slice().All() {
			sum = h.chain(sum, h.value(e, depth+1))
		}
		return h.chain(sum, uint64(v.Slice().Len()))
	case pcommon.ValueTypeBytes:
		sum := kind
		for _, b := range v.Bytes().All() {
			sum = h.chain(sum, uint64(b))
		}
		return h.chain(sum, uint64(v.Bytes().Len()))
	}
	return h.chain(kind, 0)
}
