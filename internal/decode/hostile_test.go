package decode_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/flow"
)

// ecsRecord is a sound record in which a test spoils one attribute.
func ecsRecord(t testing.TB, key string, value any) plog.LogRecord {
	record := plog.NewLogRecord()
	m := map[string]any{
		"source.ip": "10.1.2.3", "source.port": int64(51234), "source.bytes": int64(4200),
		"destination.ip": "203.0.113.9", "destination.port": int64(443), "destination.bytes": int64(1),
		"@timestamp": "2026-03-04T09:30:15Z", "host.name": "laptop-17",
	}
	if key != "" {
		m[key] = value
	}
	require.NoError(t, record.Attributes().FromRaw(m))
	return record
}

func logOne(d *decode.Decoder, record plog.LogRecord) ([]flow.Record, decode.Reason) {
	s := decode.Scratch{Now: now()}
	d.Resource(&s, pcommon.NewResource())
	return d.Log(&s, record, nil)
}

func TestNumbersThatAreNone(t *testing.T) {
	d := everything(t)
	for _, c := range []struct {
		value any
		bytes decode.Reason
		port  decode.Reason
	}{
		{math.NaN(), decode.BadBytes, decode.BadPort},
		{math.Inf(1), decode.BadBytes, decode.BadPort},
		{math.Inf(-1), decode.BadBytes, decode.BadPort},
		{1e300, decode.BadBytes, decode.BadPort},
		{-1.0, decode.BadBytes, decode.BadPort},
		{-0.5, decode.BadBytes, decode.BadPort},
		{math.Copysign(0, -1), decode.Accepted, decode.Accepted},
		{float64(math.MaxInt64), decode.BadBytes, decode.BadPort},
		{int64(math.MinInt64), decode.BadBytes, decode.BadPort},
		{int64(math.MaxInt64), decode.BadBytes, decode.BadPort},
		{int64(decode.MaxBytes), decode.Accepted, decode.BadPort},
		{int64(decode.MaxBytes + 1), decode.BadBytes, decode.BadPort},
		{int64(65535), decode.Accepted, decode.Accepted},
		{"65536", decode.Accepted, decode.BadPort},
		{" 17 ", decode.Accepted, decode.Accepted},
		{"1.7e3", decode.Accepted, decode.Accepted},
		{"9223372036854775808", decode.BadBytes, decode.BadPort},
		{"99999999999999999999999999", decode.BadBytes, decode.BadPort},
		{"-3", decode.BadBytes, decode.BadPort},
		{"0x1F", decode.BadBytes, decode.BadPort},
		{"1_000", decode.BadBytes, decode.BadPort},
		{"1e", decode.BadBytes, decode.BadPort},
		{"Infinity", decode.BadBytes, decode.BadPort},
		{"https", decode.BadBytes, decode.BadPort},
		{strings.Repeat("9", 1<<20), decode.BadBytes, decode.BadPort},
		{true, decode.BadBytes, decode.BadPort},
		{[]byte{1}, decode.BadBytes, decode.BadPort},
		{map[string]any{"a": 1}, decode.BadBytes, decode.BadPort},
		{[]any{}, decode.BadBytes, decode.BadPort},
		{[]any{[]any{[]any{1}}}, decode.BadBytes, decode.BadPort},
		{[]any{int64(7)}, decode.Accepted, decode.Accepted},
		{"", decode.Accepted, decode.Accepted}, // not there; the reply is still counted
		{"-", decode.Accepted, decode.Accepted},
		{nil, decode.Accepted, decode.Accepted},
	} {
		name := fmt.Sprintf("%.30v", c.value)
		got, why := logOne(d, ecsRecord(t, "source.bytes", c.value))
		assert.Equal(t, c.bytes.String(), why.String(), "source.bytes: %s", name)
		assertSound(t, got, why)
		got, why = logOne(d, ecsRecord(t, "destination.port", c.value))
		assert.Equal(t, c.port.String(), why.String(), "destination.port: %s", name)
		assertSound(t, got, why)
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	d := everything(t)
	for _, c := range []struct {
		value any
		want  decode.Reason
	}{
		{"10.1.2.256", decode.BadAddress},
		{"10.1.2", decode.BadAddress},
		{"10.1.2.", decode.BadAddress},
		{"10..2.3", decode.BadAddress},
		{"10.1.2.3.4", decode.BadAddress},
		{"10.01.2.3", decode.BadAddress},
		{"10.1.2.3:443", decode.BadAddress},
		{"10.1.2.3/32", decode.BadAddress},
		{" 10.1.2.3", decode.BadAddress},
		{"1.2.3.1000000000000000", decode.BadAddress},
		{"::1::2", decode.BadAddress},
		{"2001:db8::g", decode.BadAddress},
		{"%eth0", decode.BadAddress},
		{"files.example.net", decode.BadAddress},
		{strings.Repeat("1:", 1<<20), decode.BadAddress},
		{int64(167838211), decode.BadAddress},
		{1.5, decode.BadAddress},
		{true, decode.BadAddress},
		{[]byte{10, 1, 2, 3}, decode.BadAddress},
		{map[string]any{"ip": "10.1.2.3"}, decode.BadAddress},
		{"", decode.NoAddress},
		{"-", decode.NoAddress},
		{nil, decode.NoAddress},
		{"0.0.0.0", decode.Accepted},
		{"::", decode.Accepted},
		{"fe80::1%" + strings.Repeat("z", 1<<16), decode.Accepted},
		{"::ffff:255.255.255.255", decode.Accepted},
	} {
		got, why := logOne(d, ecsRecord(t, "source.ip", c.value))
		assert.Equal(t, c.want.String(), why.String(), "%.30v", c.value)
		assertSound(t, got, why)
	}
}

func TestTimesThatAreNoneGiveWayToTheRecords(t *testing.T) {
	d := everything(t)
	for _, value := range []any{
		"", "now", "2026-03-04", "2026-13-04T09:30:15Z", "2026-03-04T25:30:15Z", "2026-03-04T09:30:15", "2026-03-04T09:30:15+99:00",
		"2026-03-04T09:30:15+", "2026-03-04T09:30:15.", "aaaa-bb-ccTdd:ee:ffZ", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z",
		"0000-01-01T00:00:00Z", strings.Repeat("2", 1<<16), math.NaN(), math.Inf(1), -1.0, 1e300, int64(-1), int64(0), true, nil,
		[]any{}, map[string]any{}, []byte("x"),
	} {
		got, why := logOne(d, ecsRecord(t, "@timestamp", value))
		require.Equal(t, decode.Accepted, why, "%.30v", value)
		assert.Equal(t, now().UnixNano(), got[0].Time, "%.30v", value)
	}
}

func TestTimesInEveryUnit(t *testing.T) {
	d := everything(t)
	const at = 1772616615
	for _, c := range []struct {
		value any
		want  int64
	}{
		{int64(at), at * 1e9},
		{int64(at * 1e3), at * 1e9},
		{int64(at * 1e6), at * 1e9},
		{int64(at * 1e9), at * 1e9},
		{at + 0.25, at*1e9 + 25e7},
		{at*1e3 + 0.5, at*1e9 + 5e5},
		{at * 1e6, at * 1e9},
		{at * 1e9, at * 1e9},
		{"1772616615.250000", at*1e9 + 25e7},
		{"1772616615", at * 1e9},
		{[]any{"2026-03-04T09:30:15Z"}, at * 1e9},
		{"2026-03-04T09:30:15.123456789Z", at*1e9 + 123456789},
		{"2026-03-04T09:30:15.1234567899Z", at*1e9 + 123456789},
		{"2026-03-04t09:30:15z", at * 1e9},
		{"2026-03-04 09:30:15Z", at * 1e9},
		{"2026-03-04T15:00:15+05:30", at * 1e9},
		{"2026-03-04T01:30:15-0800", at * 1e9},
		{"2026-03-04T10:30:15+01", at * 1e9},
		{"2024-02-29T23:59:59Z", 1709251199 * 1e9},
		{"2000-03-01T00:00:00Z", 951868800 * 1e9},
		{"1970-01-01T00:00:01Z", 1e9},
	} {
		got, why := logOne(d, ecsRecord(t, "@timestamp", c.value))
		require.Equal(t, decode.Accepted, why, "%v", c.value)
		assert.Equal(t, c.want, got[0].Time, "%v", c.value)
	}
}

// Whatever has the wrong type, in whatever format: a reason, no panic, no unsound flow.
func TestWrongTypesInEveryField(t *testing.T) {
	d := everything(t)
	wrong := []any{nil, true, "text", -1.5, int64(-1), []byte{1}, []any{}, []any{map[string]any{}}, map[string]any{}, map[string]any{"ip": []any{1}}}
	for _, name := range encode.Formats() {
		logs, err := encode.Logs(name, scenario()[:1])
		require.NoError(t, err)
		sound := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		for _, root := range []func(plog.LogRecord) pcommon.Value{
			func(r plog.LogRecord) pcommon.Value {
				v := pcommon.NewValueMap()
				r.Attributes().CopyTo(v.Map())
				return v
			},
			func(r plog.LogRecord) pcommon.Value { return r.Body() },
		} {
			for _, path := range paths(root(sound), nil) {
				for _, value := range wrong {
					record := plog.NewLogRecord()
					sound.CopyTo(record)
					v := root(record)
					require.NoError(t, at(v, path).FromRaw(value))
					if v.Type() == pcommon.ValueTypeMap && record.Body().Type() != pcommon.ValueTypeMap {
						v.Map().CopyTo(record.Attributes())
					}
					got, why := logOne(d, record)
					assertSound(t, got, why)
				}
			}
		}
	}
}

// paths lists the ways to every value in v; a number steps into a list.
func paths(v pcommon.Value, to []any) [][]any {
	var out [][]any
	if len(to) > 0 {
		out = append(out, to)
	}
	switch v.Type() {
	case pcommon.ValueTypeMap:
		for k, e := range v.Map().All() {
			out = append(out, paths(e, append(to[:len(to):len(to)], k))...)
		}
	case pcommon.ValueTypeSlice:
		for i, e := range v.Slice().All() {
			out = append(out, paths(e, append(to[:len(to):len(to)], i))...)
		}
	}
	return out
}

func at(v pcommon.Value, path []any) pcommon.Value {
	for _, step := range path {
		if i, ok := step.(int); ok {
			v = v.Slice().At(i)
			continue
		}
		v, _ = v.Map().Get(step.(string))
	}
	return v
}

// assertSound is what holds of every answer, whatever the record was.
func assertSound(t testing.TB, got []flow.Record, why decode.Reason) {
	t.Helper()
	if why == decode.Accepted && len(got) == 0 || why != decode.Accepted && why != decode.TooLarge && len(got) > 0 {
		t.Errorf("%d flows, but the reason is %v", len(got), why)
	}
	if int(why) >= len(decode.Reasons()) {
		t.Errorf("reason %d is none", why)
	}
	for i := range got {
		r := &got[i]
		for _, a := range []struct {
			name string
			ok   bool
		}{
			{"valid addresses", r.Source.IsValid() && r.Destination.IsValid()},
			{"unmapped addresses", !r.Source.Is4In6() && !r.Destination.Is4In6()},
			{"addresses without zone", r.Source.Zone() == "" && r.Destination.Zone() == ""},
			{"bytes in range", inRange(r.Sent) && inRange(r.Received)},
			{"a byte count", r.Sent != flow.UnknownBytes || r.Received != flow.UnknownBytes},
			{"one way", !r.OneWay || r.Received == flow.UnknownBytes},
			{"final only in a series", !r.Final || r.Total != 0},
			{"a time", r.Time > 0},
		} {
			if !a.ok {
				t.Errorf("flow without %s: %+v", a.name, *r)
			}
		}
	}
}

func inRange(n int64) bool {
	return n == flow.UnknownBytes || 0 <= n && n <= decode.MaxBytes
}

// hugeRecords are larger in one respect than any source makes them.
func hugeRecords(t testing.TB) map[string]plog.LogRecord {
	many := ecsRecord(t, "", nil)
	for i := range 10_000 {
		many.Attributes().PutStr(fmt.Sprintf("filler.%d", i), "x")
	}
	deep := ecsRecord(t, "", nil)
	below := deep.Body().SetEmptyMap()
	for range 10_000 {
		below = below.PutEmptyMap("source")
	}
	dotted := ecsRecord(t, strings.Repeat("source.", 150_000)+"ip", "10.1.2.3")
	lists := ecsRecord(t, "", nil)
	list := lists.Attributes().PutEmptySlice("records")
	for range 10_000 {
		list = list.AppendEmpty().SetEmptySlice()
	}
	endless := plog.NewLogRecord()
	endless.Body().SetStr(strings.Repeat("2 ", 1<<20))
	header := plog.NewLogRecord()
	header.Body().SetStr("srcaddr dstaddr bytes" + strings.Repeat(" x", 1<<20))
	return map[string]plog.LogRecord{"attributes": many, "levels": deep, "a key": dotted, "lists": lists, "a line": endless, "a header": header}
}

func TestAHugeRecordIsReadWithinBounds(t *testing.T) {
	d := everything(t)
	want := map[string]decode.Reason{
		"attributes": decode.Accepted, "levels": decode.Accepted, "a key": decode.Accepted, "lists": decode.Accepted,
		"a line": decode.Malformed, "a header": decode.NotAFlow,
	}
	for name, record := range hugeRecords(t) {
		got, why := logOne(d, record)
		assert.Equal(t, want[name].String(), why.String(), name)
		assertSound(t, got, why)
		s := decode.Scratch{Now: now()}
		d.Resource(&s, pcommon.NewResource())
		dst := make([]flow.Record, 0, decode.MaxFlows)
		assert.Zero(t, testing.AllocsPerRun(3, func() { dst, _ = d.Log(&s, record, dst[:0]) }), name)
	}
}

// What stands behind thousands of other attributes is not looked for: whoever pads a record hides no more than who does
// not send it, and the record is counted.
func TestAttributesBehindTheLimitAreNotLookedAt(t *testing.T) {
	record := plog.NewLogRecord()
	for i := range 10_000 {
		record.Attributes().PutStr(fmt.Sprintf("filler.%d", i), "x")
	}
	ecsRecord(t, "", nil).Attributes().Range(func(key string, v pcommon.Value) bool {
		v.CopyTo(record.Attributes().PutEmpty(key))
		return true
	})
	_, why := logOne(everything(t), record)
	assert.Equal(t, decode.UnknownFormat.String(), why.String())
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	d := everything(t)
	for _, name := range encode.Formats() {
		logs, err := encode.Logs(name, scenario())
		require.NoError(t, err)
		s := decode.Scratch{Now: now()}
		dst := make([]flow.Record, 0, 100)
		rl := logs.ResourceLogs().At(0)
		allocs := testing.AllocsPerRun(20, func() {
			d.Resource(&s, rl.Resource())
			for _, lr := range rl.ScopeLogs().At(0).LogRecords().All() {
				dst, _ = d.Log(&s, lr, dst[:0])
			}
		})
		assert.Zero(t, allocs, name)
	}
}

// Bad values must not cost memory either: whoever sends them decides how many.
func TestBadValuesDoNotAllocate(t *testing.T) {
	d := everything(t)
	for key, value := range map[string]any{
		"source.bytes": "many", "source.ip": "files.example.net", "destination.port": "https", "@timestamp": "a quarter past nine, or so",
	} {
		record := ecsRecord(t, key, value)
		s := decode.Scratch{Now: now()}
		d.Resource(&s, pcommon.NewResource())
		dst := make([]flow.Record, 0, 1)
		assert.Zero(t, testing.AllocsPerRun(20, func() { dst, _ = d.Log(&s, record, dst[:0]) }), key)
	}
}

func TestATimestampThatDoesNotFitStaysInTheFuture(t *testing.T) {
	d := everything(t)
	for _, stamp := range []pcommon.Timestamp{math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		for _, set := range []func(plog.LogRecord){
			func(r plog.LogRecord) { r.SetTimestamp(stamp) },
			func(r plog.LogRecord) { r.SetObservedTimestamp(stamp) },
		} {
			record := ecsRecord(t, "@timestamp", "")
			set(record)
			flows, why := logOne(d, record)
			require.Equal(t, decode.Accepted, why)
			assert.EqualValues(t, math.MaxInt64, flows[0].Time, "%d", uint64(stamp))
		}
	}
}
