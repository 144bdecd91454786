// Package codec writes the values that a state consists of into bytes, and reads them back. What is written
// has no names and no types: reader and writer agree on the order. Integers are varints, floats keep
// every bit, texts come after their length.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"
)

// ErrMalformed is wrapped by the error of a Reader that was given what no Writer has written.
var ErrMalformed = errors.New("malformed state")

// Writer appends values to Data. The zero Writer is ready to use.
type Writer struct{ Data []byte }

// Uint writes an unsigned integer in one to ten bytes.
func (w *Writer) Uint(v uint64) { w.Data = binary.AppendUvarint(w.Data, v) }

// Int writes a signed integer in one to ten bytes, small ones in few.
func (w *Writer) Int(v int64) { w.Data = binary.AppendVarint(w.Data, v) }

// Fixed writes an integer whose values are spread evenly, such as a hash, in eight bytes.
func (w *Writer) Fixed(v uint64) { w.Data = binary.LittleEndian.AppendUint64(w.Data, v) }

// Bool writes a truth value in one byte.
func (w *Writer) Bool(v bool) {
	if v {
		w.Uint(1)
	} else {
		w.Uint(0)
	}
}

// Float32 writes a number in four bytes.
func (w *Writer) Float32(v float32) {
	w.Data = binary.LittleEndian.AppendUint32(w.Data, math.Float32bits(v))
}

// Float64 writes a number in eight bytes.
func (w *Writer) Float64(v float64) { w.Fixed(math.Float64bits(v)) }

// Text writes a string.
func (w *Writer) Text(v string) {
	w.Uint(uint64(len(v)))
	w.Data = append(w.Data, v...)
}

// Time writes an instant to the nanosecond, the zero time as such.
func (w *Writer) Time(t time.Time) {
	w.Bool(!t.IsZero())
	if !t.IsZero() {
		w.Int(t.Unix())
		w.Uint(uint64(t.Nanosecond()))
	}
}

// Address writes an address, valid or not, with its zone.
func (w *Writer) Address(a netip.Addr) {
	b, _ := a.MarshalBinary() // never fails
	w.Uint(uint64(len(b)))
	w.Data = append(w.Data, b...)
}

// Reader takes values off data in the order in which they were written. After the first that is
// not there, all are zero, and Err says why.
type Reader struct {
	data []byte
	err  error
}

// NewReader reads what a Writer has written. The texts that it returns are copies.
func NewReader(data []byte) *Reader { return &Reader{data: data} }

// Err tells, wrapping ErrMalformed, that a value was missing or none that can have been written.
func (r *Reader) Err() error { return r.err }

// End is Err once everything should have been read: anything that is left is an error, too.
func (r *Reader) End() error {
	if r.err == nil && len(r.data) > 0 {
		r.Fail("%d bytes too many", len(r.data))
	}
	return r.err
}

// More says whether there is something left to read.
func (r *Reader) More() bool { return r.err == nil && len(r.data) > 0 }

// Fail makes the reader fail, for a reason of its own or of the caller's: what was read cannot be. The first reason
// stays.
func (r *Reader) Fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
	}
	r.data = nil
}

// take returns the next n bytes, nil where there are not so many.
func (r *Reader) take(n int) []byte {
	if r.err == nil && n <= len(r.data) {
		taken := r.data[:n:n]
		r.data = r.data[n:]
		return taken
	}
	r.Fail("%d bytes wanted, %d there", n, len(r.data))
	return nil
}

// Uint reads what Uint wrote.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.data)
	return v * uint64(r.skip(n))
}

// Int reads what Int wrote.
func (r *Reader) Int() int64 {
	v, n := binary.Varint(r.data)
	return v * int64(r.skip(n))
}

// skip passes a varint of n bytes; 1: it was one.
func (r *Reader) skip(n int) int {
	if n <= 0 {
		r.Fail("a number wanted")
		return 0
	}
	r.data = r.data[n:]
	return 1
}

// Version reads the version of what follows, written by Uint, and fails where it is not the known one. What names
// what follows, such as "decisions" or "a gate".
func (r *Reader) Version(known uint64, what string) {
	if v := r.Uint(); v != known {
		r.Fail("%s of version %d; version %d can be read", what, v, known)
	}
}

// Natural reads a number, written by Int, that is not negative.
func (r *Reader) Natural() int64 {
	v := r.Int()
	if v < 0 {
		r.Fail("%d where a count belongs, which is not below 0", v)
		return 0
	}
	return v
}

// Below reads a number, written by Uint, that is less than a limit.
func (r *Reader) Below(limit uint64) uint64 {
	v := r.Uint()
	if v >= limit {
		r.Fail("%d where less than %d is possible", v, limit)
		return 0
	}
	return v
}

// Count reads a number of things of at least size bytes each, of which no more can follow than there are
// bytes left: whoever makes room for them is not misled.
func (r *Reader) Count(size int) int {
	n := r.Uint()
	if n > uint64(len(r.data)/max(1, size)) {
		r.Fail("%d things of %d bytes wanted, %d bytes there", n, size, len(r.data))
		return 0
	}
	return int(n)
}

// Fixed reads what Fixed wrote.
func (r *Reader) Fixed() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Bool reads what Bool wrote.
func (r *Reader) Bool() bool {
	v := r.Uint()
	if v > 1 {
		r.Fail("%d is no truth value", v)
	}
	return v == 1
}

// Float32 reads what Float32 wrote. NaN and the infinities are no part of any state.
func (r *Reader) Float32() float32 {
	b := r.take(4)
	if b == nil {
		return 0
	}
	v := math.Float32frombits(binary.LittleEndian.Uint32(b))
	if !r.finite(float64(v)) {
		return 0
	}
	return v
}

// Float64 reads what Float64 wrote. NaN and the infinities are no part of any state.
func (r *Reader) Float64() float64 {
	v := math.Float64frombits(r.Fixed())
	if !r.finite(v) {
		return 0
	}
	return v
}

func (r *Reader) finite(v float64) bool {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		r.Fail("%g is no finite number", v)
		return false
	}
	return true
}

// Text reads what Text wrote.
func (r *Reader) Text() string { return string(r.take(r.Count(1))) }

// Time reads what Time wrote, in UTC.
func (r *Reader) Time() time.Time {
	if !r.Bool() {
		return time.Time{}
	}
	seconds, nanoseconds := r.Int(), r.Uint()
	if nanoseconds >= uint64(time.Second) {
		r.Fail("%d nanoseconds in a second", nanoseconds)
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC()
}

// Address reads what Address wrote.
func (r *Reader) Address() netip.Addr {
	var a netip.Addr
	if b := r.take(r.Count(1)); a.UnmarshalBinary(b) != nil {
		r.Fail("%d bytes are no address", len(b))
	}
	return a
}
