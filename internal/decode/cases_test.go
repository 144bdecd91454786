package decode_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/flow"
)

// testCase is one file below testdata: a record as it arrives and what is read of it.
type testCase struct {
	About      string         `json:"about"`
	Inputs     []decode.Input `json:"inputs"` // none: auto
	Resource   map[string]any `json:"resource"`
	Timestamp  time.Time      `json:"timestamp"`
	Observed   time.Time      `json:"observed"`
	Attributes map[string]any `json:"attributes"`
	Body       any            `json:"body"`
	Reason     string         `json:"reason"`
	Flows      []caseFlow     `json:"flows"`
}

type caseFlow struct {
	Time             time.Time      `json:"time"`
	Source           netip.AddrPort `json:"source"`
	Destination      netip.AddrPort `json:"destination"`
	Sent             *int64         `json:"sent"`
	Received         *int64         `json:"received"`
	Direction        string         `json:"direction"`
	OneWay           bool           `json:"one_way"`
	ID               string         `json:"id"`
	Opaque           bool           `json:"id_is_opaque"`
	Host             string         `json:"host"`
	User             string         `json:"user"`
	Process          string         `json:"process"`
	SourcePlace      [3]string      `json:"source_place"` // region, country, city
	DestinationPlace [3]string      `json:"destination_place"`
	Series           bool           `json:"series"`
	Final            bool           `json:"final"`
}

func (f *caseFlow) record() flow.Record {
	r := flow.Record{
		Time:   f.Time.UnixNano(),
		Source: f.Source.Addr(), SourcePort: f.Source.Port(),
		Destination: f.Destination.Addr(), DestinationPort: f.Destination.Port(),
		Sent: flow.UnknownBytes, Received: flow.UnknownBytes, OneWay: f.OneWay,
		ID: flow.ID{Text: f.ID, Opaque: f.Opaque}, Host: f.Host, User: f.User, Process: f.Process, Final: f.Final,
		SourcePlace:      flow.Place{Region: f.SourcePlace[0], Country: f.SourcePlace[1], City: f.SourcePlace[2]},
		DestinationPlace: flow.Place{Region: f.DestinationPlace[0], Country: f.DestinationPlace[1], City: f.DestinationPlace[2]},
		Direction: map[string]flow.Direction{
			"outbound": flow.Outbound, "inbound": flow.Inbound, "internal": flow.Internal, "external": flow.External,
		}[f.Direction],
	}
	if f.Sent != nil {
		r.Sent = *f.Sent
	}
	if f.Received != nil {
		r.Received = *f.Received
	}
	if f.Series {
		r.Total = 1
	}
	return r
}

func readCase(t *testing.T, path string) testCase {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var c testCase
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&c))
	return c
}

// spelling turns a number of a case's JSON into a value of a record.
type spelling struct {
	name   string
	number func(json.Number) any
}

// spellings are the types in which the same number may arrive.
func spellings() []spelling {
	return []spelling{
		{"doubles", func(n json.Number) any { x, _ := n.Float64(); return x }},
		{"integers", func(n json.Number) any {
			if i, err := n.Int64(); err == nil {
				return i
			}
			x, _ := n.Float64()
			return x
		}},
		{"text", func(n json.Number) any { return n.String() }},
	}
}

func spell(v any, number func(json.Number) any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = spell(e, number)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = spell(e, number)
		}
		return out
	}
	return v
}

// deliver makes of a case what a pipeline hands over.
func (c *testCase) deliver(t *testing.T, number func(json.Number) any) (pcommon.Resource, plog.LogRecord) {
	t.Helper()
	resource, record := pcommon.NewResource(), plog.NewLogRecord()
	require.NoError(t, resource.Attributes().FromRaw(asMap(spell(c.Resource, number))))
	require.NoError(t, record.Attributes().FromRaw(asMap(spell(c.Attributes, number))))
	require.NoError(t, record.Body().FromRaw(spell(c.Body, number)))
	if !c.Timestamp.IsZero() {
		record.SetTimestamp(pcommon.NewTimestampFromTime(c.Timestamp))
	}
	if !c.Observed.IsZero() {
		record.SetObservedTimestamp(pcommon.NewTimestampFromTime(c.Observed))
	}
	return resource, record
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// now is what the clock shows where a record bears no time.
func now() time.Time { return time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC) }

func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		c := readCase(t, path)
		name := strings.TrimSuffix(strings.TrimPrefix(path, "testdata/"), ".json")
		for _, spelling := range spellings() {
			t.Run(name+"/"+spelling.name, func(t *testing.T) {
				resource, record := c.deliver(t, spelling.number)
				s := decode.Scratch{Now: now()}
				d := newDecoder(t, c.Inputs...)
				d.Resource(&s, resource)
				got, why := d.Log(&s, record, []flow.Record{})

				want := []flow.Record{}
				for i := range c.Flows {
					want = append(want, c.Flows[i].record())
				}
				assert.Equal(t, c.Reason, why.String(), c.About)
				assert.Equal(t, want, alike(got), c.About)
			})
		}
	}
}

