package hostile_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

func exceptionFor(host string, ceiling bytesize.Size) []rule.ExceptionConfig {
	return []rule.ExceptionConfig{{Name: "backup", Match: rule.ExceptionMatchConfig{Hosts: []string{host}}, MaxBytes: &ceiling}}
}

// spoiled are records that no source writes, each with what it is counted as.
func spoiled(o *organisation) map[string]func(lr plog.LogRecord) (outcome string) {
	sound := func(lr plog.LogRecord) pcommon.Map {
		c := o.theft(443, "California", 100)
		c.write(lr)
		return lr.Attributes()
	}
	return map[string]func(lr plog.LogRecord) string{
		"10,000 attributes": func(lr plog.LogRecord) string {
			a := sound(lr)
			for i := range 10_000 {
				a.PutStr(fmt.Sprintf("filler.%d", i), "x")
			}
			return "accepted"
		},
		"10,000 attributes before the others": func(lr plog.LogRecord) string {
			for i := range 10_000 {
				lr.Attributes().PutStr(fmt.Sprintf("filler.%d", i), "x")
			}
			sound(lr)
			return "unknown_format"
		},
		"names of a megabyte": func(lr plog.LogRecord) string {
			a := sound(lr)
			for _, key := range []string{"host.name", "user.name", "process.name", "destination.geo.region_name", "destination.geo.city_name"} {
				a.PutStr(key, strings.Repeat("x", 1<<20))
			}
			return "accepted"
		},
		"a key of a megabyte": func(lr plog.LogRecord) string {
			sound(lr).PutStr(strings.Repeat("source.", 1<<17), "x")
			return "accepted"
		},
		"10,000 levels": func(lr plog.LogRecord) string {
			sound(lr)
			m := lr.Body().SetEmptyMap()
			for range 10_000 {
				m = m.PutEmptyMap("source")
			}
			return "accepted"
		},
		"10,000 levels of lists": func(lr plog.LogRecord) string {
			list := sound(lr).PutEmptySlice("records")
			for range 10_000 {
				list = list.AppendEmpty().SetEmptySlice()
			}
			return "accepted"
		},
		"bytes that are not a number":    func(lr plog.LogRecord) string { sound(lr).PutDouble("source.bytes", math.NaN()); return "bad_bytes" },
		"bytes without end":              func(lr plog.LogRecord) string { sound(lr).PutDouble("source.bytes", math.Inf(1)); return "bad_bytes" },
		"negative bytes":                 func(lr plog.LogRecord) string { sound(lr).PutInt("source.bytes", -1); return "bad_bytes" },
		"negative bytes with a fraction": func(lr plog.LogRecord) string { sound(lr).PutDouble("source.bytes", -1.5); return "bad_bytes" },
		"the most negative bytes":        func(lr plog.LogRecord) string { sound(lr).PutInt("source.bytes", math.MinInt64); return "bad_bytes" },
		"more bytes than there are":      func(lr plog.LogRecord) string { sound(lr).PutInt("source.bytes", math.MaxInt64); return "bad_bytes" },
		"bytes as a megabyte of digits": func(lr plog.LogRecord) string {
			sound(lr).PutStr("source.bytes", strings.Repeat("9", 1<<20))
			return "bad_bytes"
		},
		"a port that is no number": func(lr plog.LogRecord) string { sound(lr).PutDouble("destination.port", math.NaN()); return "bad_port" },
		"a port of 1e300":          func(lr plog.LogRecord) string { sound(lr).PutDouble("destination.port", 1e300); return "bad_port" },
		"a negative port":          func(lr plog.LogRecord) string { sound(lr).PutInt("destination.port", -443); return "bad_port" },
		"an address of a megabyte": func(lr plog.LogRecord) string {
			sound(lr).PutStr("source.ip", strings.Repeat("1:", 1<<19))
			return "bad_address"
		},
		"a time of the year 0": func(lr plog.LogRecord) string {
			sound(lr).PutStr("@timestamp", "0000-01-01T00:00:00Z")
			return "accepted"
		},
		"a time of the year 9999": func(lr plog.LogRecord) string {
			sound(lr).PutStr("@timestamp", "9999-12-31T23:59:59Z")
			return "accepted"
		},
		"a time that is no number": func(lr plog.LogRecord) string { sound(lr).PutDouble("@timestamp", math.NaN()); return "accepted" },
		"JSON that nobody has parsed": func(lr plog.LogRecord) string {
			lr.Body().SetStr(strings.Repeat(`{"a":`, 1<<18))
			return "unparsed_json"
		},
		"a line of a million columns": func(lr plog.LogRecord) string { lr.Body().SetStr(strings.Repeat("2 ", 1<<20)); return "malformed" },
		"a header of a million columns": func(lr plog.LogRecord) string {
			lr.Body().SetStr("srcaddr dstaddr" + strings.Repeat(" bytes", 1<<20))
			return "not_a_flow"
		},
		"a text that is no UTF-8": func(lr plog.LogRecord) string {
			lr.Body().SetStr(strings.Repeat("\xff", 1<<20))
			return "unknown_format"
		},
		"nothing": func(plog.LogRecord) string { return "unknown_format" },
	}
}

