package observer

import (
	"math/bits"
	"slices"
	"time"
	"unsafe"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/pseudonym"
	"github.com/otel-exfil/exfil/internal/rule"
	"github.com/otel-exfil/exfil/internal/stream"
)

// Memory is how many bytes of heap an observer takes at most, by what they are for. Names are taken to be as
// long as they usually are. It does not contain batches on their way, which are the pipeline's own and as
// large as the receiver makes them, copies that are made while a snapshot is written, gauges of a connector, of
// which eight windows may wait at 200 bytes for each of metrics.top and rule, nor the databases of geo, which
// are read into memory whole and stay twice as large as their files, once more while one is reloaded. Garbage that
// has not been collected yet comes on top: with Go's default GOGC as much again.
type Memory struct {
	Entities      int64 // baselines and names of max_entities of each key and span, and the traces of those evicted
	Seasons       int64 // rhythms of all entities of rules' own keys, which those have that were active in eight windows
	Windows       int64 // sums of the open window and the next, all entities being active in both
	Contributors  int64 // tallies of who sent what, of the sums that are near their threshold
	Streams       int64 // counters: nothing where no metrics come
	RunningTotals int64 // connections: nothing where nobody reports running totals
	Gate          int64 // alerts that left, so that the same is not told again
	Pending       int64 // alerts that wait for the next consumer
}

// Total is the sum of the parts.
func (m Memory) Total() int64 {
	return m.Entities + m.Seasons + m.Windows + m.Contributors + m.Streams + m.RunningTotals + m.Gate + m.Pending
}

// Sizes in bytes, of a 64-bit system. Those that are made of structs of other packages stand for these, and for what the
// allocator adds; TestTheFootprintIsWhatIsTaken fills each and measures.
const (
	entityBytes  = 72  // an entity without its name
	ghostBytes   = 14  // the trace of an evicted one, as a share of max_entities
	tableBytes   = 260 // a season table and whose it is
	sumBytes     = 32
	outlookBytes = 56
	slotBytes    = 8  // of a window's table
	indexBytes   = 4  // a slot from a hash to an entity
	placeBytes   = 17 // a slot of a map from a hash to a place
	mainBytes    = 8  // the hash of an entity's key in another space

	tallies        = 4096
	tallyBytes     = 7300    // with 32 kinds of flow and their names, which the keys of a flow share, and ids of flows
	metBytes       = 1 << 20 // since when contributors have been met
	hashBytes      = 110     // a pseudonym that is remembered
	streamBytes    = 48      // of a cumulative counter
	deltaBytes     = 72      // of a delta counter
	groupBytes     = 56      // of the counters of one sender
	bucketBytes    = 4
	gateEntities   = 1 << 15
	gateBytes      = 620     // an entity that has alerted and its group: one window told of, and one sender
	dryRunEntities = 1 << 12 // the same of rules in dry run
	alertBytes     = 1000    // a finding without contributors
	namedBytes     = 90      // a contributor
	flowIDBytes    = 48
)

// Footprint says how much memory an observer of a configuration that Validate has passed takes at most, whatever is
// sent to it: for all traffic or, where tenants are told apart, for each of them, for the one whom no record names and for the
// one of those who found no room.
func Footprint(cfg *config.Config) (Memory, error) {
	rules, err := cfg.EnabledRules()
	if err != nil {
		return Memory{}, err
	}
	return footprint(cfg, rules), nil
}

func footprint(cfg *config.Config, rules []rule.Rule) Memory {
	s := Detection(cfg, rules)
	m := Memory{
		Contributors:  tallies*tallyBytes + metBytes + pseudonymBytes(&cfg.Contributors.Hash),
		Streams:       streamsFootprint(),
		RunningTotals: totalsFootprint(),
		Gate:          gateEntities * gateBytes,
		Pending:       maxPending * findingBytes(&s.Contributors),
	}
	if slices.ContainsFunc(rules, func(r rule.Rule) bool { return r.DryRun }) {
		m.Gate += dryRunEntities * gateBytes
	}
	for _, k := range keysOf(s.Watches) {
		n := k.entities()
		m.Entities += grown(n)*entityBytes + n*(k.nameBytes()+ghostBytes) + indexSlots(n)*indexBytes
		if k.owners > 1 {
			m.Entities += grown(n*int64(k.owners)) * mainBytes
		}
		if !k.detail {
			m.Seasons += grown(n) * tableBytes
		}
		m.Windows += 2 * (grown(n)*(sumBytes+outlookBytes) + halfFull(n)*slotBytes)
	}
	return m
}