func TestEveryFormatHasCases(t *testing.T) {
	for _, name := range append(decode.Formats()[1:], "custom") {
		paths, err := filepath.Glob("testdata/" + name + "/*.json")
		require.NoError(t, err)
		metrics, err := filepath.Glob("testdata/metrics/" + name + "/*.json")
		require.NoError(t, err)
		assert.GreaterOrEqual(t, len(paths)+len(metrics), 5, name)
	}
}

// A scratch that has seen any other record reads the next as a new one does.
func TestRecordsLeaveNoTraceInTheScratch(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.json")
	require.NoError(t, err)
	d := everything(t)
	used := decode.Scratch{Now: now()}
	for _, path := range paths {
		c := readCase(t, path)
		resource, record := c.deliver(t, spellings()[1].number)
		fresh := decode.Scratch{Now: now()}
		d.Resource(&fresh, resource)
		want, wantWhy := d.Log(&fresh, record, nil)
		d.Resource(&used, resource)
		got, why := d.Log(&used, record, nil)
		assert.Equal(t, wantWhy, why, path)
		assert.Equal(t, want, got, path)
	}
	used.Reset()
	d.Resource(&used, pcommon.NewResource())
	_, why := d.Log(&used, plog.NewLogRecord(), nil)
	assert.Equal(t, decode.UnknownFormat, why)
}

func TestAScratchServesAnyDecoder(t *testing.T) {
	var s decode.Scratch
	for range 2 {
		for _, d := range []*decode.Decoder{newDecoder(t, decode.Input{Name: "zeek"}), everything(t), newDecoder(t, decode.Input{Name: "ecs"})} {
			// Even without Resource, as for records of none.
			got, why := d.Log(&s, ecsRecord(t, "", nil), nil)
			if why == decode.UnknownFormat {
				continue // the one that reads Zeek only
			}
			require.Equal(t, decode.Accepted, why)
			assert.EqualValues(t, 4200, got[0].Sent)
			s.Reset()
		}
	}
}

func TestHeaderHoldsForItsResourceOnly(t *testing.T) {
	d := newDecoder(t)
	s := decode.Scratch{Now: now()}
	line := func(text string) ([]flow.Record, decode.Reason) {
		record := plog.NewLogRecord()
		record.Body().SetStr(text)
		return d.Log(&s, record, nil)
	}
	d.Resource(&s, pcommon.NewResource())
	_, why := line("bytes srcaddr dstaddr")
	assert.Equal(t, decode.NotAFlow, why)
	got, why := line("17 10.1.2.3 203.0.113.9")
	assert.Equal(t, decode.Accepted, why)
	require.Len(t, got, 1)
	assert.EqualValues(t, 17, got[0].Sent)
	_, why = line("17 10.1.2.3")
	assert.Equal(t, decode.Malformed, why)

	d.Resource(&s, pcommon.NewResource())
	_, why = line("17 10.1.2.3 203.0.113.9")
	assert.Equal(t, decode.Malformed, why, "another file, its header unknown")
}

func TestReasonsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for i, why := range decode.Reasons() {
		assert.EqualValues(t, i, why)
		assert.Regexp(t, "^[a-z_]+$", why.String())
		assert.False(t, seen[why.String()], why)
		seen[why.String()] = true
	}
	assert.True(t, seen["accepted"])
	assert.Equal(t, "unknown", decode.Reason(200).String())
	assert.False(t, seen["unknown"])
}

func TestTuplesBeyondTheLimitAreLeftOut(t *testing.T) {
	for name, body := range map[string]func(n int) any{
		"azure": func(n int) any {
			tuples := make([]any, n)
			for i := range tuples {
				tuples[i] = "1772616615000,10.1.2.3,203.0.113.9," + strconv.Itoa(i) + ",443,6,O,C,NX,20,4249,30,8000"
			}
			return map[string]any{"flowRecords": map[string]any{"flows": []any{
				map[string]any{"flowGroups": []any{map[string]any{"flowTuples": tuples}}},
			}}}
		},
		"lines": func(n int) any {
			return strings.Repeat("2 1 eni 10.1.2.3 203.0.113.9 51234 443 6 20 4249 1 1772616615 ACCEPT OK\n", n)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder(t)
			var s decode.Scratch
			d.Resource(&s, pcommon.NewResource())
			record := plog.NewLogRecord()
			require.NoError(t, record.Body().FromRaw(body(decode.MaxFlows)))
			got, why := d.Log(&s, record, nil)
			assert.Equal(t, decode.Accepted, why)
			assert.Len(t, got, decode.MaxFlows)

			require.NoError(t, record.Body().FromRaw(body(decode.MaxFlows+1)))
			got, why = d.Log(&s, record, make([]flow.Record, 3))
			assert.Equal(t, decode.TooLarge, why)
			assert.Len(t, got, 3+decode.MaxFlows)
		})
	}
}
