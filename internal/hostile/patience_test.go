package hostile_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/config"
)

// A thief uses his port for weeks, for next to nothing, so that it is old when he needs it.
func TestAKeyThatWasAgedIsStillWatched(t *testing.T) {
	o := settled(t, 4)
	o.now = o.now.Truncate(time.Hour)
	o.work(14*24, func() []sent { return []sent{o.theft(4444, "Tashkent", 2_000)} })
	require.Empty(t, o.anomalies(), "two kilobytes an hour")
	o.now = o.now.Add(10 * time.Minute)
	o.send(o.theft(4444, "Tashkent", stolen))
	assert.True(t, o.found(0, "4444"))
	assert.True(t, o.found(0, "Tashkent"))
}

// He is more patient still: every day he takes more, always less than could alert by itself.
func TestAKeyThatWasGrownIsStillWatched(t *testing.T) {
	o := settled(t, 4)
	o.now = o.now.Truncate(time.Hour)
	bytes := 2_000.0
	for range 14 * 24 {
		o.work(1, func() []sent { return []sent{o.theft(4444, "Tashkent", int64(bytes))} })
		bytes = min(bytes*1.02, 900_000)
	}
	alerts := len(o.anomalies())
	o.now = o.now.Add(10 * time.Minute)
	o.send(o.theft(4444, "Tashkent", stolen))
	assert.True(t, o.found(alerts, "4444"), "%q", bodies(o.anomalies()))
}

// upper is the threshold of a port in the last window that closed.
func (o *organisation) upper(port string) int64 {
	o.t.Helper()
	md := pmetric.NewMetrics()
	_, err := o.DeliverGauges(o.t.Context(), func(_ context.Context, gauges pmetric.Metrics) error {
		md = gauges
		return nil
	})
	require.NoError(o.t, err)
	upper := int64(-1)
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				if m.Name() != "exfil.baseline.upper" {
					continue
				}
				for _, p := range m.Gauge().DataPoints().All() {
					if v, ok := p.Attributes().Get("destination.port"); ok && v.AsString() == port {
						upper = p.IntValue()
					}
				}
			}
		}
	}
	require.Positive(o.t, upper, "port %s was in no window", port)
	return upper
}

// Somebody sends a huge amount that seems harmless, an hour long, and is excused; he hopes that much is usual from
// then on.
func TestAHugeSpikeDoesNotRaiseThresholdsForLong(t *testing.T) {
	const spike = 50_000_000_000
	o := newOrganisation(t)
	o.KeepReadings(100)
	o.work(10 * 24)
	before := o.upper("443")
	o.work(1, func() []sent { return []sent{o.theft(443, "California", spike)} })
	require.True(t, o.found(0, "443"), "the spike alerts itself")
	o.work(2)
	assert.Less(t, o.upper("443"), 4*before, "two hours after it")
	o.work(46)
	assert.Less(t, o.upper("443"), 3*before, "two days after it")

	alerts := len(o.anomalies())
	o.now = o.now.Add(10 * time.Minute)
	thief := o.theft(443, "California", stolen/10)
	thief.host, thief.source = "ws-1", "10.0.0.2"
	o.send(thief)
	assert.True(t, o.found(alerts, "ws-1"), "another host's theft, a six-hundredth of it: %q", bodies(o.anomalies()))
}

// The spike comes in the warm-up, when nothing alerts.
func TestASpikeInTheWarmUpDoesNotBlind(t *testing.T) {
	o := newOrganisation(t)
	o.work(12)
	o.work(1, func() []sent {
		return []sent{o.theft(443, "California", 50_000_000_000), o.theft(4444, "Tashkent", 50_000_000_000)}
	})
	o.work(4 * 24)
	require.Empty(t, o.anomalies())
	o.now = o.now.Add(10 * time.Minute)
	o.send(o.theft(443, "California", stolen))
	o.send(o.theft(5555, "Samarkand", stolen))
	assert.True(t, o.found(0, "443"), "%q", bodies(o.anomalies()))
	assert.True(t, o.found(0, "5555"), "newcomers are not compared with the spike alone: %q", bodies(o.anomalies()))
}

// identities are the alerts' own.
func identities(alerts []plog.LogRecord) []string {
	var all []string
	for _, lr := range alerts {
		uid, _ := lr.Attributes().Get("log.record.uid")
		all = append(all, uid.AsString())
	}
	return all
}