// pseudonymBytes is what the pseudonyms take that are remembered, of names and of addresses, in two generations each.
func pseudonymBytes(h *config.Hash) int64 {
	if len(h.Fields) == 0 {
		return 0
	}
	return 4 * pseudonym.Generation * hashBytes
}

// findingBytes is what an alert takes that waits.
func findingBytes(c *detector.Contributors) int64 {
	return int64(alertBytes + len(c.Fields)*c.Max*namedBytes + c.FlowIDs*flowIDBytes)
}

// key is what a detector keeps entities of: a rule's own key, or a detail key that rules may share.
type key struct {
	span   time.Duration
	by     [][]flow.Field // of the rules that it is for
	fields []flow.Field
	owners int
	limit  int
	detail bool
}

// keysOf lists the keys of all spans. A detail key is shared by rules whose own keys differ.
func keysOf(watches []detector.Watch) []*key {
	var keys []*key
	for _, w := range watches {
		for _, span := range w.Spans {
			keys = append(keys, &key{span: span, fields: w.By, owners: 1, limit: w.MaxEntities})
			for _, fields := range w.Details {
				at := slices.IndexFunc(keys, func(k *key) bool { return k.serves(&w, span, fields) })
				if at < 0 {
					at = len(keys)
					keys = append(keys, &key{span: span, fields: fields, detail: true})
				}
				k := keys[at]
				k.by, k.owners, k.limit = append(k.by, w.By), k.owners+1, max(k.limit, w.MaxEntities)
			}
		}
	}
	return keys
}

func (k *key) serves(w *detector.Watch, span time.Duration, fields []flow.Field) bool {
	return k.detail && k.span == span && sameFields(k.fields, fields) &&
		!slices.ContainsFunc(k.by, func(by []flow.Field) bool { return sameFields(by, w.By) })
}

// sameFields says whether two keys have the same fields, in whatever order.
func sameFields(a, b []flow.Field) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(f flow.Field) bool { return !slices.Contains(b, f) })
}

// entities is how many there can be: no more than the key has values, and the one that stands for the rest.
func (k *key) entities() int64 {
	n := int64(k.limit)
	if len(k.fields) == 1 {
		switch k.fields[0] {
		case flow.DestinationPort:
			n = min(n, 1<<16-1)
		case flow.DestinationCountry:
			n = min(n, 26*26)
		}
	}
	return n + 1
}

// nameBytes is what the name of an entity takes: each value with its length before it, in a block of
// the allocator's, whose small sizes are 8 and multiples of 16.
func (k *key) nameBytes() (n int64) {
	usual := [flow.FieldCount]int64{
		flow.DestinationPort: 5, flow.DestinationRegion: 12, flow.DestinationCountry: 2, flow.DestinationAddress: 14,
		flow.Host: 12, flow.SourceAddress: 10, flow.User: 10, flow.Process: 10,
	}
	for _, f := range k.fields {
		n += 1 + usual[f]
	}
	if n <= 8 {
		return 8
	}
	return (n + 15) &^ 15
}

// grown is how many places a slice has that has grown to n elements by append: it doubles up to 256, and
// then grows by a quarter and 192.
func grown(n int64) int64 {
	const threshold = 256
	room := int64(1)
	for room < n {
		if room < threshold {
			room *= 2
		} else {
			room += (room + 3*threshold) / 4
		}
	}
	return room
}

// mapSlots is how many slots a map of n elements has: a power of two of which seven eighths may be taken.
func mapSlots(n int64) int64 { return 1 << bits.Len64(uint64(n*8/7)) }

// indexSlots is how many slots an index of n entities has: a power of two of which three quarters may be taken.
func indexSlots(n int64) int64 { return 1 << bits.Len64(uint64(n*4/3)) }

// halfFull is how many slots a table has that is at most half full.
func halfFull(n int64) int64 { return 1 << bits.Len64(uint64(2*n)) }

// streamsFootprint is that of counters of both temporalities, a million each, and of their senders.
func streamsFootprint() int64 {
	return grown(stream.MaxStreams)*(streamBytes+deltaBytes) + 2*mapSlots(stream.MaxStreams*7/8)*bucketBytes +
		grown(stream.MaxGroups)*groupBytes + mapSlots(stream.MaxGroups*7/8)*bucketBytes
}

// totalsFootprint is that of running totals, in two generations.
func totalsFootprint() int64 {
	const generation = maxSeries / 2
	return 2 * (grown(generation)*int64(unsafe.Sizeof(entry{})) + mapSlots(generation)*placeBytes)
}
