package observer

import (
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
	"github.com/otel-exfil/exfil/internal/stream"
)

// tenantSnapshot is all that a tenant knows at one moment, see Snapshot.
type tenantSnapshot struct {
	tenant   *tenant
	prefix   string  // of the names of its shards
	papers   []paper // not handed out yet
	detector *detector.Snapshot
	streams  *stream.Snapshot
	totals   *totalsSnapshot
	pages    [2]int
}

// snapshot takes a snapshot, whose shards' names begin with prefix; nobody commits meanwhile.
func (t *tenant) snapshot(prefix string) *tenantSnapshot {
	n := &tenantSnapshot{
		tenant:   t,
		prefix:   prefix,
		detector: t.detector.Snapshot(),
	}
	if prefix != "" {
		n.papers = append(n.papers, paper{"", t.saveName})
	}
	n.papers = append(n.papers, paper{alertsShard, t.noteAlerts()})
	t.admission.Lock()
	defer t.admission.Unlock()
	n.streams, n.totals = t.streams.Snapshot(), t.totals.snapshot()
	if t.calendars.Len() > 0 {
		n.papers = append(n.papers, paper{calendarsShard, t.calendars.Note()})
	}
	if t.exceptions.Len() > 0 {
		n.papers = append(n.papers, paper{exceptionsShard, t.exceptions.Note()})
	}
	return n
}

// saveName writes whose the shards are that follow.
func (t *tenant) saveName(w *codec.Writer) {
	w.Uint(tenantVersion)
	w.Text(t.partition.attribute)
	w.Text(t.partition.metadata)
	w.Text(t.name())
}

// noteAlerts notes what was told, what waits to be told, and what is held back.
func (t *tenant) noteAlerts() (save func(w *codec.Writer)) {
	t.checking.Lock()
	health := t.health.note()
	t.checking.Unlock()
	judge, pending := t.judge.note(), t.pending.note()
	return func(w *codec.Writer) {
		health(w)
		judge(w)
		pending(w)
	}
}

// next writes one shard, as Snapshot.Next does.
func (n *tenantSnapshot) next(w *codec.Writer) (name string, unchanged, ok bool) {
	name, unchanged, ok = n.own(w)
	return shardName(n.prefix, name), unchanged, ok
}

// own writes one shard, whose name has no prefix yet.
func (n *tenantSnapshot) own(w *codec.Writer) (name string, unchanged, ok bool) {
	if len(n.papers) > 0 {
		next := n.papers[0]
		n.papers = n.papers[1:]
		next.save(w)
		return next.name, false, true
	}
	if name, unchanged, ok = n.detector.Next(w); ok {
		return name, unchanged, true
	}
	n.tenant.admission.Lock()
	defer n.tenant.admission.Unlock()
	for i, next := range [...]func(*codec.Writer) bool{n.streams.Next, n.totals.next} {
		if next(w) {
			n.pages[i]++
			return fmt.Sprintf("%s%05d", [...]string{streamsPrefix, totalsPrefix}[i], n.pages[i]), false, true
		}
	}
	return "", false, false
}

// tenantLoader loads a tenant's part of a snapshot.
type tenantLoader struct {
	fresh    *tenant // of which only the parts that learn are made
	detector *detector.Loader
	streams  *stream.Loader
	totals   *totalsLoader
	excepted []rule.ExceptionMemory // of exceptions
	expected []rule.ExceptionMemory // of calendars
}

func (s *shared) loader(name string) (*tenantLoader, error) {
	fresh, err := newTenant(s, name)
	if err != nil {
		return nil, err
	}
	return &tenantLoader{
		fresh:    fresh,
		detector: fresh.detector.Loader(),
		streams:  stream.NewLoader(streamOptions(s.config, s.now())),
		totals:   newTotalsLoader(maxSeries),
	}, nil
}

// visit takes over one shard, as Loader.Visit does. Identified says that the key is known by which connections and streams
// were told apart.
func (l *tenantLoader) visit(name string, data []byte, identified bool) error {
	switch {
	case name == alertsShard:
		return l.alerts(data)
	case name == calendarsShard:
		return readMemories(data, &l.expected)
	case name == exceptionsShard:
		return readMemories(data, &l.excepted)
	case l.detector.Owns(name):
		return l.detector.Visit(name, data)
	case strings.HasPrefix(name, streamsPrefix) && identified:
		return l.streams.Page(data)
	case strings.HasPrefix(name, totalsPrefix) && identified:
		return l.totals.page(data)
	}
	return nil // of a later version, which says nothing that could be used, or worth nothing without the key
}

func (l *tenantLoader) alerts(data []byte) error {
	r := codec.NewReader(data)
	for _, load := range [...]func(*codec.Reader) error{l.fresh.health.load, l.fresh.judge.load, l.fresh.pending.load} {
		if err := load(r); err != nil {
			return err
		}
	}
	settings := l.fresh.detection(l.fresh.rules)
	l.fresh.judge.rename(&settings)
	l.fresh.pending.trim(&settings)
	return r.End()
}

// readMemories reads what is kept of exceptions, or of calendars.
func readMemories(data []byte, into *[]rule.ExceptionMemory) error {
	r := codec.NewReader(data)
	memories, err := rule.ReadExceptionMemories(r)
	if err != nil {
		return err
	}
	*into = memories
	return r.End()
}

// take puts what a loader has loaded, which has finished, into the place of what the tenant has learned meanwhile; nobody
// commits. Identified says that connections and streams are told apart as they were.
func (t *tenant) take(l *tenantLoader, identified bool) {
	fresh := l.fresh
	if fresh.detector.Stats().Newest.IsZero() {
		fresh.health = health{lasts: t.config.WarmUp} // what was learned is lost: that it begins again is news
	}
	t.admission.Lock()
	defer t.admission.Unlock()
	t.checking.Lock()
	defer t.checking.Unlock()
	t.detector, t.health = fresh.detector, fresh.health
	fresh.judge.queue = &t.pending
	t.judge = fresh.judge
	t.pending.adopt(&fresh.pending)
	t.exceptions.Remember(l.excepted)
	t.calendars.Remember(l.expected)
	if identified {
		t.takeStreams(l)
	}
}

func (t *tenant) takeStreams(l *tenantLoader) {
	var err error
	if t.streams, err = l.streams.End(); err != nil {
		t.logger.Warn("Some of what is known of counters is lost", zap.Error(err))
	}
	t.totals = l.totals.end()
}
