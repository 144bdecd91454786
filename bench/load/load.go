// Package load makes the batches of records that benchmarks deliver: flows of a large organisation's hosts, not one of them unusual.
package load

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/internal/flow"
)

// BatchRecords is how many records or data points a batch has: that of the collector's batch processor is 8192, of many agents
// 1000 or 2048.
const BatchRecords = 1000

// The formats that are measured; ECS with fifteen attributes, as an agent sends them.
const (
	ECS     = "ecs"
	Zeek    = "zeek"
	VPC     = "aws_vpc"
	NetFlow = "netflow"
)

// Addressing is how destinations are chosen among 100,000 addresses.
type Addressing string

// The ways to choose destinations.
const (
	Zipf    Addressing = "zipf" // as traffic is: few take most
	Uniform Addressing = "uniform"
)

const addresses = 100_000

// Traffic is flows of so many pairs of a host and a port. With the two rules that are on by default, each pair is an entity of three
// keys: host × port, port × region and host × region; ports and regions are two more.
type Traffic struct {
	Pairs          int
	ports, regions int
	random         *rand.Rand
	addresses      Addressing
}

// New makes traffic of about so many entities; where they are few, pairs have regions in common, and there are fewer.
func New(entities int, how Addressing) *Traffic {
	pairs := max(3, entities*10/32)
	return &Traffic{
		Pairs: pairs, ports: min(60_000, max(3, pairs/5)), regions: min(4000, max(2, pairs/80)),
		random: rand.New(rand.NewPCG(7, 7)), addresses: how,
	}
}

// Entities is how many entities all pairs make with the two rules that are on by default. Both have port × region, which is one key.
func (t *Traffic) Entities() int {
	const none = -1
	type key struct{ host, port, region int }
	all := map[key]bool{}
	for pair := range t.Pairs {
		host, port, region := t.ends(pair)
		for _, k := range []key{{host, port, none}, {none, port, region}, {host, none, region}, {none, port, none}, {none, none, region}} {
			all[k] = true
		}
	}
	return len(all)
}

// ends are between whom a pair's flows are: the numbers of its host and region, and its port.
func (t *Traffic) ends(pair int) (host, port, region int) {
	return pair / 50, 1 + pair%t.ports, (pair + pair/t.ports) % t.regions
}

// Record is one flow of a pair, at some moment of the minute that begins with from.
func (t *Traffic) Record(pair int, from time.Time) flow.Record {
	host, port, region := t.ends(pair)
	return flow.Record{
		Time:             from.Add(time.Duration(t.random.Int64N(int64(time.Minute)))).UnixNano(),
		Source:           netip.AddrFrom4([4]byte{10, byte(host >> 16), byte(host >> 8), byte(host)}),
		SourcePort:       uint16(40_000 + t.random.IntN(20_000)),
		Destination:      t.destination(),
		DestinationPort:  uint16(port),
		Sent:             500 + t.random.Int64N(100_000),
		Received:         t.random.Int64N(1_000_000),
		Direction:        flow.Outbound,
		Host:             fmt.Sprintf("ws-%05d", host),
		User:             fmt.Sprintf("user-%05d", host),
		Process:          "firefox",
		DestinationPlace: flow.Place{Country: "US", Region: fmt.Sprintf("Region %04d", region)},
	}
}

func (t *Traffic) destination() netip.Addr {
	n := uint64(t.random.IntN(addresses))
	if t.addresses == Zipf {
		n = rand.NewZipf(t.random, 1.1, 1, addresses-1).Uint64()
	}
	n = n * 2654435761 % (1 << 24) // neighbours are far apart
	return netip.AddrFrom4([4]byte{198, byte(n >> 16), byte(n >> 8), byte(n)})
}

// EveryPair yields flows, a batch at a time, in which each pair sends once.
func (t *Traffic) EveryPair(from time.Time) iter.Seq[[]flow.Record] {
	return func(yield func([]flow.Record) bool) {
		for first := 0; first < t.Pairs; first += BatchRecords {
			flows := make([]flow.Record, BatchRecords)
			for i := range flows {
				flows[i] = t.Record((first+i)%t.Pairs, from)
			}
			if !yield(flows) {
				return
			}
		}
	}
}

// Some yields flows, a batch at a time, of pairs drawn at random: so many that no branch predictor learns them by heart.
func (t *Traffic) Some(from time.Time) iter.Seq[[]flow.Record] {
	return func(yield func([]flow.Record) bool) {
		for range min(64, max(16, t.Pairs/BatchRecords)) {
			flows := make([]flow.Record, BatchRecords)
			for i := range flows {
				flows[i] = t.Record(t.random.IntN(t.Pairs), from)
			}
			if !yield(flows) {
				return
			}
		}
	}
}

// spread is the deviation of the logarithm of what a host sends to a port and a region, from one window to the next: seven windows of ten
// have between half and twice the usual.
const spread = 0.7

// Folded is one flow of each host to a port and a region: what all of its flows come to when they are sent so many times in a window. Each call
// is another window, in which each has more or less.
func (t *Traffic) Folded(flows []flow.Record, times int64) []flow.Record {
	type habit struct {
		host   netip.Addr
		port   uint16
		region string
	}
	at := map[habit]int{}
	var all []flow.Record
	for i := range flows {
		f := &flows[i]
		h := habit{f.Source, f.DestinationPort, f.DestinationPlace.Region}
		if _, known := at[h]; !known {
			at[h] = len(all)
			all = append(all, *f)
			all[at[h]].Sent = 0
		}
		all[at[h]].Sent += f.Sent * times
	}
	for i := range all {
		all[i].Sent = int64(float64(all[i].Sent) * math.Exp(spread*t.random.NormFloat64()))
	}
	return all
}

// Encode writes flows in a format, a record for each.
func Encode(format string, flows []flow.Record) (plog.Logs, error) {
	if format == ECS {
		return ecs(flows), nil
	}
	if format == VPC || format == NetFlow {
		for i := range flows { // these know one way, and a record is a record
			flows[i].Received, flows[i].OneWay = flow.UnknownBytes, true
		}
	}
	ld, err := encode.Logs(format, flows)
	if err == nil && ld.LogRecordCount() != len(flows) {
		err = fmt.Errorf("%s makes %d records of %d flows", format, ld.LogRecordCount(), len(flows))
	}
	return ld, err
}

func ecs(flows []flow.Record) plog.Logs {
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
