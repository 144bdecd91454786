package decode

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// seriesOf is the series of a running total, by its id or, where that is empty, its ends.
func seriesOf(t *testing.T, d *Decoder, id, destination string) uint64 {
	t.Helper()
	record := plog.NewLogRecord()
	require.NoError(t, record.Attributes().FromRaw(map[string]any{
		"source.ip": "10.1.2.3", "source.port": 51234, "source.bytes": 4200,
		"destination.ip": destination, "destination.port": 443, "flow.final": false, "flow.id": id, "agent.id": "a1",
	}))
	var s Scratch
	d.Resource(&s, pcommon.NewResource())
	flows, why := d.Log(&s, record, nil)
	require.Equal(t, Accepted, why)
	require.NotZero(t, flows[0].Total)
	return flows[0].Total
}

func TestTheKeyDecidesWhatASeriesIsCalled(t *testing.T) {
	one, err := New(nil)
	require.NoError(t, err)
	other, err := New(nil)
	require.NoError(t, err)
	require.NotEqual(t, one.Key(), other.Key())
	for _, id := range []string{"", "EAT/////AP//////CP8AAAEAAQ"} {
		before := seriesOf(t, one, id, "2001:db8::1")
		assert.Equal(t, before, seriesOf(t, one, id, "2001:db8::1"))
		assert.NotEqual(t, before, seriesOf(t, other, id, "2001:db8::1"), "who does not know the key cannot tell")
		restarted, err := New(nil)
		require.NoError(t, err)
		restarted.SetKey(one.Key())
		assert.Equal(t, before, seriesOf(t, restarted, id, "2001:db8::1"), "what was saved goes on under the key that was saved")
	}
}

// An id is all of its text: two that agree in what a name keeps are two.
func TestLongIDsAreToldApart(t *testing.T) {
	d, err := New(nil)
	require.NoError(t, err)
	long := strings.Repeat("x", 2*flow.MaxNameLength)
	assert.NotEqual(t, seriesOf(t, d, long+"1", "203.0.113.9"), seriesOf(t, d, long+"2", "203.0.113.9"))
}

// Every bit of a text, and its length, counts, wherever it stands.
func TestTextsThatDifferInOneBitDiffer(t *testing.T) {
	h := newIdentity(newKey())
	seen := map[uint64]string{}
	note := func(text string) {
		sum := h.text(text)
		if other, taken := seen[sum]; taken && other != text {
			t.Fatalf("%q and %q are one", other, text)
		}
		seen[sum] = text
	}
	for length := range 50 {
		text := make([]byte, length)
		note(string(text))
		for bit := range 8 * length {
			text[bit/8] ^= 1 << (bit % 8)
			note(string(text))
			text[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// With the same plain text each key gives another hash: half of the bits differ.
func TestEachPartOfTheKeyMatters(t *testing.T) {
	key := newKey()
	text := "dst.address 2001:db8::42, long enough for the loop"
	plain := newIdentity(key)
	for word := range 4 {
		changed := key
		n := binary.LittleEndian.Uint64(changed[8*word:])
		binary.LittleEndian.PutUint64(changed[8*word:], n^1<<17)
		h := newIdentity(changed)
		assert.NotEqual(t, plain.chain(plain.text(text), 7), h.chain(h.text(text), 7), "word %d", word)
	}
}
