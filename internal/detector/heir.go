package detector

import (
	"fmt"
	"maps"
	"slices"

	"github.com/otel-exfil/exfil/internal/codec"
)

// Heir returns a detector of other settings that knows all that d does, as far as they still ask for it; see Loader. Thresholds and
// floors hold at once, in the open windows too. Whoever puts it in d's place must keep flows from d meanwhile. It takes as long as saving
// d and loading it: two to three seconds for a million entities. No snapshot of d may be under way.
//
// It fails where the settings are not valid; d goes on in any case.
func (d *Detector) Heir(s Settings) (*Detector, Restored, error) {
	heir, err := New(s)
	if err != nil {
		return nil, Restored{}, err
	}
	shards := d.whole()
	loader := heir.Loader()
	for _, name := range slices.Sorted(maps.Keys(shards)) {
		if err := loader.Visit(name, shards[name]); err != nil {
			return nil, Restored{}, fmt.Errorf("what was learned cannot be handed on: %q: %w", name, err)
		}
	}
	restored := loader.Finish()
	heir.mu.Lock()
	defer heir.mu.Unlock()
	heir.resumed = false // time has not stood still
	return heir, restored, nil
}

// whole is a snapshot with all its shards, by their names. In the next one all is written, too.
func (d *Detector) whole() map[string][]byte {
	d.Snapshot().Release(false) // what has not changed since the one before must be in this one, too
	snapshot := d.Snapshot()
	defer snapshot.Release(false)
	shards := make(map[string][]byte)
	for {
		var w codec.Writer
		name, _, ok := snapshot.Next(&w)
		if !ok {
			return shards
		}
		shards[name] = w.Data
	}
}
