package observer

import (
	"slices"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/detector"
)

// What an observer knows is written in shards, whose names sort in the order in which they are loaded. What
// it has counted for telemetry is of one process, and begins at nothing.
const (
	alertsShard     = "alerts"
	calendarsShard  = "calendars"
	exceptionsShard = "exceptions"
	identityShard   = "identity"
	streamsPrefix   = "streams/"
	totalsPrefix    = "totals/"
)

// identityVersion is that of the shard of identities written here, and the newest that can be read.
const identityVersion = 1

// Snapshot is all that an observer knows at one moment between two batches, in shards. Running totals and streams
// of counters are as they are when their shard is written: of what comes in between, the detector of
// whoever loads it knows nothing, and they do; so it is missing, and never counted twice.
type Snapshot struct {
	papers  []paper // not handed out yet
	tenants []*tenantSnapshot
	left    []*tenantSnapshot // of tenants, those with shards not handed out yet
}

// paper is a shard that is written in one go.
type paper struct {
	name string
	save func(w *codec.Writer)
}

// Snapshot takes a snapshot, once windows that are closing have closed. It holds the path for a moment only. The one before must have
// been released.
func (o *Observer) Snapshot() *Snapshot {
	o.hold()
	defer o.cut.Unlock()
	n := &Snapshot{papers: []paper{{identityShard, o.saveIdentity}}}
	for i, t := range o.tenants.list() {
		n.tenants = append(n.tenants, t.snapshot(o.partition.shardsOf(i)))
	}
	n.left = n.tenants
	return n
}

// saveIdentity writes by what connections and streams are told apart. It never changes while an observer is at work.
func (o *Observer) saveIdentity(w *codec.Writer) {
	w.Uint(identityVersion)
	key := o.decoder.Key()
	w.Text(string(key[:]))
}

// Next writes one shard into w, after what is in it, and returns its name; false: there is none left. Unchanged says
// that the snapshot before had the same, and nothing was written.
func (n *Snapshot) Next(w *codec.Writer) (name string, unchanged, ok bool) {
	if len(n.papers) > 0 {
		next := n.papers[0]
		n.papers = n.papers[1:]
		next.save(w)
		return next.name, false, true
	}
	for ; len(n.left) > 0; n.left = n.left[1:] {
		if name, unchanged, ok = n.left[0].next(w); ok {
			return name, unchanged, true
		}
	}
	return "", false, false
}

// Release ends the snapshot. Kept says that all its shards were kept where a Loader will be given them.
func (n *Snapshot) Release(kept bool) {
	for _, of := range n.tenants {
		of.detector.Release(kept)
	}
}

// Loader loads a snapshot into an observer. It has parts of its own, which Finish puts into service: so what is
// loaded while the observer is at work takes the place of what that has learned meanwhile.
type Loader struct {
	observer *Observer
	loading  map[string]*tenantLoader // by what the names of a tenant's shards begin with
	tenants  []*tenantLoader          // in the order in which they came
	misfit   string                   // what the snapshot tells apart, where that is something else; "": it fits
	surplus  int                      // tenants of the snapshot for whom there is no room any more
	key      *decode.Key              // nil: none was loaded, and nothing is known of connections and streams
}

// Loader returns what loads a snapshot.
func (o *Observer) Loader() (*Loader, error) {
	l := &Loader{observer: o, loading: make(map[string]*tenantLoader)}
	if o.partition.apart() {
		return l, nil
	}
	return l, l.begin("", "")
}

// begin begins to load the tenant of a name, whose shards' names begin with prefix.
func (l *Loader) begin(prefix, name string) error {
	of, err := l.observer.loader(name)
	if err != nil {
		return err
	}
	l.loading[prefix] = of
	l.tenants = append(l.tenants, of)
	return nil
}

// Visit takes over one shard; they come in the order of their names. An error says that the shard makes no
// sense, and is lost.
func (l *Loader) Visit(name string, data []byte) error {
	if name == identityShard {
		return l.identity(data)
	}
	prefix, own, ok := cutTenant(name)
	if ok && own == "" {
		return l.tenant(prefix, data)
	}
	if of := l.loading[prefix]; of != nil {
		return of.visit(own, data, l.key != nil)
	}
	return l.stray(prefix, own)
}

func (l *Loader) identity(data []byte) error {
	r := codec.NewReader(data)
	r.Version(identityVersion, "identities")
	var key decode.Key
	if n := copy(key[:], r.Text()); n < len(key) {
		r.Fail("a key of %d bytes", n)
	}
	if err := r.End(); err != nil {
		return err
	}
	l.key = &key
	return nil
}

// Finish puts what was loaded into service. Before anything was decoded, that is all; later, connections and streams
// are told apart by another key, and what is known of them stays as it is.
func (l *Loader) Finish(beforeWork bool) detector.Restored {
	found := make([]detector.Restored, len(l.tenants))
	for i, of := range l.tenants {
		found[i] = of.detector.Finish()
	}
	o := l.observer
	o.hold()
	defer o.cut.Unlock()
	identified := beforeWork && l.key != nil
	if identified {
		o.decoder.SetKey(*l.key)
	}
	var restored detector.Restored
	for i, of := range l.tenants {
		t := o.tenants.admit(of.fresh.name())
		if t.name() != of.fresh.name() {
			l.surplus++
			continue
		}
		t.take(of, identified)
		restored = plusRestored(restored, found[i])
	}
	l.tellMisfits()
	return restored
}

// plusRestored says of two tenants what was found of both.
func plusRestored(a, b detector.Restored) detector.Restored {
	a.Entities += b.Entities
	for _, key := range b.Unused {
		a.Unused = included(a.Unused, key)
	}
	for _, key := range b.Anew {
		a.Anew = included(a.Anew, key)
	}
	return a
}

func included(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// TellLost makes it known that what was learned, or a part of it, is gone.
func (o *Observer) TellLost(detail string) {
	now := o.now()
	o.tenants.rest.pending.push(alert.Health{Time: now, Status: alert.StateLost, Detail: detail}, now)
}
