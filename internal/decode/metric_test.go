package decode_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/stream"
)

// counterOf is a batch with one point of OBI's counter, changed.
func counterOf(change func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint)) pmetric.Metrics {
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("host.name", "node-4")
	rm.Resource().Attributes().PutStr("service.name", "obi")
	sm := rm.ScopeMetrics().AppendEmpty()
	sm.Scope().SetName("network_ebpf_events")
	m := sm.Metrics().AppendEmpty()
	m.SetName("obi.network.flow.bytes")
	m.SetUnit("By")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	p := sum.DataPoints().AppendEmpty()
	p.SetTimestamp(pcommon.NewTimestampFromTime(now()))
	p.SetIntValue(4249)
	p.Attributes().PutStr("src.address", "10.1.2.3")
	p.Attributes().PutStr("dst.address", "203.0.113.9")
	p.Attributes().PutInt("src.port", 51234)
	p.Attributes().PutInt("dst.port", 443)
	p.Attributes().PutStr("direction", "request")
	if change != nil {
		change(rm, m, p)
	}
	return md
}

func TestUnits(t *testing.T) {
	d := everything(t)
	for _, c := range []struct {
		unit string
		want int64 // bytes in 24 of it
	}{
		{"", 24}, {"By", 24}, {"{bytes}", 24}, {"{byte}", 24}, {"bytes", 24}, {"byte", 24},
		{"kBy", 24_000}, {"MBy", 24_000_000}, {"GBy", 24_000_000_000}, {"TBy", 24_000_000_000_000}, {"PBy", 24_000_000_000_000_000},
		{"KiBy", 24 << 10}, {"MiBy", 24 << 20}, {"GiBy", 24 << 30}, {"TiBy", 24 << 40}, {"PiBy", 24 << 50},
		{"bit", 3}, {"kbit", 3_000}, {"Mbit", 3_000_000}, {"Gbit", 3_000_000_000}, {"Tbit", 3_000_000_000_000},
		{"Kibit", 3 << 10}, {"Mibit", 3 << 20}, {"Gibit", 3 << 30}, {"Tibit", 3 << 40},
	} {
		for _, double := range []bool{false, true} {
			_, at, why := onePoint(t, d, counterOf(func(_ pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint) {
				m.SetUnit(c.unit)
				p.SetIntValue(24)
				if double {
					p.SetDoubleValue(24)
				}
			}))
			assert.Equal(t, decode.Accepted, why, c.unit)
			assert.Equal(t, c.want, at.Bytes, c.unit)
		}
	}
	for _, unit := range []string{"1", "s", "B", "by", "kB", "By/s", "bit/s", "{packets}", "KBy", " By", strings.Repeat("k", 1<<16)} {
		_, _, why := onePoint(t, d, counterOf(func(_ pmetric.ResourceMetrics, m pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetUnit(unit) }))
		assert.Equal(t, decode.BadUnit, why, "%.20s", unit)
	}
}

