package observer

import (
	"maps"
	"slices"

	"github.com/otel-exfil/exfil/internal/codec"
)

// judgeVersion is that of the state written here, and the newest that can be read.
const judgeVersion = 1

// note notes what was decided, and returns what writes it.
func (j *judge) note() (save func(w *codec.Writer)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	byRule, gate := maps.Clone(j.byRule), j.gate.Snapshot()
	return func(w *codec.Writer) {
		w.Uint(judgeVersion)
		w.Uint(uint64(len(byRule)))
		for _, id := range slices.Sorted(maps.Keys(byRule)) {
			w.Text(id)
			w.Int(byRule[id])
		}
		gate.Save(w)
	}
}

// load replaces what was decided by what save wrote, rules left out that are no more. If that cannot be read, all
// is as it was, and the error wraps codec.ErrMalformed.
func (j *judge) load(r *codec.Reader) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Version(judgeVersion, "decisions")
	byRule := maps.Clone(j.byRule)
	for range r.Count(2) {
		id, n := r.Text(), r.Natural()
		if _, enabled := byRule[id]; enabled {
			byRule[id] = n
		}
	}
	if err := j.gate.Load(r); err != nil {
		return err
	}
	j.byRule = byRule
	return nil
}
