package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/checkpoint"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/observer"
)

// ErrStorage is wrapped by the error of a start whose storage is not there to be used.
var ErrStorage = errors.New("storage")

// keeper keeps what an engine knows in a storage extension: it loads what is there when the engine starts, and saves
// each interval, whenever alerts are left waiting, and at the end.
//
// A storage that fails never stops the engine. What could not be loaded is tried again until it could; until then
// nothing is saved, since that would put an engine that has begun anew in the place of weeks of learning.
type keeper struct {
	observer *observer.Observer
	still    *sync.Mutex // held while the observer is loaded or saved
	open     func(ctx context.Context) (storage.Client, error)
	logger   *zap.Logger
	now      func() time.Time
	interval time.Duration

	*watch // of the time; set by start

	// Only the watch, and what comes before and after it, uses these.
	client  storage.Client
	store   *checkpoint.Store
	next    time.Time // when to save or to load again
	waiting int64     // alerts that waited when it was saved

	loaded atomic.Bool // what was stored has been taken over, or is no more; from then on all is saved
	stats  *keeperStats
}

// keeperStats are what telemetry tells of a keeper.
type keeperStats struct {
	bytes    atomic.Int64 // that the last checkpoint consists of
	took     atomic.Int64 // nanoseconds that it took
	saved    atomic.Int64 // when it was saved, Unix nanoseconds; 0: none yet
	failures atomic.Int64 // times that loading or saving failed
}

// newKeeper returns a keeper that uses the storage extension id of a collector.
func newKeeper(set Settings, id component.ID, interval time.Duration, c Clock, o *observer.Observer, still *sync.Mutex, stats *keeperStats, host component.Host) (*keeper, error) {
	extension, ok := host.GetExtensions()[id]
	if !ok {
		return nil, fmt.Errorf("%w: %s is not running; configure it under extensions and name it in service::extensions", ErrStorage, id)
	}
	from, ok := extension.(storage.Extension)
	if !ok {
		return nil, fmt.Errorf("%w: %s is an extension that stores nothing; use one that does, such as file_storage", ErrStorage, id)
	}
	return &keeper{
		observer: o,
		still:    still,
		stats:    stats,
		open: func(ctx context.Context) (storage.Client, error) {
			return from.GetClient(ctx, set.Kind, set.ID, "")
		},
		logger:   set.Logger.With(zap.Stringer("storage", id)),
		now:      c.Now,
		interval: interval,
	}, nil
}

// start loads what is stored, and keeps it up to date from then on.
func (k *keeper) start(ctx context.Context) {
	k.next = k.now().Add(k.interval)
	k.failed(ctx, k.load(ctx, true))
	k.watch = newWatch(k.attempt)
}

// end saves what is known, and lets the storage go.
func (k *keeper) end(ctx context.Context) error {
	if !k.watch.end(ctx) {
		// A storage that does not answer is left alone with what it was given.
		return fmt.Errorf("%w: what was learned since the last checkpoint is not saved: %w", ErrStorage, ctx.Err())
	}
	var err error
	if k.loaded.Load() {
		err = k.save(ctx)
	} else {
		err = fmt.Errorf("%w: what was learned is not saved: what is stored could not be loaded", ErrStorage)
	}
	if k.client == nil {
		return err
	}
	return errors.Join(err, k.client.Close(ctx))
}

// attempt saves if it is time to, or loads what could not be loaded yet.
func (k *keeper) attempt(ctx context.Context) {
	now := k.now()
	if now.Before(k.next) && (!k.loaded.Load() || k.observer.Pending() <= k.waiting) {
		return
	}
	k.next = now.Add(k.interval)
	if k.loaded.Load() {
		k.failed(ctx, k.save(ctx))
		return
	}
	k.failed(ctx, k.load(ctx, false))
}

