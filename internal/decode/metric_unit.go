package decode

import (
	"math/bits"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// unit is a unit of information, as the number of bits in one.
type unit uint64

const (
	bit  unit = 1
	byt  unit = 8
	kilo      = 1000
	mega      = kilo * kilo
	giga      = kilo * mega
	tera      = kilo * giga
	peta      = kilo * tera
	kibi      = 1 << 10
	mebi      = 1 << 20
	gibi      = 1 << 30
	tebi      = 1 << 40
	pebi      = 1 << 50
)

// unitOf reads a unit of the Unified Code for Units of Measure (https://ucum.org), where By is the
// byte and bit the bit, with the decimal and binary prefixes; and besides what counters of bytes
// call it that do not keep to that: OBI's "{bytes}", and "bytes" of OpenMetrics. No unit means bytes.
func unitOf(name string) (unit, bool) {
	switch name {
	case "", "By", "bytes", "byte", "{bytes}", "{byte}":
		return byt, true
	case "bit":
		return bit, true
	case "kBy":
		return kilo * byt, true
	case "MBy":
		return mega * byt, true
	case "GBy":
		return giga * byt, true
	case "TBy":
		return tera * byt, true
	case "PBy":
		return peta * byt, true
	case "KiBy":
		return kibi * byt, true
	case "MiBy":
		return mebi * byt, true
	case "GiBy":
		return gibi * byt, true
	case "TiBy":
		return tebi * byt, true
	case "PiBy":
		return pebi * byt, true
	}
	return bitUnit(name)
}

func bitUnit(name string) (unit, bool) {
	switch name {
	case "kbit":
		return kilo * bit, true
	case "Mbit":
		return mega * bit, true
	case "Gbit":
		return giga * bit, true
	case "Tbit":
		return tera * bit, true
	case "Kibit":
		return kibi * bit, true
	case "Mibit":
		return mebi * bit, true
	case "Gibit":
		return gibi * bit, true
	case "Tibit":
		return tebi * bit, true
	}
	return 0, false
}

// bytes reads the value of a data point. A fraction of a byte is cut off; of a cumulative stream
// nothing is lost by that, for the next total has it again.
func (u unit) bytes(p pmetric.NumberDataPoint) (int64, Reason) {
	switch p.ValueType() {
	case pmetric.NumberDataPointValueTypeInt:
		n := p.IntValue()
		if n < 0 {
			return 0, BadBytes
		}
		high, low := bits.Mul64(uint64(n), uint64(u))
		if high >= uint64(byt)/2 { // an eighth of it would not fit
			return 0, BadBytes
		}
		return int64(high<<61 | low>>3), Accepted
	case pmetric.NumberDataPointValueTypeDouble:
		// All units have at most 53 significant bits, and an eighth is exact.
		n, r := countOfFloat(p.DoubleValue() * float64(u) / float64(byt))
		if r != good {
			return 0, BadBytes
		}
		return n, Accepted
	}
	return 0, NoBytes
}