// Clocks are forged, or were never set: from before there were any, from far ahead, from the ends of what fits.
func TestForgedTimesNeitherCloseWindowsNorBlind(t *testing.T) {
	forged := []time.Time{
		time.Unix(1, 0), time.Date(1970, 6, 1, 0, 0, 0, 0, time.UTC), time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC),
		time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 1<<63-1), monday.Add(-30 * 24 * time.Hour), monday.Add(365 * 24 * time.Hour),
	}
	run := func(forge bool) *organisation {
		o := newOrganisation(t)
		o.work(4*24, func() (more []sent) {
			for i, at := range forged {
				c := sent{at: o.now, source: "10.9.9.9", destination: "198.51.100.9", host: "clockless", port: 9999, region: "Victoria", bytes: 10 + int64(i)}
				if forge {
					c.at = at
				}
				more = append(more, c)
			}
			return more
		})
		o.now = o.now.Add(10 * time.Minute)
		o.send(o.theft(4444, "Tashkent", stolen))
		return o
	}
	honest, lied := run(false), run(true)
	want, got := honest.Stats().Detector, lied.Stats().Detector
	assert.Equal(t, want.WindowsClosed, got.WindowsClosed, "no window closes early")
	assert.Equal(t, want.Newest, got.Newest)
	assert.Equal(t, want.Began, got.Began)
	assert.Equal(t, want.ReadyAt, got.ReadyAt, "nor does the warm-up end early")
	assert.EqualValues(t, 3*4*24, got.Future, "those from ahead of the clock are left out, and counted")
	assert.EqualValues(t, 4*4*24, got.Late, "those from the past are counted with what is open")
	require.NotEmpty(t, honest.anomalies())
	assert.Equal(t, identities(honest.anomalies()), identities(lied.anomalies()))
}

// The very first record is forged.
func TestAForgedFirstTimeDoesNotEndTheWarmUp(t *testing.T) {
	for _, at := range []time.Time{time.Unix(1, 0), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)} {
		o := newOrganisation(t)
		first := o.theft(443, "California", 1000)
		first.at = at
		o.send(first)
		o.work(20)
		o.send(o.theft(4444, "Tashkent", stolen))
		assert.Empty(t, o.anomalies(), "%v: a day is not over", at)
		o.work(4 * 24)
		o.now = o.now.Add(10 * time.Minute)
		o.send(o.theft(5555, "Samarkand", stolen))
		assert.True(t, o.found(0, "5555"), "%v: it is, later", at)
	}
}

// A host's clock is years behind, be it that nobody has set it or that somebody has.
func TestAHostThatLivesInThePastIsWatched(t *testing.T) {
	o := settled(t, 4)
	for _, behind := range []time.Duration{time.Hour, 26 * time.Hour, 5 * 365 * 24 * time.Hour} {
		alerts := len(o.anomalies())
		thief := o.theft(4444+int64(behind/time.Hour)%1000, "Tashkent", stolen)
		thief.at = o.now.Add(-behind)
		o.send(thief)
		o.closeWindow()
		assert.Greater(t, len(o.anomalies()), alerts, "%v behind: %q", behind, bodies(o.anomalies()))
		o.now = o.now.Truncate(time.Hour)
		o.work(30)
		o.now = o.now.Add(10 * time.Minute)
	}
}

// As far ahead as is let pass, all day long.
func TestTimesWithinTheSkewGainNothing(t *testing.T) {
	o := settled(t, 4)
	o.now = o.now.Truncate(time.Hour)
	o.work(24, func() []sent {
		c := o.theft(443, "California", 1000)
		c.at = o.now.Add(time.Hour + 4*time.Minute)
		return []sent{c}
	})
	require.Empty(t, o.anomalies())
	o.now = o.now.Add(10 * time.Minute)
	o.send(o.theft(4444, "Tashkent", stolen))
	assert.True(t, o.found(0, "4444"))
	assert.Zero(t, o.Stats().Detector.Late, "nothing honest came late for it")
}

// What an exception lets pass is bounded, whoever calls himself by the name of the host that it is for.
func TestAForgedNameGetsNoMoreThanItsExceptionGives(t *testing.T) {
	o := settled(t, 4, func(cfg *config.Config) { cfg.Exceptions = exceptionFor("backup-*", 1_000_000_000) })
	for range 3 {
		thief := o.theft(4444, "Tashkent", stolen)
		thief.host = "backup-7"
		o.send(thief)
	}
	assert.True(t, o.found(0, "4444"))
}