func TestValuesOfDataPointsThatAreNoCounts(t *testing.T) {
	d := everything(t)
	for _, c := range []struct {
		unit string
		set  func(p pmetric.NumberDataPoint)
		want decode.Reason
	}{
		{"By", func(p pmetric.NumberDataPoint) { p.SetIntValue(-1) }, decode.BadBytes},
		{"By", func(p pmetric.NumberDataPoint) { p.SetIntValue(math.MinInt64) }, decode.BadBytes},
		{"By", func(p pmetric.NumberDataPoint) { p.SetIntValue(math.MaxInt64) }, decode.BadBytes},
		{"By", func(p pmetric.NumberDataPoint) { p.SetIntValue(math.MaxInt64 / 2) }, decode.Accepted},
		{"By", func(p pmetric.NumberDataPoint) { p.SetIntValue(math.MaxInt64/2 + 1) }, decode.BadBytes},
		{"kBy", func(p pmetric.NumberDataPoint) { p.SetIntValue(math.MaxInt64 / 1000) }, decode.BadBytes},
		{"PiBy", func(p pmetric.NumberDataPoint) { p.SetIntValue(math.MaxInt64) }, decode.BadBytes},
		{"PiBy", func(p pmetric.NumberDataPoint) { p.SetIntValue(1 << 14) }, decode.BadBytes}, // 2^64
		{"bit", func(p pmetric.NumberDataPoint) { p.SetIntValue(math.MaxInt64) }, decode.Accepted},
		{"By", func(p pmetric.NumberDataPoint) { p.SetDoubleValue(-0.5) }, decode.BadBytes},
		{"By", func(p pmetric.NumberDataPoint) { p.SetDoubleValue(math.NaN()) }, decode.BadBytes},
		{"By", func(p pmetric.NumberDataPoint) { p.SetDoubleValue(math.Inf(1)) }, decode.BadBytes},
		{"PiBy", func(p pmetric.NumberDataPoint) { p.SetDoubleValue(1e300) }, decode.BadBytes},
		{"By", func(p pmetric.NumberDataPoint) { p.SetDoubleValue(0.9) }, decode.Accepted},
		{"By", func(p pmetric.NumberDataPoint) { p.SetIntValue(0) }, decode.Accepted},
	} {
		md := counterOf(func(_ pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint) {
			m.SetUnit(c.unit)
			c.set(p)
		})
		_, at, why := onePoint(t, d, md)
		text, _ := (&pmetric.JSONMarshaler{}).MarshalMetrics(md)
		assert.Equal(t, c.want.String(), why.String(), "%s: %s", c.unit, text)
		assert.GreaterOrEqual(t, at.Bytes, int64(0))
	}
	md := pmetric.NewMetrics()
	counterOf(nil).CopyTo(md)
	sum := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum()
	old := sum.DataPoints().At(0)
	p := pmetric.NewNumberDataPoint() // of no type
	old.Attributes().CopyTo(p.Attributes())
	p.MoveTo(old)
	_, _, why := onePoint(t, d, md)
	assert.Equal(t, decode.NoBytes, why)
}

