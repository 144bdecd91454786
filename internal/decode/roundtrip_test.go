package decode_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/flow"
)

// scenario is an hour in which everything occurs that a format may have words for.
func scenario() []flow.Record {
	at := time.Date(2026, 3, 4, 9, 30, 15, 123_456_789, time.UTC).UnixNano()
	california := flow.Place{Region: "California", Country: "US", City: "San José"}
	upload := flow.Record{
		Time: at, Source: netip.MustParseAddr("10.1.2.3"), Destination: netip.MustParseAddr("203.0.113.9"),
		SourcePort: 51234, DestinationPort: 4444, Sent: 4_200_000_000, Received: 12_345,
		Direction: flow.Outbound, Host: "laptop-17", User: "mara", Process: "rclone", DestinationPlace: california,
	}
	visit := upload
	visit.Time += int64(time.Minute)
	visit.Source, visit.Destination = netip.MustParseAddr("2001:db8:1::77"), netip.MustParseAddr("fd00::5")
	visit.SourcePort, visit.DestinationPort = 40000, 443
	visit.Direction, visit.Sent, visit.Received = flow.Inbound, 900, 88_000
	visit.SourcePlace, visit.DestinationPlace = california, flow.Place{}
	backup := upload
	backup.Time += int64(2 * time.Minute)
	backup.Destination, backup.Direction = netip.MustParseAddr("10.9.9.9"), flow.Internal
	backup.DestinationPlace = flow.Place{}
	ping := upload
	ping.SourcePort, ping.DestinationPort, ping.Direction = 0, 0, flow.Undeclared
	ping.Host, ping.User, ping.Process, ping.DestinationPlace = "", "", "", flow.Place{}
	ping.Received = 0
	upload.ID.Text = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
	return []flow.Record{upload, visit, backup, ping}
}

func newDecoder(t testing.TB, inputs ...decode.Input) *decode.Decoder {
	t.Helper()
	d, err := decode.New(inputs)
	require.NoError(t, err)
	return d
}

// everything is the configuration that reads every encoding.
func everything(t testing.TB) *decode.Decoder {
	return newDecoder(t, decode.Input{Name: decode.Auto}, decode.Input{Name: "proxy", Fields: encode.CustomFields()})
}

// decodeAll decodes a batch as the processor does and counts what became of its records.
func decodeAll(d *decode.Decoder, logs plog.Logs) ([]flow.Record, map[decode.Reason]int) {
	var s decode.Scratch
	var out []flow.Record
	reasons := map[decode.Reason]int{}
	for _, rl := range logs.ResourceLogs().All() {
		d.Resource(&s, rl.Resource())
		for _, sl := range rl.ScopeLogs().All() {
			for _, lr := range sl.LogRecords().All() {
				var why decode.Reason
				out, why = d.Log(&s, lr, out)
				reasons[why]++
			}
		}
	}
	return out, reasons
}

// alike makes series equal that are both series: their numbers are only names. Ids are taken as text.
func alike(records []flow.Record) []flow.Record {
	for i := range records {
		records[i].Total = min(records[i].Total, 1)
		records[i].ID = flow.ID{Text: records[i].ID.String(), Opaque: records[i].ID.Opaque}
	}
	return records
}

func TestWhatIsEncodedIsDecodedAgain(t *testing.T) {
	for _, name := range encode.Formats() {
		t.Run(name, func(t *testing.T) {
			logs, err := encode.Logs(name, scenario())
			require.NoError(t, err)
			want, err := encode.Expected(name, scenario())
			require.NoError(t, err)

			got, reasons := decodeAll(everything(t), logs)

			assert.Equal(t, map[decode.Reason]int{decode.Accepted: logs.LogRecordCount()}, reasons)
			assert.Equal(t, want, got)
		})
	}
}

func TestRunningTotalsKeepTheirSeriesApart(t *testing.T) {
	flows := scenario()[:2]
	flows[0].Total, flows[1].Total, flows[1].Final = 7, 8, true
	for _, name := range []string{"ecs", "ecs_nested_body"} {
		logs, err := encode.Logs(name, append(flows, flows[0]))
		require.NoError(t, err)
		got, _ := decodeAll(everything(t), logs)
		require.Len(t, got, 3)
		assert.NotZero(t, got[0].Total)
		assert.Equal(t, got[0].Total, got[2].Total, "the same flow again")
		assert.NotEqual(t, got[0].Total, got[1].Total)
		assert.False(t, got[0].Final)
		assert.True(t, got[1].Final)
	}
}

// An id is one flow only on the agent that saw it.
func TestRunningTotalsOfTwoAgentsAreTwoSeries(t *testing.T) {
	d, series := everything(t), map[uint64]bool{}
	for _, agent := range []string{"a1", "a2", "a1"} {
		record := ecsRecord(t, "agent.id", agent)
		record.Attributes().PutStr("flow.id", "EAT/////AP//////CP8AAAEAAQ")
		record.Attributes().PutBool("flow.final", false)
		got, why := logOne(d, record)
		require.Equal(t, decode.Accepted, why)
		series[got[0].Total] = true
	}
	assert.Len(t, series, 2)
}

// A file receiver delivers each line as text; with a JSON parser it becomes a document.
func TestLinesOfAgentsAreReadOnceParsed(t *testing.T) {
	for _, name := range encode.Formats() {
		line, err := encode.Line(name, scenario()[0])
		if err != nil {
			require.ErrorIs(t, err, encode.ErrNoLine)
			continue
		}
		t.Run(name, func(t *testing.T) {
			want, err := encode.Expected(name, scenario()[:1])
			require.NoError(t, err)
			if name == "aws_vpc" {
				name = "aws_vpc_line"
			}
			for _, where := range []string{"attributes", "body"} {
				logs := plog.NewLogs()
				records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
				for text := range strings.Lines(string(line)) {
					record := records.AppendEmpty()
					if name == "aws_vpc_line" {
						record.Body().SetStr(text)
						continue
					}
					parse(t, text, where, record)
				}
				got, _ := decodeAll(everything(t), logs)
				assert.Equal(t, want, got, where)
			}
		})
	}
}

func parse(t *testing.T, text, where string, record plog.LogRecord) {
	var doc map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	into := record.Attributes()
	if where == "body" {
		into = record.Body().SetEmptyMap()
	}
	require.NoError(t, into.FromRaw(doc))
}

func TestJSONThatNobodyParsedIsCountedAsSuch(t *testing.T) {
	line, err := encode.Line("zeek", scenario()[0])
	require.NoError(t, err)
	record := plog.NewLogRecord()
	record.Body().SetStr(string(line))
	d := everything(t)
	var s decode.Scratch
	d.Resource(&s, pcommon.NewResource())
	got, why := d.Log(&s, record, nil)
	assert.Empty(t, got)
	assert.Equal(t, decode.UnparsedJSON, why)
}
