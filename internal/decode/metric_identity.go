package decode

import (
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// A stream of data points is identified by its resource's and its scope's attributes, the
// metric's name and temporality and the point's attributes; the order of attributes does not matter. The identity
// is a hash of 64 bits. Among n streams two have the same with a probability of at most n²/2^65: one in
// thirty million for a million streams. Two that do would be taken for one whose total falls and rises.

// maxHashDepth bounds how deep nested values are told apart. OpenTelemetry's attributes
// are flat, but for those of resources.
const maxHashDepth = 8

// hashMap identifies a set of attributes whatever their order: the sum of the
// hashes of the pairs, each of which has every bit depend on the whole pair.
func hashMap(m pcommon.Map, depth int) uint64 {
	var sum uint64
	for key, value := range m.All() {
		sum += chain(hashText(key), hashValue(value, depth))
	}
	return chain(sum, uint64(m.Len()))
}

func hashValue(v pcommon.Value, depth int) uint64 {
	kind := uint64(v.Type())
	if depth >= maxHashDepth {
		return kind
	}
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return hashText(v.Str()) // the common case; other types are told apart by their kind
	case pcommon.ValueTypeInt:
		return chain(kind, uint64(v.Int()))
	case pcommon.ValueTypeDouble:
		return chain(kind, math.Float64bits(v.Double()))
	case pcommon.ValueTypeBool:
		if v.Bool() {
			return chain(kind, 1)
		}
	case pcommon.ValueTypeMap:
		return chain(kind, hashMap(v.Map(), depth+1))
	case pcommon.ValueTypeSlice:
		h := kind
		for _, e := range v.Slice().All() {
			h = chain(h, hashValue(e, depth+1))
		}
		return chain(h, uint64(v.Slice().Len()))
	case pcommon.ValueTypeBytes:
		h := kind
		for _, b := range v.Bytes().All() {
			h = chain(h, uint64(b))
		}
		return chain(h, uint64(v.Bytes().Len()))
	}
	return chain(kind, 0)
}

func hashText(t string) uint64 { return xxhash.Sum64String(t) }

// chain combines hashes so that their order matters and every bit of the result depends on every
// bit of each. The multiplier is odd, 2^64 divided by the golden ratio; the high half
// of the full product carries what a plain product would lose.
func chain(hashes ...uint64) uint64 {
	const golden = 0x9E3779B97F4A7C15
	var h uint64 = golden
	for _, next := range hashes {
		high, low := bits.Mul64(h^next, golden)
		h = bits.RotateLeft64(high^low, 29) + next*golden
	}
	high, low := bits.Mul64(h^h>>32, golden)
	return high ^ low
}