// One stream is what has the same resource, scope, name, temporality and attributes, in any order.
func TestWhatMakesAStream(t *testing.T) {
	d := everything(t)
	identity := func(change func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint)) uint64 {
		_, at, why := onePoint(t, d, counterOf(change))
		require.Equal(t, decode.Accepted, why)
		return at.ID
	}
	same := identity(nil)
	for name, change := range map[string]func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint){
		"value and time": func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
			p.SetDoubleValue(7)
			p.SetTimestamp(9)
			p.SetStartTimestamp(3)
		},
		"order of attributes": func(rm pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
			for _, m := range []pcommon.Map{p.Attributes(), rm.Resource().Attributes()} {
				first, _ := m.Get(firstKey(m))
				key, value := firstKey(m), first.Str()
				m.Remove(key)
				m.PutStr(key, value)
			}
		},
		"description and unit": func(_ pmetric.ResourceMetrics, m pmetric.Metric, _ pmetric.NumberDataPoint) {
			m.SetDescription("total")
			m.SetUnit("{bytes}")
		},
	} {
		assert.Equal(t, same, identity(change), name)
	}
	attribute := func(set func(m pcommon.Map)) func(pmetric.ResourceMetrics, pmetric.Metric, pmetric.NumberDataPoint) {
		return func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) { set(p.Attributes()) }
	}
	seen := map[uint64]string{same: "unchanged"}
	for name, change := range map[string]func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint){
		"resource": func(rm pmetric.ResourceMetrics, _ pmetric.Metric, _ pmetric.NumberDataPoint) {
			rm.Resource().Attributes().PutStr("service.instance.id", "2")
		},
		"scope": func(rm pmetric.ResourceMetrics, _ pmetric.Metric, _ pmetric.NumberDataPoint) {
			rm.ScopeMetrics().At(0).Scope().SetName("other")
		},
		"scope version": func(rm pmetric.ResourceMetrics, _ pmetric.Metric, _ pmetric.NumberDataPoint) {
			rm.ScopeMetrics().At(0).Scope().SetVersion("2")
		},
		"scope attribute": func(rm pmetric.ResourceMetrics, _ pmetric.Metric, _ pmetric.NumberDataPoint) {
			rm.ScopeMetrics().At(0).Scope().Attributes().PutStr("a", "b")
		},
		"name": func(_ pmetric.ResourceMetrics, m pmetric.Metric, _ pmetric.NumberDataPoint) {
			m.SetName("beyla.network.flow.bytes")
		},
		"temporality": func(_ pmetric.ResourceMetrics, m pmetric.Metric, _ pmetric.NumberDataPoint) {
			m.Sum().SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		},
		"swapped ports": attribute(func(m pcommon.Map) { m.PutInt("src.port", 443); m.PutInt("dst.port", 51234) }),
		"text":          attribute(func(m pcommon.Map) { m.PutStr("iface", "1") }),
		"other text":    attribute(func(m pcommon.Map) { m.PutStr("iface", "2") }),
		"integer":       attribute(func(m pcommon.Map) { m.PutInt("iface", 1) }),
		"double":        attribute(func(m pcommon.Map) { m.PutDouble("iface", 1) }),
		"true":          attribute(func(m pcommon.Map) { m.PutBool("iface", true) }),
		"false":         attribute(func(m pcommon.Map) { m.PutBool("iface", false) }),
		"null":          attribute(func(m pcommon.Map) { m.PutEmpty("iface") }),
		"bytes":         attribute(func(m pcommon.Map) { m.PutEmptyBytes("iface").FromRaw([]byte{0}) }),
		"more bytes":    attribute(func(m pcommon.Map) { m.PutEmptyBytes("iface").FromRaw([]byte{0, 0}) }),
		"empty list":    attribute(func(m pcommon.Map) { m.PutEmptySlice("iface") }),
		"list":          attribute(func(m pcommon.Map) { list(m, "a", "b") }),
		"list turned":   attribute(func(m pcommon.Map) { list(m, "b", "a") }),
		"empty map":     attribute(func(m pcommon.Map) { m.PutEmptyMap("iface") }),
		"map":           attribute(func(m pcommon.Map) { m.PutEmptyMap("iface").PutStr("a", "b") }),
		"map turned":    attribute(func(m pcommon.Map) { m.PutEmptyMap("iface").PutStr("b", "a") }),
	} {
		id := identity(change)
		assert.Empty(t, seen[id], "%s is the stream of %s", name, seen[id])
		seen[id] = name
	}
}

func firstKey(m pcommon.Map) (key string) {
	for key = range m.All() {
		break
	}
	return key
}

func list(m pcommon.Map, texts ...string) {
	s := m.PutEmptySlice("iface")
	for _, text := range texts {
		s.AppendEmpty().SetStr(text)
	}
}

// All ends of a large site, a stream each way: as regular as attributes get.
// What one sender exports together is a group, whatever its attributes.
func TestWhatMakesAGroup(t *testing.T) {
	type change = func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint)
	d := everything(t)
	group := func(c change) uint64 {
		_, at, why := onePoint(t, d, counterOf(c))
		require.Equal(t, decode.Accepted, why)
		return at.Group
	}
	same := group(nil)
	assert.Equal(t, same, group(func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
		p.Attributes().PutInt("dst.port", 4444)
		p.SetTimestamp(9)
	}))
	for name, c := range map[string]change{
		"start": func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) { p.SetStartTimestamp(3) },
		"resource": func(rm pmetric.ResourceMetrics, _ pmetric.Metric, _ pmetric.NumberDataPoint) {
			rm.Resource().Attributes().PutStr("service.instance.id", "2")
		},
		"scope": func(rm pmetric.ResourceMetrics, _ pmetric.Metric, _ pmetric.NumberDataPoint) {
			rm.ScopeMetrics().At(0).Scope().SetName("other")
		},
	} {
		assert.NotEqual(t, same, group(c), name)
	}
}

