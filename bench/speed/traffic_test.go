package speed

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/flow"
)

// batchRecords is how many records or data points a batch has: that of the collector's batch processor is 8192, of many agents
// 1000 or 2048.
const batchRecords = 1000

// monday is in the middle of no window's end.
var monday = time.Date(2026, time.March, 2, 10, 0, 0, 0, time.UTC)

// traffic is flows of so many pairs of a host and a port. With the two rules that are on by default, each pair is an entity of three
// keys: host × port, port × region and host × region; ports and regions are two more.
type traffic struct {
	pairs, ports, regions int
	random                *rand.Rand
	addresses             addressing
}

// addressing is how destinations are chosen among 100,000 addresses.
type addressing string

const (
	zipf    addressing = "zipf" // as traffic is: few take most
	uniform addressing = "uniform"
)

const addresses = 100_000

// newTraffic makes traffic that fills so many entities.
func newTraffic(entities int, how addressing) *traffic {
	pairs := max(3, entities*10/32)
	return &traffic{
		pairs: pairs, ports: min(60_000, max(3, pairs/5)), regions: min(4000, max(2, pairs/80)),
		random: rand.New(rand.NewPCG(7, 7)), addresses: how,
	}
}

// record is one flow of a pair, at some moment of the minute that begins with from.
func (t *traffic) record(pair int, from time.Time) flow.Record {
	host := pair / 50
	return flow.Record{
		Time:            from.Add(time.Duration(t.random.Int64N(int64(time.Minute)))).UnixNano(),
		Source:          netip.AddrFrom4([4]byte{10, byte(host >> 16), byte(host >> 8), byte(host)}),
		SourcePort:      uint16(40_000 + t.random.IntN(20_000)),
		Destination:     t.destination(),
		DestinationPort: uint16(1 + pair%t.ports),
		Sent:            500 + t.random.Int64N(100_000),
		Received:        t.random.Int64N(1_000_000),
		Direction:       flow.Outbound,
		Host:            fmt.Sprintf("ws-%05d", host),
		User:            fmt.Sprintf("user-%05d", host),
		Process:         "firefox",
		DestinationPlace: flow.Place{
			Country: "US", Region: fmt.Sprintf("Region %04d", (pair+pair/t.ports)%t.regions),
		},
	}
}

func (t *traffic) destination() netip.Addr {
	n := uint64(t.random.IntN(addresses))
	if t.addresses == zipf {
		n = rand.NewZipf(t.random, 1.1, 1, addresses-1).Uint64()
	}
	n = n * 2654435761 % (1 << 24) // neighbours are far apart
	return netip.AddrFrom4([4]byte{198, byte(n >> 16), byte(n >> 8), byte(n)})
}

// everyPair is batches in which each pair sends once.
func (t *traffic) everyPair(b *testing.B, format string, from time.Time) []plog.Logs {
	b.Helper()
	var batches []plog.Logs
	for first := 0; first < t.pairs; first += batchRecords {
		var flows []flow.Record
		for i := range batchRecords {
			flows = append(flows, t.record((first+i)%t.pairs, from))
		}
		batches = append(batches, encoded(b, format, flows))
	}
	return batches
}

// some is batches of pairs drawn at random, so many that no branch predictor learns them by heart.
func (t *traffic) some(b *testing.B, format string, from time.Time) []plog.Logs {
	b.Helper()
	var batches []plog.Logs
	for range min(64, max(16, t.pairs/batchRecords)) {
		var flows []flow.Record
		for range batchRecords {
			flows = append(flows, t.record(t.random.IntN(t.pairs), from))
		}
		batches = append(batches, encoded(b, format, flows))
	}
	return batches
}

// encoded writes flows in a format; ecs with fifteen attributes, as an agent sends them.
func encoded(b *testing.B, format string, flows []flow.Record) plog.Logs {
	b.Helper()
	if format == ecs {
		return ecsBatch(flows)
	}
	if format == vpc || format == netflow {
		for i := range flows { // these know one way, and a record is a record
			flows[i].Received, flows[i].OneWay = flow.UnknownBytes, true
		}
	}
	ld, err := encode.Logs(format, flows)
	require.NoError(b, err)
	require.Equal(b, len(flows), ld.LogRecordCount())
	return ld
}

// The formats that are measured.
const (
	ecs     = "ecs"
	zeek    = "zeek"
	vpc     = "aws_vpc"
	netflow = "netflow"
)

func ecsBatch(flows []flow.Record) plog.Logs {
	ld := plog.NewLogs()
	resource := ld.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "packetbeat")
	records := resource.ScopeLogs().AppendEmpty().LogRecords()
	records.EnsureCapacity(len(flows))
	for i := range flows {
		f := &flows[i]
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.Timestamp(f.Time))
		a := lr.Attributes()
		a.EnsureCapacity(15)
		a.PutStr("event.kind", "event")
		a.PutStr("event.action", "network_flow")
		a.PutStr("host.name", f.Host)
		a.PutStr("user.name", f.User)
		a.PutStr("process.name", f.Process)
		a.PutStr("network.transport", "tcp")
		a.PutStr("network.direction", "egress")
		a.PutStr("source.ip", f.Source.String())
		a.PutInt("source.port", int64(f.SourcePort))
		a.PutInt("source.bytes", f.Sent)
		a.PutStr("destination.ip", f.Destination.String())
		a.PutInt("destination.port", int64(f.DestinationPort))
		a.PutInt("destination.bytes", f.Received)
		a.PutStr("destination.geo.country_iso_code", f.DestinationPlace.Country)
		a.PutStr("destination.geo.region_name", f.DestinationPlace.Region)
	}
	return ld
}

// withoutPlaces takes the places out of ECS records.
func withoutPlaces(batches []plog.Logs) []plog.Logs {
	for _, ld := range batches {
		records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for i := range records.Len() {
			records.At(i).Attributes().RemoveIf(func(key string, _ pcommon.Value) bool {
				return key == "destination.geo.country_iso_code" || key == "destination.geo.region_name"
			})
		}
	}
	return batches
}

// meters is a batch of OBI's counters, one data point for each pair, of which the next export is one later and more.
func (t *traffic) meters() pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("obi.network.flow.bytes")
	m.SetUnit("By")
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for i := range batchRecords {
		f := t.record(i%t.pairs, monday)
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
