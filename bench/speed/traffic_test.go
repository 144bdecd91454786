package speed

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/bench/load"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
)

// monday is in the middle of no window's end.
var monday = time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)

// encoded writes flows in a format.
func encoded(b *testing.B, format string, flows []flow.Record) plog.Logs {
	b.Helper()
	ld, err := load.Encode(format, flows)
	require.NoError(b, err)
	return ld
}

// some is batches of pairs drawn at random.
func some(b *testing.B, t *load.Traffic, format string, from time.Time) []plog.Logs {
	b.Helper()
	var batches []plog.Logs
	for flows := range t.Some(from) {
		batches = append(batches, encoded(b, format, flows))
	}
	return batches
}

// withoutPlaces makes the places of ECS records attributes that nobody reads, so that records have as many as before.
func withoutPlaces(batches []plog.Logs) []plog.Logs {
	for _, ld := range batches {
		records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for i := range records.Len() {
			a := records.At(i).Attributes()
			for _, keys := range [][2]string{{"destination.geo.country_iso_code", "labels.currency"}, {"destination.geo.region_name", "labels.department"}} {
				value, _ := a.Get(keys[0])
				a.PutStr(keys[1], value.Str())
				a.Remove(keys[0])
			}
		}
	}
	return batches
}

// laidOutAnew copies batches, so that those whose records were changed lie in memory as close together as others.
func laidOutAnew(batches []plog.Logs) []plog.Logs {
	for i, ld := range batches {
		batches[i] = plog.NewLogs()
		ld.CopyTo(batches[i])
	}
	return batches
}

// withPlacesOf makes ECS records tell the places that cityDatabase knows of their destinations, so that flows go where they go
// with it.
func withPlacesOf(b *testing.B, batches []plog.Logs) []plog.Logs {
	b.Helper()
	for _, ld := range batches {
		records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for i := range records.Len() {
			a := records.At(i).Attributes()
			to, _ := a.Get("destination.ip")
			addr, err := netip.ParseAddr(to.Str())
			require.NoError(b, err)
			octets := addr.As4()
			a.PutStr("destination.geo.region_name", geotest.CitiesRegion(int(octets[1])<<6|int(octets[2])>>2))
		}
	}
	return batches
}

// meters is a batch of OBI's counters, one data point for each pair, of which the next export is one later and more.
func meters(t *load.Traffic) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("obi.network.flow.bytes")
	m.SetUnit("By")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range load.BatchRecords {
		f := t.Record(i%t.Pairs, monday)
		p := sum.DataPoints().AppendEmpty()
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(monday.Add(-time.Hour)))
		p.SetTimestamp(pcommon.NewTimestampFromTime(monday))
		p.SetIntValue(f.Sent)
		a := p.Attributes()
		a.PutStr("src.address", f.Source.String())
		a.PutStr("dst.address", f.Destination.String())
		a.PutInt("src.port", int64(40_000+i))
		a.PutInt("dst.port", int64(f.DestinationPort))
		a.PutStr("k8s.src.name", f.Host)
		a.PutStr("iface.direction", "egress")
	}
	return md
}

// advance makes a batch the next export of its counters.
func advance(md pmetric.Metrics) {
	points := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
	for i := range points.Len() {
		p := points.At(i)
		p.SetTimestamp(p.Timestamp() + 1)
		p.SetIntValue(p.IntValue() + 1000)
	}
}