func TestStreamsOfALargeSiteDoNotCollide(t *testing.T) {
	const each = 80
	d := newDecoder(t)
	s := decode.Scratch{Now: now()}
	seen := make(map[uint64]bool, each*each*each)
	md := counterOf(nil)
	rm := md.ResourceMetrics().At(0)
	m := rm.ScopeMetrics().At(0).Metrics().At(0)
	p := m.Sum().DataPoints().At(0)
	d.MetricResource(&s, rm.Resource())
	d.MetricScope(&s, rm.ScopeMetrics().At(0).Scope())
	require.Equal(t, decode.Accepted, d.Metric(&s, m))
	var r flow.Record
	for i := range each {
		p.Attributes().PutStr("src.address", fmt.Sprintf("10.0.0.%d", i))
		for j := range each {
			p.Attributes().PutStr("dst.address", fmt.Sprintf("203.0.113.%d", j))
			for k := range int64(each) {
				p.Attributes().PutInt("dst.port", k)
				at, why := d.Point(&s, p, &r)
				require.Equal(t, decode.Accepted, why)
				seen[at.ID] = true
			}
		}
	}
	assert.Len(t, seen, each*each*each)
}

func TestDataPointsLeaveNoTraceInTheScratch(t *testing.T) {
	d := everything(t)
	used := decode.Scratch{Now: now()}
	for range 2 {
		for _, path := range metricCases(t) {
			c := readMetricCase(t, path)
			md := c.deliver(t, spellings()[0].number)
			want, wantPoint, wantWhy := onePoint(t, d, md)
			points(d, &used, md, func(r flow.Record, at stream.Point, why decode.Reason) {
				assert.Equal(t, wantWhy, why, path)
				assert.Equal(t, wantPoint, at, path)
				if why == decode.Accepted {
					assert.Equal(t, want, r, path)
				}
			})
			_, why := d.Log(&used, ecsRecord(t, "", nil), nil)
			assert.Equal(t, decode.Accepted, why, "log records between")
		}
	}
}

func TestWrongTypesInEveryAttributeOfADataPoint(t *testing.T) {
	d := everything(t)
	for _, key := range []string{
		"src.address", "dst.address", "src.port", "dst.port", "direction", "iface.direction", "client.port", "server.port",
		"src.name", "k8s.src.owner.name", "dst.country",
	} {
		for _, value := range []any{nil, true, "text", -1.5, int64(-1), []byte{1}, []any{}, []any{map[string]any{}}, map[string]any{}, map[string]any{"ip": []any{1}}} {
			md := counterOf(func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
				require.NoError(t, p.Attributes().PutEmpty(key).FromRaw(value))
			})
			r, at, why := onePoint(t, d, md)
			assertSoundPoint(t, r, at, why)
		}
	}
}

func assertSoundPoint(t testing.TB, r flow.Record, at stream.Point, why decode.Reason) {
	t.Helper()
	if why != decode.Accepted {
		assertSound(t, nil, why)
		return
	}
	assertSound(t, []flow.Record{r}, why)
	if at.Bytes < 0 || at.Time <= 0 || at.Start < 0 || at.Time != r.Time {
		t.Errorf("unsound point %+v", at)
	}
	if (r.Sent == flow.UnknownBytes) == (r.Received == flow.UnknownBytes) {
		t.Errorf("bytes go both ways or none: %+v", r)
	}
	if !at.Cumulative && max(r.Sent, r.Received) != at.Bytes {
		t.Errorf("the record carries %d bytes, the point %d", max(r.Sent, r.Received), at.Bytes)
	}
}

