package hostile_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
)

// many is the size of a flood.
func many() int {
	if testing.Short() || raceDetector {
		return 100_000
	}
	return 1_000_000
}

const limit = 5000

func limited(cfg *config.Config) { cfg.MaxEntities = limit }

// flood sends connections to fresh ports, regions and addresses, from fresh sources.
func (o *organisation) flood(seed uint64, n int, bytes int64) {
	const batch = 1000
	random := rand.New(rand.NewPCG(seed, 0))
	for sentSoFar := 0; sentSoFar < n; sentSoFar += batch {
		ld, to := emptyBatch()
		to.EnsureCapacity(batch)
		for range batch {
			x := random.Uint64()
			c := sent{
				at:          o.now,
				source:      fmt.Sprintf("10.%d.%d.%d", byte(x>>8), byte(x>>16), byte(x>>24)),
				destination: fmt.Sprintf("2001:db8::%x:%x", uint16(x>>32), uint16(x>>48)),
				port:        10_000 + int64(x>>13)%50_000,
				region:      fmt.Sprintf("Region %x", x>>20),
				bytes:       bytes,
			}
			c.write(to.AppendEmpty())
		}
		o.deliver(ld)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Somebody makes up a million ports, regions, addresses and sources, in order that what was learned is
// forgotten, or that what comes next has no place.
func TestAFloodOfFreshKeysNeitherBlindsNorGrows(t *testing.T) {
	o := settled(t, 4, limited)
	before := heap()
	o.flood(1, many()/2, 100)

	alerts := len(o.anomalies())
	o.send(o.theft(22, "California", stolen))
	assert.True(t, o.found(alerts, "22"), "through a known port, during the flood: %q", bodies(o.anomalies()))
	alerts = len(o.anomalies())
	o.send(o.theft(4444, "Hesse", stolen))
	assert.True(t, o.found(alerts, "4444"), "through a new port to a known region, during the flood: %q", bodies(o.anomalies()))

	o.flood(2, many()/2, 100)
	stats := o.Stats()
	assert.LessOrEqual(t, stats.Detector.Keys, 5*(limit+1))
	assert.Positive(t, stats.Detector.Overflowed)
	grown := int64(heap()) - int64(before)
	assert.Less(t, grown, int64(5*limit*1000+40_000_000), "bytes of heap: a kilobyte an entity, and contributors")

	o.now = o.now.Add(time.Hour)
	o.work(3)
	o.now = o.now.Add(10 * time.Minute)
	alerts = len(o.anomalies())
	o.send(o.theft(993, "Victoria", stolen))
	assert.True(t, o.found(alerts, "993"), "through a known port, after the flood: %q", bodies(o.anomalies()[alerts:]))
	alerts = len(o.anomalies())
	o.send(o.theft(5555, "Tashkent", stolen))
	assert.True(t, o.found(alerts, "5555"), "through a new port to a new region, after the flood: %q", bodies(o.anomalies()[alerts:]))
	runtime.KeepAlive(o)
}

// Where every place is taken by what was made up in the same window, what has none is watched together.
func TestAFloodHidesNobodyWhoHasNoPlace(t *testing.T) {
	o := settled(t, 4, limited)
	o.flood(1, 50_000, 10)
	require.Positive(t, o.Stats().Detector.Overflowed, "all places are taken")
	alerts := len(o.anomalies())
	o.send(o.theft(4444, "Tashkent", stolen))
	assert.True(t, o.found(alerts, "4444"), "%q", bodies(o.anomalies()))
	assert.True(t, o.found(alerts, "Tashkent"))
	assert.True(t, o.found(alerts, "ws-2"))
}

// What is watched together alerts by the flood itself; a theft in a later window is news nevertheless.
func TestAFloodThatAlertsHidesNoLaterTheft(t *testing.T) {
	o := settled(t, 4, limited)
	o.flood(1, 50_000, 100)
	require.NotEmpty(t, o.anomalies(), "the flood tells of itself")
	o.now = o.now.Add(time.Hour)
	o.flood(2, 50_000, 100)
	alerts := len(o.anomalies())
	o.send(o.theft(4444, "Tashkent", stolen))
	assert.True(t, o.found(alerts, "4444"), "%q", bodies(o.anomalies()))
	assert.True(t, o.found(alerts, "ws-2"))
}

// What is watched together has alerted in this window already; a theft in the same window is told of when it closes.
func TestATheftBehindAFloodThatAlertsIsToldOfWhenTheWindowCloses(t *testing.T) {
	o := settled(t, 4, limited)
	o.flood(1, 50_000, 100)
	alerts := len(o.anomalies())
	require.NotZero(t, alerts, "the flood tells of itself")
	o.send(o.theft(4444, "Tashkent", stolen))
	o.closeWindow()
	assert.True(t, o.found(alerts, "4444"), "%q", bodies(o.anomalies()[alerts:]))
	assert.True(t, o.found(alerts, "ws-2"))
}

// The flood goes on for days, so that whatever is watched together is used to a lot.
func TestALastingFloodForgetsNobodyWhoIsEstablished(t *testing.T) {
	o := settled(t, 4, limited)
	hours, seed := 48, uint64(0)
	if many() < 1_000_000 {
		hours = 12
	}
	o.work(hours, func() []sent {
		seed++
		o.flood(seed, limit+1000, 100)
		return nil
	})
	o.now = o.now.Add(10 * time.Minute)
	alerts := len(o.anomalies())
	o.send(o.theft(22, "California", stolen))
	o.send(o.theft(4444, "Hesse", stolen))
	assert.True(t, o.found(alerts, "22"), "%q", bodies(o.anomalies()[alerts:]))
	assert.True(t, o.found(alerts, "4444"), "%q", bodies(o.anomalies()[alerts:]))
	for _, lr := range o.anomalies()[alerts:] {
		_, pair := lr.Attributes().Get("exfil.detail.values")
		if v, _ := lr.Attributes().Get("exfil.entity.value"); v.AsString() == "22" && !pair {
			first, _ := lr.Attributes().Get("exfil.first_seen")
			assert.False(t, first.Bool(), "port 22 is known from before the flood")
		}
	}
}

// Somebody makes so many alerts that nobody reads them: what is above the cap is still told of, by number and, of the
// first, by name.
func TestAFloodOfAlertsIsSummedUp(t *testing.T) {
	o := settled(t, 4, func(cfg *config.Config) { cfg.Alerts.MaxPerInterval = 10 })
	for port := range int64(200) {
		o.send(o.theft(20_000+port, "California", 30_000_000))
	}
	assert.LessOrEqual(t, len(o.anomalies()), 10)
	o.now = o.now.Add(20 * time.Minute)
	o.Tick()
	o.take()
	summaries := o.events(alert.EventOverflow)
	require.Len(t, summaries, 1)
	held, _ := summaries[0].Attributes().Get("exfil.overflow.alerts")
	assert.GreaterOrEqual(t, held.Int(), int64(150))

	alerts := len(o.anomalies())
	o.send(o.theft(4444, "Tashkent", stolen))
	assert.True(t, o.found(alerts, "4444"), "the next interval is as good as any")
}

// Sources are made up, each of them inside, to crowd out the hosts that are watched.
func TestForgedSourcesHideNoHost(t *testing.T) {
	o := settled(t, 4, limited)
	for i := range many() / 10_000 {
		var batch []sent
		for j := range 1000 {
			n := i*1000 + j
			batch = append(batch, sent{
				at: o.now, source: fmt.Sprintf("10.%d.%d.%d", 100+n>>16, byte(n>>8), byte(n)), destination: "198.51.100.7",
				port: 443, region: "California", bytes: 50,
			})
		}
		o.send(batch...)
	}
	alerts := len(o.anomalies())
	o.send(o.theft(443, "California", stolen))
	o.closeWindow() // the forged ones have alerted in this window themselves; then an update tells of the rest
	require.True(t, o.found(alerts, "ws-2"), "%q", bodies(o.anomalies()))
}
