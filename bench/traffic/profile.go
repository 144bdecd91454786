package traffic

import (
	"cmp"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Rarity says how much a port or a region is used.
type Rarity string

// The rarities, by the windows of three hours in which anything leaves.
const (
	Unused Rarity = "unused" // nothing ever leaves
	Rare   Rarity = "rare"   // something leaves in three windows of twenty at most
	Quiet  Rarity = "quiet"  // more often than that, but it is not busy
	Busy   Rarity = "busy"   // in every other window at least, and it is one of the six with the largest p99
)

const (
	profileWindow = 3 * time.Hour
	rareShare     = 0.15 // of the windows
	busyShare     = 0.5  // of the windows
	busiest       = 6
	// leastYardstick is what thefts are measured in where next to nothing leaves, in bytes.
	leastYardstick = 5e6
	tailShare      = 0.99
)

// Usage is what left under one port, region or host.
type Usage struct {
	P99     float64 // 99th percentile of the bytes of a window of three hours; empty windows count as 0
	Bytes   int64   // in all
	Windows int     // in which anything left
	Rarity  Rarity
}

// Profile is what a plan moves when nothing is stolen.
type Profile struct {
	Windows int // of three hours, in the plan
	Ports   map[uint16]Usage
	Regions map[string]Usage
	Hosts   map[string]Usage // by name, or by address where records have none
}

// Measure plays the plan without its thefts and says what it moves.
func Measure(p Plan) (Profile, error) {
	p.Thefts = nil
	flows, err := p.Flows()
	if err != nil {
		return Profile{}, err
	}
	return measure(flows, p.Start, p.End()), nil
}

func measure(flows iter.Seq[Labelled], start, end time.Time) Profile {
	ports, regions, hosts := ledger[uint16]{}, ledger[string]{}, ledger[string]{}
	for l := range flows {
		window := int((l.Time - start.UnixNano()) / int64(profileWindow))
		bytes, region, host := l.left()
		ports.add(l.DestinationPort, window, bytes)
		regions.add(region, window, bytes)
		hosts.add(host, window, bytes)
	}
	n := int(math.Ceil(float64(end.Sub(start)) / float64(profileWindow)))
	return Profile{Windows: n, Ports: ports.usage(n), Regions: regions.usage(n), Hosts: hosts.usage(n)}
}

// left says what left with a flow, where to, and from whom.
func (l *Labelled) left() (bytes int64, region, host string) {
	bytes, region, from := l.Sent, l.DestinationPlace.Region, l.Source
	if l.Direction == flow.Inbound {
		bytes, region, from = l.Received, l.SourcePlace.Region, l.Destination
	}
	if l.Host != "" {
		return bytes, region, l.Host
	}
	return bytes, region, from.String()
}

// ledger sums bytes by key and window.
type ledger[K cmp.Ordered] map[K][]sum

type sum struct {
	window int
	bytes  int64
}

// add takes the windows in ascending order.
func (l ledger[K]) add(key K, window int, bytes int64) {
	sums := l[key]
	if n := len(sums); n > 0 && sums[n-1].window == window {
		sums[n-1].bytes += bytes
		return
	}
	l[key] = append(sums, sum{window, bytes})
}

func (l ledger[K]) usage(windows int) map[K]Usage {
	all := make(map[K]Usage, len(l))
	for key, sums := range l {
		u := Usage{Windows: len(sums), P99: tail(sums, windows), Rarity: Quiet}
		for _, s := range sums {
			u.Bytes += s.bytes
		}
		if float64(u.Windows) <= rareShare*float64(windows) {
			u.Rarity = Rare
		}
		all[key] = u
	}
	keys := slices.SortedFunc(maps.Keys(all), func(a, b K) int {
		return cmp.Or(cmp.Compare(all[b].P99, all[a].P99), cmp.Compare(a, b))
	})
	for _, key := range keys[:min(busiest, len(keys))] {
		if u := all[key]; float64(u.Windows) >= busyShare*float64(windows) {
			u.Rarity = Busy
			all[key] = u
		}
	}
	return all
}

// tail is the 99th percentile by nearest rank over all windows, those without bytes included.
func tail(sums []sum, windows int) float64 {
	bytes := make([]int64, len(sums))
	for i, s := range sums {
		bytes[i] = s.bytes
	}
	slices.Sort(bytes)
	rank := int(math.Ceil(tailShare*float64(windows))) - 1 - (windows - len(sums))
	if rank < 0 {
		return 0
	}
	return float64(bytes[min(rank, len(bytes)-1)])
}

// Yardstick is what a theft to a port and a region is measured by: the smaller of the
// two's p99 of a window of three hours, in bytes, but 5 MB at least. A theft of one
// yardstick in a window is as large as the one of the two that it stands out from more
// ever is by itself.
func (p *Profile) Yardstick(port uint16, region string) float64 {
	return max(min(p.Ports[port].P99, p.Regions[region].P99), leastYardstick)
}

// keysOf lists the keys of a rarity, sorted.
func keysOf[K cmp.Ordered](all map[K]Usage, r Rarity) []K {
	var keys []K
	for key, u := range all {
		if u.Rarity == r {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
