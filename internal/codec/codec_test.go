package codec_test

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
)

// all writes a value of each kind.
func all() []byte {
	var w codec.Writer
	w.Uint(math.MaxUint64)
	w.Int(math.MinInt64)
	w.Fixed(1 << 63)
	w.Bool(true)
	w.Bool(false)
	w.Float32(-1.5e-42)
	w.Float64(math.Pi)
	w.Text("Île-de-France\x00\"\x1b[2J")
	w.Text("")
	w.Time(time.Date(1823, 11, 12, 13, 14, 15, 16, time.UTC))
	w.Time(time.Time{})
	w.Address(netip.MustParseAddr("fe80::1%eth0"))
	w.Address(netip.MustParseAddr("192.0.2.7"))
	w.Address(netip.Addr{})
	w.Uint(2)
	w.Fixed(1)
	w.Fixed(2)
	w.Int(7)
	w.Uint(6)
	return w.Data
}

func read(data []byte) (*codec.Reader, []any) {
	r := codec.NewReader(data)
	values := []any{
		r.Uint(), r.Int(), r.Fixed(), r.Bool(), r.Bool(), r.Float32(), r.Float64(), r.Text(), r.Text(),
		r.Time(), r.Time(), r.Address(), r.Address(), r.Address(), r.Count(8), r.Fixed(), r.Fixed(),
		r.Natural(), r.Below(7),
	}
	return r, values
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	r, values := read(all())
	assert.Equal(t, []any{
		uint64(math.MaxUint64), int64(math.MinInt64), uint64(1 << 63), true, false, float32(-1.5e-42), math.Pi, "Île-de-France\x00\"\x1b[2J", "",
		time.Date(1823, 11, 12, 13, 14, 15, 16, time.UTC), time.Time{},
		netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("192.0.2.7"), netip.Addr{}, 2, uint64(1), uint64(2), int64(7), uint64(6),
	}, values)
	assert.False(t, r.More())
	require.NoError(t, r.End())
}

func TestWhateverIsCutOffIsAnError(t *testing.T) {
	data := all()
	for n := range data {
		r, _ := read(data[:n])
		require.ErrorIs(t, r.Err(), codec.ErrMalformed, "%d bytes", n)
		require.ErrorIs(t, r.End(), codec.ErrMalformed)
	}
	r, _ := read(append(data, 7))
	require.NoError(t, r.Err())
	assert.True(t, r.More())
	require.ErrorIs(t, r.End(), codec.ErrMalformed, "a byte too many")
}

func TestWhatNobodyHasWritten(t *testing.T) {
	for name, c := range map[string]struct {
		write func(w *codec.Writer)
		read  func(r *codec.Reader) any
	}{
		"a truth value of 2":           {func(w *codec.Writer) { w.Uint(2) }, func(r *codec.Reader) any { return r.Bool() && false }},
		"not a number":                 {func(w *codec.Writer) { w.Float64(math.NaN()) }, func(r *codec.Reader) any { return r.Float64() != 0 }},
		"an infinite number":           {func(w *codec.Writer) { w.Float32(float32(math.Inf(-1))) }, func(r *codec.Reader) any { return r.Float32() != 0 }},
		"more things than bytes":       {func(w *codec.Writer) { w.Uint(1 << 62) }, func(r *codec.Reader) any { return r.Count(1) != 0 }},
		"a text longer than all":       {func(w *codec.Writer) { w.Uint(5); w.Uint(0) }, func(r *codec.Reader) any { return r.Text() != "" }},
		"an address of three bytes":    {func(w *codec.Writer) { w.Text("abc") }, func(r *codec.Reader) any { return r.Address().IsValid() }},
		"a second of two seconds":      {func(w *codec.Writer) { w.Bool(true); w.Int(0); w.Uint(2e9) }, func(r *codec.Reader) any { return !r.Time().IsZero() }},
		"a version to come":            {func(w *codec.Writer) { w.Uint(2) }, func(r *codec.Reader) any { r.Version(1, "a state"); return false }},
		"a count below 0":              {func(w *codec.Writer) { w.Int(-1) }, func(r *codec.Reader) any { return r.Natural() != 0 }},
		"a number at its limit":        {func(w *codec.Writer) { w.Uint(7) }, func(r *codec.Reader) any { return r.Below(7) != 0 }},
		"a varint that does not end":   {func(w *codec.Writer) { w.Data = []byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255} }, func(r *codec.Reader) any { return r.Uint() != 0 }},
		"what its reader says is none": {func(w *codec.Writer) { w.Uint(1) }, func(r *codec.Reader) any { r.Fail("no %d", r.Uint()); return false }},
	} {
		t.Run(name, func(t *testing.T) {
			var w codec.Writer
			c.write(&w)
			r := codec.NewReader(w.Data)
			assert.Equal(t, false, c.read(r), "zero")
			require.ErrorIs(t, r.Err(), codec.ErrMalformed)
			assert.Zero(t, r.Uint(), "and so is what follows")
			assert.False(t, r.More())
		})
	}
}