func TestNestedAttributesAreReadWithinBounds(t *testing.T) {
	md := counterOf(func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
		deep := p.Attributes().PutEmptyMap("src")
		for range 10_000 {
			deep = deep.PutEmptyMap("src")
		}
		flat := p.Attributes().PutEmptySlice("list")
		for range 10_000 {
			flat = flat.AppendEmpty().SetEmptySlice()
		}
	})
	_, _, why := onePoint(t, everything(t), md)
	assert.Equal(t, decode.Accepted, why)
}

func TestATimestampOfAPointThatDoesNotFitStaysInTheFuture(t *testing.T) {
	_, at, why := onePoint(t, everything(t), counterOf(func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
		p.SetTimestamp(math.MaxUint64)
		p.SetStartTimestamp(math.MaxUint64)
	}))
	require.Equal(t, decode.Accepted, why)
	assert.EqualValues(t, math.MaxInt64, at.Time)
	assert.EqualValues(t, math.MaxInt64, at.Start)
}

func TestDecodingDataPointsDoesNotAllocate(t *testing.T) {
	d := everything(t)
	for _, path := range metricCases(t) {
		c := readMetricCase(t, path)
		md := c.deliver(t, spellings()[0].number)
		s := decode.Scratch{Now: now()}
		rm := md.ResourceMetrics().At(0)
		m := rm.ScopeMetrics().At(0).Metrics().At(0)
		r := new(flow.Record)
		assert.Zero(t, testing.AllocsPerRun(20, func() {
			d.MetricResource(&s, rm.Resource())
			d.MetricScope(&s, rm.ScopeMetrics().At(0).Scope())
			if d.Metric(&s, m) == decode.Accepted {
				d.Point(&s, m.Sum().DataPoints().At(0), r)
			}
		}), path)
	}
}

func TestPointCountOfNoType(t *testing.T) {
	assert.Zero(t, decode.PointCount(pmetric.NewMetric()))
}

// FuzzMetrics reads whatever OTLP can carry.
func FuzzMetrics(f *testing.F) {
	marshaler := pmetric.ProtoMarshaler{}
	for _, path := range metricCases(f) {
		c := readMetricCase(f, path)
		for _, spelling := range spellings()[:2] {
			encoded, err := marshaler.MarshalMetrics(c.deliver(f, spelling.number))
			require.NoError(f, err)
			f.Add(encoded)
		}
	}
	d := newDecoder(f, decode.Input{Name: decode.Auto}, decode.Input{
		Name: "mesh", Metrics: []string{"mesh.egress.bytes"},
		Fields: map[string][]string{"source_address": {"from"}, "destination_address": {"to"}, "sampling_rate": {"rate"}},
	})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(encoded)
		if err != nil {
			return
		}
		memory := stream.New(stream.Options{Limit: 2, Gap: time.Hour})
		points(d, &decode.Scratch{Now: now()}, md, func(r flow.Record, at stream.Point, why decode.Reason) {
			assertSoundPoint(t, r, at, why)
			if added, outcome := memory.Advance(&at, now()); (added > 0) != (outcome == stream.Added) || added < 0 || added > decode.MaxBytes {
				t.Errorf("%v adds %d", outcome, added)
			}
		})
	})
}

// BenchmarkPoint decodes points of OBI's counter; ns/op is that of one.
func BenchmarkPoint(b *testing.B) {
	d := everything(b)
	md := counterOf(nil)
	rm := md.ResourceMetrics().At(0)
	m := rm.ScopeMetrics().At(0).Metrics().At(0)
	p := m.Sum().DataPoints().At(0)
	s := decode.Scratch{Now: now()}
	d.MetricResource(&s, rm.Resource())
	d.MetricScope(&s, rm.ScopeMetrics().At(0).Scope())
	require.Equal(b, decode.Accepted, d.Metric(&s, m))
	r := new(flow.Record)
	b.ReportAllocs()
	for b.Loop() {
		if _, why := d.Point(&s, p, r); why != decode.Accepted {
			b.Fatal(why)
		}
	}
}
