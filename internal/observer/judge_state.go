package observer

import (
	"maps"
	"slices"

	"github.com/otel-exfil/exfil/internal/codec"
)

// judgeVersion is that of the state written here, and the newest that can be read. The first knew no rules in dry run.
const judgeVersion = 2

// note notes what was decided, and returns what writes it.
func (j *judge) note() (save func(w *codec.Writer)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	byRule, dryRun, gate := maps.Clone(j.byRule), maps.Clone(j.dryRun), j.gate.Snapshot()
	return func(w *codec.Writer) {
		w.Uint(judgeVersion)
		byRule.save(w)
		dryRun.save(w)
		gate.Save(w)
	}
}

func (d decisions) save(w *codec.Writer) {
	w.Uint(uint64(len(d)))
	for _, id := range slices.Sorted(maps.Keys(d)) {
		w.Text(id)
		w.Int(d[id])
	}
}

// load adds to d what save wrote, but for rules that are not in it.
func (d decisions) load(r *codec.Reader) {
	for range r.Count(2) {
		id, n := r.Text(), r.Natural()
		if _, known := d[id]; known {
			d[id] = n
		}
	}
}

// load replaces what was decided by what save wrote, rules left out that are no more. If that cannot be read, all
// is as it was, and the error wraps codec.ErrMalformed.
func (j *judge) load(r *codec.Reader) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	byRule, dryRun := maps.Clone(j.byRule), maps.Clone(j.dryRun)
	version := r.Uint()
	if version < 1 || version > judgeVersion {
		r.Fail("decisions of version %d; versions 1 and %d can be read", version, judgeVersion)
	}
	byRule.load(r)
	if version > 1 {
		dryRun.load(r)
	}
	if err := j.gate.Load(r, j.clock().Add(j.skew)); err != nil {
		return err
	}
	j.byRule, j.dryRun = byRule, dryRun
	return nil
}
