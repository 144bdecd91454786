package encode

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

func upload() flow.Record {
	return flow.Record{
		Time:   time.Date(2026, 3, 4, 9, 30, 15, 0, time.UTC).UnixNano(),
		Source: netip.MustParseAddr("10.1.2.3"), Destination: netip.MustParseAddr("203.0.113.9"),
		SourcePort: 51234, DestinationPort: 4444, Sent: 4200, Received: 17, Direction: flow.Outbound,
		Host: "laptop-17", DestinationPlace: flow.Place{Region: "California", Country: "US"},
	}
}

func TestEncodingsThatDoNotExist(t *testing.T) {
	_, err := Logs("sflow", nil)
	require.ErrorIs(t, err, ErrUnknownFormat)
	assert.ErrorContains(t, err, `"sflow"`)
	assert.ErrorContains(t, err, "goflow2")
	_, err = Line("sflow", upload())
	require.ErrorIs(t, err, ErrUnknownFormat)
	_, err = Expected("sflow", nil)
	require.ErrorIs(t, err, ErrUnknownFormat)
	_, err = Line("netflow", upload())
	require.ErrorIs(t, err, ErrNoLine)
	assert.ErrorContains(t, err, "netflow")
}

func TestOneWayFormatsWriteTheReplyAsARecordOfItsOwn(t *testing.T) {
	flows := []flow.Record{upload()}
	before := slices.Clone(flows)
	for _, name := range Formats() {
		f, err := find(name)
		require.NoError(t, err)
		logs, err := Logs(name, flows)
		require.NoError(t, err)
		want, err := Expected(name, flows)
		require.NoError(t, err)
		assert.Equal(t, len(want), logs.LogRecordCount(), name)
		if f.oneWay {
			require.Len(t, want, 2, name)
			assert.Equal(t, flows[0].Source, want[1].Destination, name)
			assert.EqualValues(t, 17, want[1].Sent, name)
			assert.EqualValues(t, flow.UnknownBytes, want[1].Received, name)
			assert.EqualValues(t, 4444, want[1].SourcePort, name)
		} else {
			require.Len(t, want, 1, name)
			assert.EqualValues(t, 17, want[0].Received, name)
		}
		assert.Equal(t, before, flows, "the caller's flows are left alone")
	}
}

func TestAzurePutsManyFlowsIntoARecord(t *testing.T) {
	flows := slices.Repeat([]flow.Record{upload()}, 2*tuplesPerRecord+1)
	for _, name := range []string{"azure_vnet", "azure_nsg"} {
		logs, err := Logs(name, flows)
		require.NoError(t, err)
		assert.Equal(t, 3, logs.LogRecordCount())
		want, err := Expected(name, flows)
		require.NoError(t, err)
		assert.Len(t, want, len(flows))
	}
}

func TestLinesAreWhatAgentsWrite(t *testing.T) {
	for _, name := range Formats() {
		line, err := Line(name, upload())
		if err != nil {
			require.ErrorIs(t, err, ErrNoLine)
			continue
		}
		again, err := Line(name, upload())
		require.NoError(t, err)
		assert.Equal(t, string(line), string(again), "the same flow is the same line")
		for part := range strings.Lines(string(line)) {
			if strings.HasPrefix(name, "aws_vpc") {
				assert.Len(t, strings.Fields(part), 29, name)
				continue
			}
			assert.True(t, json.Valid([]byte(part)), "%s: %s", name, part)
		}
		assert.False(t, strings.HasSuffix(string(line), "\n"), name)
	}
}

func TestWhatIsUnknownIsNotWritten(t *testing.T) {
	unknown := flow.Record{Time: 1e18, Sent: flow.UnknownBytes, Received: flow.UnknownBytes}
	for _, name := range Formats() {
		_, err := Logs(name, []flow.Record{unknown})
		require.NoError(t, err, name)
		line, err := Line(name, unknown)
		if err != nil {
			continue
		}
		assert.NotContains(t, string(line), "invalid", name)
		assert.NotContains(t, string(line), "-1,", name)
	}
	half := upload()
	half.Received = flow.UnknownBytes
	line, err := Line("zeek", half)
	require.NoError(t, err)
	assert.NotContains(t, string(line), "resp_bytes")
	assert.Contains(t, string(line), `"orig_bytes":4200`)
}

func TestEveryEncodingHasAReader(t *testing.T) {
	for _, name := range Formats() {
		if name == "custom" {
			assert.Empty(t, Reader(name))
			assert.NotEmpty(t, CustomFields()["bytes"])
			continue
		}
		assert.NotEmpty(t, Reader(name), name)
	}
}
