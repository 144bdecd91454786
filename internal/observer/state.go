package observer

import (
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/rule"
	"github.com/otel-exfil/exfil/internal/stream"
)

// What an observer knows is written in shards, whose names sort in the order in which they are loaded. What
// it has counted for telemetry is of one process, and begins at nothing.
const (
	alertsShard     = "alerts"
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
	observer *Observer
	papers   []paper // not handed out yet
	detector *detector.Snapshot
	streams  *stream.Snapshot
	totals   *totalsSnapshot
	pages    [2]int
}

// paper is a shard that is written in one go.
type paper struct {
	name string
	save func(w *codec.Writer)
}

// Snapshot takes a snapshot. It holds the path for a moment only. The one before must have been released.
func (o *Observer) Snapshot() *Snapshot {
	o.cut.Lock()
	defer o.cut.Unlock()
	n := &Snapshot{
		observer: o,
		papers:   []paper{{alertsShard, o.noteAlerts()}, {identityShard, o.saveIdentity}},
		detector: o.detector.Snapshot(),
	}
	o.admission.Lock()
	defer o.admission.Unlock()
	n.streams, n.totals = o.streams.Snapshot(), o.totals.snapshot()
	if o.exceptions.Len() > 0 {
		n.papers = slices.Insert(n.papers, 1, paper{exceptionsShard, o.exceptions.Note()})
	}
	return n
}

// noteAlerts notes what was told, what waits to be told, and what is held back.
func (o *Observer) noteAlerts() (save func(w *codec.Writer)) {
	o.checking.Lock()
	health := o.health.note()
	o.checking.Unlock()
	judge, pending := o.judge.note(), o.pending.note()
	return func(w *codec.Writer) {
		health(w)
		judge(w)
		pending(w)
	}
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
	if name, unchanged, ok = n.detector.Next(w); ok {
		return name, unchanged, true
	}
	n.observer.admission.Lock()
	defer n.observer.admission.Unlock()
	for i, next := range [...]func(*codec.Writer) bool{n.streams.Next, n.totals.next} {
		if next(w) {
			n.pages[i]++
			return fmt.Sprintf("%s%05d", [...]string{streamsPrefix, totalsPrefix}[i], n.pages[i]), false, true
		}
	}
	return "", false, false
}

// Release ends the snapshot. Kept says that all its shards were kept where a Loader will be given them.
func (n *Snapshot) Release(kept bool) { n.detector.Release(kept) }

// Loader loads a snapshot into an observer. It has parts of its own, which Finish puts into service: so what is
// loaded while the observer is at work takes the place of what that has learned meanwhile.
type Loader struct {
	observer *Observer
	fresh    *Observer // of which only the parts that learn are made
	detector *detector.Loader
	streams  *stream.Loader
	totals   *totalsLoader
	excepted []rule.ExceptionMemory
	key      *decode.Key // nil: none was loaded, and nothing is known of connections and streams
}

// Loader returns what loads a snapshot.
func (o *Observer) Loader() (*Loader, error) {
	fresh := &Observer{logger: o.logger, now: o.now}
	if err := fresh.equip(o.config, o.rules); err != nil {
		return nil, err
	}
	fresh.pending.discards = o.pending.discards
	return &Loader{
		observer: o,
		fresh:    fresh,
		detector: fresh.detector.Loader(),
		streams:  stream.NewLoader(streamOptions(o.config, o.now())),
		totals:   newTotalsLoader(maxSeries),
	}, nil
}

// Visit takes over one shard; they come in the order of their names. An error says that the shard makes no
// sense, and is lost.
func (l *Loader) Visit(name string, data []byte) error {
	switch {
	case name == alertsShard:
		return l.alerts(data)
	case name == exceptionsShard:
		return l.exceptions(data)
	case name == identityShard:
		return l.identity(data)
	case l.detector.Owns(name):
		return l.detector.Visit(name, data)
	case strings.HasPrefix(name, streamsPrefix) && l.key != nil:
		return l.streams.Page(data)
	case strings.HasPrefix(name, totalsPrefix) && l.key != nil:
		return l.totals.page(data)
	}
	return nil // of a later version, which says nothing that could be used, or worth nothing without the key
}

func (l *Loader) alerts(data []byte) error {
	r := codec.NewReader(data)
	for _, load := range [...]func(*codec.Reader) error{l.fresh.health.load, l.fresh.judge.load, l.fresh.pending.load} {
		if err := load(r); err != nil {
			return err
		}
	}
	return r.End()
}

func (l *Loader) exceptions(data []byte) error {
	r := codec.NewReader(data)
	memories, err := rule.ReadExceptionMemories(r)
	if err != nil {
		return err
	}
	l.excepted = memories
	return r.End()
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
	restored := l.detector.Finish()
	o, fresh := l.observer, l.fresh
	if fresh.detector.Stats().Newest.IsZero() {
		fresh.health = health{lasts: o.config.WarmUp} // what was learned is lost: that it begins again is news
	}
	o.cut.Lock()
	defer o.cut.Unlock()
	o.admission.Lock()
	defer o.admission.Unlock()
	o.checking.Lock()
	defer o.checking.Unlock()
	o.detector, o.health = fresh.detector, fresh.health
	if o.readings.top > 0 {
		o.detector.KeepReadings(o.readings.top)
	}
	fresh.judge.queue = &o.pending
	o.judge = fresh.judge
	o.pending.adopt(&fresh.pending)
	o.exceptions.Remember(l.excepted)
	if beforeWork && l.key != nil {
		o.decoder.SetKey(*l.key)
		o.takeStreams(l)
	}
	return restored
}

func (o *Observer) takeStreams(l *Loader) {
	var err error
	if o.streams, err = l.streams.End(); err != nil {
		o.logger.Warn("Some of what is known of counters is lost", zap.Error(err))
	}
	o.totals = l.totals.end()
}

// adopt appends what waited in another queue. A delivery of what is in this one may be under way: its oldest stay where
// they are.
func (p *pending) adopt(from *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, from.queue...)
	p.waiting.Store(int64(len(p.queue)))
	p.dropped.Add(from.dropped.Load())
}

// equip makes the parts that learn.
func (o *Observer) equip(cfg *config.Config, rules []rule.Rule) (err error) {
	if o.detector, err = detector.New(Detection(cfg, rules)); err != nil {
		return fmt.Errorf("detector: %w", err)
	}
	o.config, o.rules = cfg, rules
	o.totals = newTotals(maxSeries)
	o.streams = stream.New(streamOptions(cfg, o.now()))
	o.health = health{lasts: cfg.WarmUp}
	o.judge = newJudge(cfg, rules, &o.pending)
	return nil
}

// TellLost makes it known that what was learned, or a part of it, is gone.
func (o *Observer) TellLost(detail string) {
	now := o.now()
	o.pending.push(alert.Health{Time: now, Status: alert.StateLost, Detail: detail}, now)
}
