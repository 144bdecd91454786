package observer

import (
	"maps"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
)

// healthVersion is that of the state written here, and the newest that can be read.
const healthVersion = 1

// note notes what was told, so that it is not told again, and returns what writes it.
func (h *health) note() (save func(w *codec.Writer)) {
	noted := *h
	noted.stale = maps.Clone(h.stale)
	return func(w *codec.Writer) {
		w.Uint(healthVersion)
		w.Bool(noted.warming)
		w.Bool(noted.ready)
		w.Uint(uint64(len(noted.stale)))
		for _, path := range slices.Sorted(maps.Keys(noted.stale)) {
			w.Text(path)
			w.Time(noted.stale[path])
		}
		for _, t := range [...]time.Time{noted.checkAt, noted.newest, noted.since} {
			w.Time(t)
		}
	}
}

// load replaces what was told by what save wrote. Event time runs on with the clock from where it was, as if
// the clock had been looked at all the time. If the state cannot be read, all is as it was, and the error
// wraps codec.ErrMalformed. Where what was learned is lost, do not load: that the warm-up begins is news then.
func (h *health) load(r *codec.Reader) error {
	r.Version(healthVersion, "a health")
	loaded := health{lasts: h.lasts, warming: r.Bool(), ready: r.Bool()}
	for range r.Count(2) {
		if loaded.stale == nil {
			loaded.stale = map[string]time.Time{}
		}
		loaded.stale[r.Text()] = r.Time()
	}
	for _, t := range [...]*time.Time{&loaded.checkAt, &loaded.newest, &loaded.since} {
		*t = r.Time()
	}
	if err := r.Err(); err != nil {
		return err
	}
	*h = loaded
	return nil
}
