package observer

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
)

// organisation is an hour's traffic of so many hosts that its windows are worth closing in the background, in a few batches. The first
// comes early in the hour, when the window before is still open for what is late, and the next closes it.
func (b *bench) organisation(hour int, theft bool) []plog.Logs {
	const hosts, batches = 600, 6
	var all []plog.Logs
	for n := range batches {
		var records []flow.Record
		for host := n; host < hosts; host += batches {
			r := outbound(monday.Add(time.Duration(hour)*time.Hour+time.Duration(2+9*n)*time.Minute), uint16(1000+host%20), int64(100_000+37*host%5000))
			r.Host, r.Source = fmt.Sprintf("ws-%d", host), netip.AddrFrom4([4]byte{10, 1, byte(host >> 8), byte(host)})
			records = append(records, r)
		}
		if theft && n == 3 {
			records = append(records, outbound(time.Unix(0, records[0].Time), 4444, 800_000_000))
		}
		all = append(all, b.logs(records...))
	}
	return all
}

// background is a bench whose windows close in the background, and one whose do not, that are given the same.
type background struct{ queued, straight *bench }

func newBackground(t *testing.T) *background {
	t.Helper()
	return &background{newBenchOf(t, same, true), newBenchOf(t, same, false)}
}

// hours lets traffic flow from one hour to another. Between is called after each batch; busy says that windows were closing.
func (g *background) hours(from, to int, between func(busy bool)) {
	for hour := from; hour < to; hour++ {
		for _, ld := range g.straight.organisation(hour, hour%7 == 5 && hour > 24) {
			for _, b := range []*bench{g.straight, g.queued} {
				b.now = monday.Add(time.Duration(hour+1) * time.Hour)
				b.Commit(b.Decode(ld))
			}
			between(!g.queued.settled())
		}
	}
}

func TestInTheBackgroundTheSameIsTold(t *testing.T) {
	g := newBackground(t)
	busy := 0
	g.hours(0, 60, func(closing bool) {
		if closing {
			busy++
		}
	})
	g.queued.Settle()
	assert.True(t, g.queued.settled())
	assert.Positive(t, busy, "windows closed in the background")
	require.Contains(t, g.straight.told(), "exfil.anomaly 4444")
	assert.Equal(t, g.straight.told(), g.queued.told())
	assert.Equal(t, g.straight.tenants.rest.detector.Fingerprint(), g.queued.tenants.rest.detector.Fingerprint())
	assert.Equal(t, g.straight.Stats(), g.queued.Stats())
}

// A snapshot holds all that was committed before it, and the alerts that it brings, even where windows were closing: whoever loads it
// goes on as if they had closed at once.
func TestASnapshotWaitsForWhatIsQueued(t *testing.T) {
	g := newBackground(t)
	taken := 0
	g.hours(0, 40, func(closing bool) {
		if !closing {
			return
		}
		taken++
		kept := shards{}
		kept.snapshot(t, g.queued.Observer)
		next := newBenchOf(t, same, true)
		next.now = g.queued.now
		_, err := kept.load(t, next.Observer, true)
		require.NoError(t, err)
		g.queued = next
		require.Equal(t, g.straight.tenants.rest.detector.Fingerprint(), g.queued.tenants.rest.detector.Fingerprint())
		require.Equal(t, g.straight.told(), g.queued.told())
	})
	assert.Positive(t, taken)
}

// What is queued is decided by the rules that were in force when it came, before others are.
func TestOtherRulesWaitForWhatIsQueued(t *testing.T) {
	g := newBackground(t)
	lower := config.Default()
	lower.MinBytes = 500_000
	all, err := lower.AllRules()
	require.NoError(t, err)
	followed := false
	g.hours(0, 40, func(closing bool) {
		if closing && !followed {
			followed = true
			require.NoError(t, g.queued.FollowRules(all))
			require.NoError(t, g.straight.FollowRules(all))
			require.Equal(t, g.straight.tenants.rest.detector.Fingerprint(), g.queued.tenants.rest.detector.Fingerprint())
		}
	})
	require.True(t, followed)
	g.queued.Settle()
	assert.Equal(t, g.straight.told(), g.queued.told())
	assert.Equal(t, g.straight.tenants.rest.detector.Fingerprint(), g.queued.tenants.rest.detector.Fingerprint())
}
