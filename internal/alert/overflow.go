package alert

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// maxOverflowWindows bounds the windows that are told apart in an interval that overflows. Of more, one that several keys
// find may count more than once.
const maxOverflowWindows = 4096

// overflow collects what an interval's Overflow will tell.
type overflow struct {
	alerts   int
	bytes    int64
	score    float64 // the highest
	rules    map[string]int
	entities []OverflowEntity // in order of appearance
	others   int
	seen     map[uint64]int64 // bytes that were counted, by hash of entity and window
}

// add counts the alert that a finding would have been, and says whether it is one more: several keys
// may find one window of an entity.
func (o *overflow) add(entityKey []byte, f *detector.Finding) bool {
	w := windowHash(entityKey, windowOf(f))
	counted, again := o.seen[w]
	o.score = max(o.score, f.Score)
	o.bytes = flow.AddBytes(o.bytes, max(0, f.Actual-counted))
	o.note(w, max(counted, f.Actual))
	listed := slices.IndexFunc(o.entities, func(e OverflowEntity) bool {
		return e.Rule == f.Rule && slices.Equal(e.Values, f.Values)
	})
	if listed >= 0 {
		o.entities[listed].Score = max(o.entities[listed].Score, f.Score)
	}
	if again {
		return false
	}
	if listed >= 0 {
		o.entities[listed].Alerts++
	} else {
		o.keep(OverflowEntity{Rule: f.Rule, Fields: f.Fields, Values: f.Values, Alerts: 1, Score: f.Score})
	}
	if o.rules == nil {
		o.rules = make(map[string]int)
	}
	o.alerts++
	o.rules[f.Rule]++
	return true
}

// keep lists an entity. Where there is no room, the one of the lowest score becomes one of the others: a flood of small alerts
// does not keep a theft from being named.
func (o *overflow) keep(e OverflowEntity) {
	if len(o.entities) == OverflowEntities {
		lowest := 0
		for i := range o.entities {
			if o.entities[i].Score <= o.entities[lowest].Score {
				lowest = i
			}
		}
		if e.Score <= o.entities[lowest].Score {
			o.others += e.Alerts
			return
		}
		o.others += o.entities[lowest].Alerts
		o.entities = slices.Delete(o.entities, lowest, lowest+1)
	}
	o.entities = append(o.entities, e)
}

// note remembers that a window was counted, while there is room.
func (o *overflow) note(w uint64, bytes int64) {
	if o.seen == nil {
		o.seen = make(map[uint64]int64)
	}
	if _, known := o.seen[w]; known || len(o.seen) < maxOverflowWindows {
		o.seen[w] = bytes
	}
}

func (o *overflow) report(start time.Time, lasts time.Duration, p *passage) Overflow {
	r := Overflow{
		Start: start, End: start.Add(lasts), MaxPerInterval: p.maxPerInterval,
		Alerts: o.alerts, Bytes: o.bytes, Score: o.score, Entities: o.entities, Others: o.others, DryRun: p.dryRun,
	}
	slices.SortStableFunc(r.Entities, func(a, b OverflowEntity) int { return cmp.Compare(b.Score, a.Score) })
	for _, id := range slices.Sorted(maps.Keys(o.rules)) {
		r.Rules = append(r.Rules, OverflowRule{Rule: id, Alerts: o.rules[id]})
	}
	return r
}

// hashOf hashes a key. The hash is the same after a restart.
func hashOf(key []byte) uint64 { return xxhash.Sum64(key) }

// windowHash hashes a window of an entity.
func windowHash(entityKey []byte, w window) uint64 {
	key := binary.LittleEndian.AppendUint64(slices.Clone(entityKey), uint64(w.start))
	return hashOf(binary.LittleEndian.AppendUint64(key, uint64(w.span)))
}