func TestASpoiledRecordIsCountedAndHarmsNoOther(t *testing.T) {
	o := settled(t, 4)
	for name, spoil := range spoiled(o) {
		before := o.Stats().Records
		ld, to := emptyBatch()
		outcome := spoil(to.AppendEmpty())
		sound := o.theft(443, "California", 100)
		sound.write(to.AppendEmpty())
		o.deliver(ld)
		after := o.Stats().Records
		want := map[string]int64{"accepted": 1}
		want[outcome]++
		for reason, n := range after {
			assert.Equal(t, want[reason], n-before[reason], "%s: %s", name, reason)
		}
	}
	require.Empty(t, o.anomalies(), "%q", bodies(o.anomalies()))
	o.send(o.theft(4444, "Tashkent", stolen))
	assert.True(t, o.found(0, "4444"), "a theft among them is found")
}

// hostileNames break out of a line, a string, a terminal or the direction of writing.
var hostileNames = []string{
	"a\"b", `a\b`, "two\nlines", "two\r\nlines", "\x1b[2J\x1b]0;owned\a", "\u202egpj.exe", "zero\x00", "\xff\xfe", "tab\tbed",
	"'; drop table alerts; --", "<script>alert(1)</script>", "${env:HOME}", "{{.Values}}", "line\u2028separator", strings.Repeat("long", 1<<18),
	detector.OverflowValue,
}

// Everything that leaves is one line that a terminal may show, whatever the hosts and regions are called.
func TestHostileNamesLeaveAsOneSafeLine(t *testing.T) {
	for i, name := range hostileNames {
		o := settled(t, 4)
		thief := o.theft(4444, name, stolen)
		thief.host = name
		ld := records(thief)
		ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("user.name", name)
		ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("process.name", name)
		o.deliver(ld)
		require.NotEmpty(t, o.anomalies(), "%d", i)
		for _, lr := range o.anomalies() {
			assertSafe(t, lr.Body())
			for key, v := range lr.Attributes().All() {
				if !strings.HasPrefix(key, "exfil.rule.") && !strings.HasPrefix(key, "security_rule.") {
					assertSafe(t, v)
				}
			}
		}
		out := plog.NewLogs()
		to := out.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		for _, lr := range o.told {
			lr.CopyTo(to.AppendEmpty())
		}
		text, err := new(plog.JSONMarshaler).MarshalLogs(out)
		require.NoError(t, err)
		assert.Zero(t, bytes.Count(text, []byte("\n")), "a line of the file exporter")
		_, err = new(plog.JSONUnmarshaler).UnmarshalLogs(text)
		assert.NoError(t, err)
	}
}

func assertSafe(t *testing.T, v pcommon.Value) {
	t.Helper()
	switch v.Type() {
	case pcommon.ValueTypeSlice:
		for _, e := range v.Slice().All() {
			assertSafe(t, e)
		}
	case pcommon.ValueTypeStr:
		for _, r := range v.Str() {
			if r != ' ' && !unicode.IsPrint(r) {
				t.Errorf("%.60q holds %U", v.Str(), r)
			}
		}
	}
}

// What cannot be shown is not what tells names apart.
func TestTwoHostileNamesAreTwoEntities(t *testing.T) {
	o := settled(t, 4)
	o.send(o.theft(443, "Region\x01", stolen), o.theft(443, "Region\x02", stolen), o.theft(443, "Region", stolen))
	entities := map[string]string{}
	for _, lr := range o.anomalies() {
		if id, _ := lr.Attributes().Get("exfil.rule.id"); id.AsString() == "unusual_region" {
			entity, _ := lr.Attributes().Get("exfil.entity.value")
			uid, _ := lr.Attributes().Get("log.record.uid")
			entities[entity.AsString()] = uid.AsString()
		}
	}
	assert.Contains(t, entities, flow.Name("Region\x01"))
	assert.Contains(t, entities, flow.Name("Region\x02"))
	assert.Contains(t, entities, "Region")
}

// Somebody calls his region what the entities without a place are called.
func TestNobodyPassesForTheOverflow(t *testing.T) {
	require.Equal(t, flow.OverflowName, detector.OverflowValue)
	o := settled(t, 4)
	o.send(o.theft(4444, detector.OverflowValue, stolen))
	require.NotEmpty(t, o.anomalies())
	for _, lr := range o.anomalies() {
		assert.False(t, names(lr, detector.OverflowValue), lr.Body().AsString())
	}
}

// Records that pose as alerts of exfil are not observed; those beside them are.
func TestRecordsThatPoseAsAlertsAreCounted(t *testing.T) {
	o := settled(t, 4)
	ld := records(o.theft(4444, "Tashkent", stolen))
	scope := ld.ResourceLogs().At(0).ScopeLogs().AppendEmpty()
	scope.Scope().SetName(alert.ScopeName)
	posing := o.theft(5555, "Samarkand", stolen)
	posing.write(scope.LogRecords().AppendEmpty())
	o.deliver(ld)
	assert.True(t, o.found(0, "4444"))
	assert.False(t, o.found(0, "5555"))
	assert.EqualValues(t, 1, o.Stats().Records["own_alert"])
}

// The one who says that what leaves stays inside, or that it comes in, is contradicted where the addresses are known.
func TestADirectionThatTheAddressesContradictIsNotBelieved(t *testing.T) {
	o := settled(t, 4)
	for i, direction := range []string{"ingress", "inbound", "external", "unknown", "\x00"} {
		ld := records(o.theft(5000+int64(i), "Tashkent", stolen))
		ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().PutStr("network.direction", direction)
		o.deliver(ld)
		assert.True(t, o.found(0, fmt.Sprint(5000+i)), direction)
	}
}
