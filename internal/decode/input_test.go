package decode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/decode"
)

func TestInputsThatCannotBe(t *testing.T) {
	needed := func(change func(map[string][]string)) map[string][]string {
		m := map[string][]string{"bytes": {"b"}, "source_address": {"s"}, "destination_address": {"d"}}
		change(m)
		return m
	}
	for name, c := range map[string]struct {
		inputs []decode.Input
		want   error
		says   []string // key, value, remedy
	}{
		"unknown name": {[]decode.Input{{Name: "netflw"}}, decode.ErrUnknownFormat, []string{`"netflw"`, "netflow", "fields"}},
		"no name":      {[]decode.Input{{}}, decode.ErrUnknownFormat, []string{"inputs", "no name", "zeek"}},
		"twice":        {[]decode.Input{{Name: "zeek"}, {Name: "zeek"}}, decode.ErrDuplicateInput, []string{`"zeek"`, "once"}},
		"name of a built-in format": {
			[]decode.Input{{Name: "ecs", Fields: needed(func(map[string][]string) {})}},
			decode.ErrDuplicateInput, []string{"ecs: fields", "another name"},
		},
		"unknown field": {
			[]decode.Input{{Name: "fw", Fields: needed(func(m map[string][]string) { m["byte"] = nil })}},
			decode.ErrUnknownField, []string{"fw: fields", `"byte"`, "bytes_received"},
		},
		"missing field": {
			[]decode.Input{{Name: "fw", Fields: needed(func(m map[string][]string) { delete(m, "source_address") })}},
			decode.ErrMissingField, []string{"fw: fields", "source_address", "list the keys"},
		},
		"empty key": {
			[]decode.Input{{Name: "fw", Fields: needed(func(m map[string][]string) { m["bytes"] = []string{""} })}},
			decode.ErrBadKey, []string{"fw: fields: bytes", "empty"},
		},
		"long key": {
			[]decode.Input{{Name: "fw", Fields: needed(func(m map[string][]string) { m["user"] = []string{strings.Repeat("x", 200)} })}},
			decode.ErrBadKey, []string{"fw: fields: user", "200", "128"},
		},
		"deep key": {
			[]decode.Input{{Name: "fw", Fields: needed(func(m map[string][]string) { m["user"] = []string{"a.b.c.d.e.f.g.h.i"} })}},
			decode.ErrBadKey, []string{"a.b.c.d.e.f.g.h.i", "flatten"},
		},
		"columns of another format": {
			[]decode.Input{{Name: "zeek", Columns: []string{"bytes"}}},
			decode.ErrBadColumns, []string{"zeek: columns", "aws_vpc"},
		},
		"columns without bytes": {
			[]decode.Input{{Name: "aws_vpc", Columns: []string{"srcaddr", "dstaddr", "packets"}}},
			decode.ErrBadColumns, []string{"bytes is missing", "srcaddr dstaddr packets"},
		},
		"columns misspelt": {
			[]decode.Input{{Name: "aws_vpc", Columns: []string{"bytes", "scraddr", "dstaddr"}}},
			decode.ErrBadColumns, []string{"srcaddr is missing"},
		},
		"columns without destination": {
			[]decode.Input{{Name: "aws_vpc", Columns: []string{"bytes", "srcaddr"}}},
			decode.ErrBadColumns, []string{"dstaddr is missing"},
		},
		"too many columns": {
			[]decode.Input{{Name: "aws_vpc", Columns: make([]string, 200)}},
			decode.ErrBadColumns, []string{"200", "128"},
		},
		"metrics without fields": {
			[]decode.Input{{Name: "mesh", Metrics: []string{"m"}}},
			decode.ErrMissingField, []string{"mesh: fields", "source_address", "list the attributes"},
		},
		"metrics with bytes": {
			[]decode.Input{{Name: "mesh", Metrics: []string{"m"}, Fields: needed(func(map[string][]string) {})}},
			decode.ErrUnknownField, []string{"mesh: fields: bytes", "data point", "remove"},
		},
		"metrics of a built-in format": {
			[]decode.Input{{Name: "obi", Metrics: []string{"m"}}},
			decode.ErrDuplicateInput, []string{"obi: metrics", "another name"},
		},
		"metric with a long name": {
			[]decode.Input{{Name: "mesh", Metrics: []string{strings.Repeat("m", 300)}, Fields: needed(func(map[string][]string) {})}},
			decode.ErrBadMetric, []string{"mesh: metrics[0]", "300", "255"},
		},
		"too many metrics": {
			[]decode.Input{{Name: "mesh", Metrics: make([]string, 65), Fields: needed(func(map[string][]string) {})}},
			decode.ErrTooMany, []string{"mesh: metrics", "65", "64"},
		},
		"too many keys of metrics": {
			[]decode.Input{{Name: "mesh", Metrics: []string{"m"}, Fields: needed(func(m map[string][]string) {
				delete(m, "bytes")
				for i := range 600 {
					m["user"] = append(m["user"], fmt.Sprint("user", i))
				}
			})}},
			decode.ErrTooMany, []string{"512", "name fewer"},
		},
		"too many inputs": {make([]decode.Input, 100), decode.ErrTooMany, []string{"100"}},
		"too many keys": {
			[]decode.Input{{Name: "fw", Fields: needed(func(m map[string][]string) {
				for i := range 600 {
					m["user"] = append(m["user"], fmt.Sprint("user", i))
				}
			})}},
			decode.ErrTooMany, []string{"512"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := decode.New(c.inputs)
			assert.Nil(t, d)
			require.ErrorIs(t, err, c.want)
			for _, part := range c.says {
				assert.ErrorContains(t, err, part)
			}
		})
	}
}

func TestInputsThatMayBe(t *testing.T) {
	for _, inputs := range [][]decode.Input{
		nil,
		{{Name: decode.Auto}},
		{{Name: decode.Auto}, {Name: "zeek"}},
		{{Name: "aws_vpc", Columns: []string{"${bytes}", "${pkt-srcaddr}", "${pkt-dstaddr}"}}},
		{{Name: "my proxy", Fields: encode.CustomFields()}},
		{{Name: decode.Auto}, {Name: "mesh", Metrics: []string{"m"}, Fields: map[string][]string{"source_address": {"s"}, "destination_address": {"d"}}}},
	} {
		_, err := decode.New(inputs)
		assert.NoError(t, err)
	}
	for _, name := range decode.Formats() {
		_, err := decode.New([]decode.Input{{Name: name}})
		assert.NoError(t, err)
	}
}

// A format that is listed alone reads its own encodings, and no others'.
func TestListedFormatsReadTheirOwn(t *testing.T) {
	for _, encoding := range encode.Formats() {
		name := encode.Reader(encoding)
		if name == "" {
			continue
		}
		logs, err := encode.Logs(encoding, scenario())
		require.NoError(t, err)
		want, err := encode.Expected(encoding, scenario())
		require.NoError(t, err)
		got, _ := decodeAll(newDecoder(t, decode.Input{Name: name}), logs)
		assert.Equal(t, want, got, encoding)
		for _, other := range decode.Formats()[1:] {
			// Conventions that one format has of another are read by either.
			if other == name || other == "otel" || name == "otel" {
				continue
			}
			got, _ := decodeAll(newDecoder(t, decode.Input{Name: other}), logs)
			assert.Empty(t, got, "%s read by %s", encoding, other)
		}
	}
}
