package load

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

var monday = time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)

// Given ten thousand entities, then every pair of host, user and port sends at least once, and no other at all.
func TestEveryPairSends(t *testing.T) {
	type pair struct {
		host string
		port uint16
	}
	traffic := New(10_000, Zipf)
	all := map[pair]bool{}
	for flows := range traffic.EveryPair(monday) {
		require.Len(t, flows, BatchRecords)
		for i := range flows {
			all[pair{flows[i].Host, flows[i].DestinationPort}] = true
		}
	}
	assert.Equal(t, 3125, traffic.Pairs)
	assert.Len(t, all, traffic.Pairs)
	batches := 0
	for flows := range traffic.Some(monday) {
		batches++
		for i := range flows {
			require.True(t, all[pair{flows[i].Host, flows[i].DestinationPort}])
		}
	}
	assert.Equal(t, 16, batches)
}

func TestTrafficHasTheEntitiesItIsMadeFor(t *testing.T) {
	for entities, less := range map[int]float64{10_000: 0.07, 100_000: 0.01} {
		assert.InEpsilon(t, entities, New(entities, Zipf).Entities(), less, entities)
	}
	assert.Equal(t, 3+3+2+3+2, New(10, Zipf).Entities(), "three pairs of one host, with three ports and two regions")
}

// Given addresses as traffic has them, then a tenth of them takes most; drawn alike, it takes a tenth.
func TestFewAddressesTakeMost(t *testing.T) {
	distinct := func(how Addressing) int {
		seen := map[string]bool{}
		for flows := range New(10_000, how).Some(monday) {
			for i := range flows {
				seen[flows[i].Destination.String()] = true
			}
		}
		return len(seen)
	}
	assert.Less(t, distinct(Zipf), 8000, "of 16,000")
	assert.Greater(t, distinct(Uniform), 14_000)
}

// Given flows of two habits, then a window has a flow of each, and on average the bytes of all, as often as they are sent.
func TestFoldedFlowsHaveTheBytesOfAWindow(t *testing.T) {
	traffic := New(10, Zipf)
	web := flow.Record{Host: "a", DestinationPort: 443, Sent: 1000}
	shell := flow.Record{Host: "a", DestinationPort: 22, Sent: 1}
	const windows = 1000
	var logarithms, within float64
	for range windows {
		all := traffic.Folded([]flow.Record{web, shell, web, web}, 2)
		require.Len(t, all, 2)
		assert.EqualValues(t, 443, all[0].DestinationPort)
		assert.EqualValues(t, 22, all[1].DestinationPort)
		logarithms += math.Log(float64(all[0].Sent) / 6000)
		if 3000 < all[0].Sent && all[0].Sent < 12_000 {
			within++
		}
	}
	assert.InDelta(t, 0, logarithms/windows, 0.1)
	assert.InDelta(t, 0.68, within/windows, 0.05)
	assert.EqualValues(t, 1000, web.Sent)
}

func TestAFlowIsARecordInEveryFormat(t *testing.T) {
	for _, format := range []string{ECS, Zeek, VPC, NetFlow} {
		for flows := range New(1000, Zipf).EveryPair(monday) {
			ld, err := Encode(format, flows)
			require.NoError(t, err)
			assert.Equal(t, len(flows), ld.LogRecordCount(), format)
			record := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
			if format == ECS {
				assert.Equal(t, 15, record.Attributes().Len())
			}
		}
	}
	_, err := Encode("smoke", []flow.Record{{}})
	require.ErrorContains(t, err, "smoke")
}
