package decode_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/flow"
)

// batch is 1,000 records, as many as a receiver sends at once.
func batch(b *testing.B, name string) plog.Logs {
	var flows []flow.Record
	for len(flows) < 1000 {
		flows = append(flows, scenario()[0])
	}
	logs, err := encode.Logs(name, flows)
	require.NoError(b, err)
	return logs
}

// BenchmarkDecode decodes batches of 1,000 flows; ns/op is that of one record. Beside it, in the
// same run, stands what only looking at each attribute of the same records costs.
func BenchmarkDecode(b *testing.B) {
	for _, name := range encode.Formats() {
		logs := batch(b, name)
		b.Run(name+"/bare_pass", func(b *testing.B) {
			var sum int64
			passes(b, logs, func(logs plog.Logs) { sum += barePass(logs) })
			runtime.KeepAlive(sum)
		})
		b.Run(name+"/decode", func(b *testing.B) {
			d := everything(b)
			var s decode.Scratch
			dst := make([]flow.Record, 0, 4000)
			passes(b, logs, func(logs plog.Logs) {
				dst = dst[:0]
				for _, rl := range logs.ResourceLogs().All() {
					d.Resource(&s, rl.Resource())
					for _, sl := range rl.ScopeLogs().All() {
						for _, lr := range sl.LogRecords().All() {
							dst, _ = d.Log(&s, lr, dst)
						}
					}
				}
			})
			require.GreaterOrEqual(b, len(dst), 1000, "the benchmark must have decoded something")
		})
	}
}

// passes runs pass over the batch until b.N records were seen.
func passes(b *testing.B, logs plog.Logs, pass func(plog.Logs)) {
	pass(logs)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += logs.LogRecordCount() {
		pass(logs)
	}
}

// barePass reads every attribute's key and value, so that both must be in the cache, and does
// nothing with them but add up.
func barePass(logs plog.Logs) (sum int64) {
	for _, rl := range logs.ResourceLogs().All() {
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				sum += look(lr.Attributes())
				if lr.Body().Type() == pcommon.ValueTypeMap {
					sum += look(lr.Body().Map())
				}
			}
		}
	}
	return sum
}

func look(m pcommon.Map) (sum int64) {
	for k, v := range m.All() {
		sum += int64(len(k)) + int64(k[0])
		switch v.Type() {
		case pcommon.ValueTypeStr:
			sum += int64(v.Str()[0])
		case pcommon.ValueTypeInt:
			sum += v.Int()
		case pcommon.ValueTypeDouble:
			sum += int64(v.Double())
		case pcommon.ValueTypeMap:
			sum += look(v.Map())
		}
	}
	return sum
}