// failed notes what went wrong, unless the engine is about to end and will try again.
func (k *keeper) failed(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	k.stats.failures.Add(1)
	k.logger.Error("What is learned could not be kept; it will be tried again", zap.Bool("loaded", k.loaded.Load()), zap.Error(err))
}

// load takes over what is stored. BeforeWork says that the engine has been given nothing yet.
func (k *keeper) load(ctx context.Context, beforeWork bool) error {
	k.still.Lock()
	defer k.still.Unlock()
	if k.client == nil {
		client, err := k.open(ctx)
		if err != nil {
			return fmt.Errorf("opening the storage: %w", err)
		}
		k.client, k.store = client, checkpoint.Open(client, checkpoint.Options{Logger: k.logger, Now: k.now})
	}
	loader, err := k.observer.Loader()
	if err != nil {
		return err
	}
	report, err := k.store.Load(ctx, loader.Visit)
	if err != nil {
		return fmt.Errorf("loading: %w", err)
	}
	k.loaded.Store(true)
	k.tell(report, loader, beforeWork)
	return nil
}

// tell puts the loader's state into service, and says what has become of the state.
func (k *keeper) tell(report checkpoint.Report, loader *observer.Loader, beforeWork bool) {
	if report.Unreadable != nil {
		k.logger.Error("The state cannot be read and is set aside; what is usual is learned anew", zap.Error(report.Unreadable))
		k.observer.TellLost(fmt.Sprintf("The state cannot be read and is set aside (%v); what is usual is learned anew.", report.Unreadable))
	}
	if report.Generation == 0 {
		return
	}
	restored := loader.Finish(beforeWork)
	k.waiting = k.observer.Pending()
	for _, l := range report.Lost {
		k.logger.Warn("A part of the state is lost", zap.String("shard", l.Name), zap.String("key", l.Key), zap.Error(l.Err))
	}
	if len(report.Lost) > 0 {
		k.observer.TellLost(fmt.Sprintf("%d of %d parts of the state are lost; what they held is learned anew: %v.",
			len(report.Lost), report.Shards+len(report.Lost), restored.Anew))
	}
	k.logger.Info("The state of an earlier run goes on", zap.Time("saved", report.Saved), zap.Int("entities", restored.Entities),
		zap.Int64("bytes", report.Bytes), zap.Strings("learned_anew", restored.Anew), zap.Strings("not_watched_any_more", restored.Unused))
}

// save stores what is known now.
func (k *keeper) save(ctx context.Context) error {
	k.still.Lock()
	defer k.still.Unlock()
	began := time.Now()
	tx, err := k.store.Begin(ctx)
	if err != nil {
		return fmt.Errorf("saving: %w", err)
	}
	defer tx.Abort(ctx) // what cannot be deleted now is by the next checkpoint
	waiting := k.observer.Pending()
	snapshot := k.observer.Snapshot()
	err = putAll(ctx, tx, snapshot)
	if err == nil {
		err = tx.Commit(ctx)
	}
	snapshot.Release(err == nil)
	if err != nil {
		return fmt.Errorf("saving: %w", err)
	}
	k.waiting = waiting
	k.stats.bytes.Store(tx.Size().Bytes)
	k.stats.took.Store(int64(time.Since(began)))
	k.stats.saved.Store(k.now().UnixNano())
	return nil
}

// putAll puts all shards into tx. Writing them is work without a pause, and each holds up the path while it is written: so
// it makes way after each, for whoever has been held up. On a machine with a single processor they would else wait for as long as
// the runtime lets a goroutine go on, ten milliseconds and more.
func putAll(ctx context.Context, tx *checkpoint.Tx, from *observer.Snapshot) error {
	var w codec.Writer
	for {
		w.Data = w.Data[:0]
		name, unchanged, ok := from.Next(&w)
		if !ok {
			return nil
		}
		if unchanged {
			if err := tx.Keep(name); err != nil {
				return err
			}
			continue
		}
		runtime.Gosched()
		if err := tx.Put(ctx, name, w.Data); err != nil {
			return err
		}
	}
}
