package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

var (
	// ErrDamaged is wrapped where bytes were read that nobody has written so.
	ErrDamaged = errors.New("damaged")
	// ErrNewer is wrapped where a newer version of this package wrote what was read.
	ErrNewer = errors.New("written by a newer version")
	// ErrMissing is wrapped where a shard is not there though it was committed.
	ErrMissing = errors.New("missing")
	// ErrUnknown is returned by Tx.Keep for what the committed set does not have, or has lost.
	ErrUnknown = errors.New("no such shard was committed")
	// ErrLimit is returned where a shard or a set is larger than it may be.
	ErrLimit = errors.New("over the limit")
	// ErrDuplicate is wrapped where a shard is put or kept twice.
	ErrDuplicate = errors.New("already in the set")
	// ErrBusy is returned while a transaction is open that was neither committed nor aborted.
	ErrBusy = errors.New("a transaction is open; commit or abort it first")
	// ErrClosed is returned by a transaction that was committed or aborted.
	ErrClosed = errors.New("the transaction has ended; begin another one")
)

// retention is for how long a set is kept that could not be read; the package's comment says why.
const retention = 14 * 24 * time.Hour

// Options are what a Store need not be told.
type Options struct {
	// Logger hears of what failed without harm: nothing by default.
	Logger *zap.Logger
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// Store keeps one set of shards in a storage client. It is not safe for concurrent use, and no other Store may use the
// same client. After an error, the next call of any method works if the storage does.
type Store struct {
	client  storage.Client
	logger  *zap.Logger
	now     func() time.Time
	version uint32 // what is written and understood; tests pretend to be newer

	// known is what the storage holds; nil where it must be read.
	known *known
	// lost has the committed shards that Load could not give.
	lost map[string]lostShard
	// dirty: slots may hold what nobody needs, and which ones is not known.
	dirty bool
	tx    *Tx // the open one
}

type lostShard struct {
	shard
	there bool // its bytes are
}

// Open returns a Store over a client, which remains the caller's to close. Nothing is read yet.
func Open(client storage.Client, o Options) *Store {
	s := &Store{client: client, logger: o.Logger, now: o.Now, version: version}
	if s.logger == nil {
		s.logger = zap.NewNop()
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Report says what Load found.
type Report struct {
	// Generation counts commits from 1; 0: nothing was loaded.
	Generation uint64
	// Saved is when the set was committed.
	Saved time.Time
	// Shards and Bytes are what was loaded.
	Shards int
	Bytes  int64
	// Lost are the shards that are in the set and could not be loaded, by name.
	Lost []Lost
	// Unreadable says, wrapping ErrNewer or ErrDamaged, why nothing was loaded though something is there.
	// nil and no Generation: nothing was ever saved.
	Unreadable error
	// Restored: this set had been set aside by an older version, or while its manifest could not be read. What was saved
	// since is dropped for it.
	Restored bool
}

// Lost is a shard that could not be loaded.
type Lost struct {
	Name string
	// Key is where the storage has its bytes, also after the next commit; empty if there are none.
	Key string
	// Err wraps ErrDamaged, ErrNewer, ErrMissing or what visit returned.
	Err error
}

// Load calls visit with each sound shard of the set that was committed last, in the order of names, one at a
// time: no more than one is held in memory. The bytes are valid until visit returns and must
// not be changed. A shard for which visit returns an error counts as lost, and its bytes are kept like damaged ones.
//
// The error is one of the storage or of ctx, and then the report is of what was loaded until then. Load writes
// nothing. While a transaction is open it returns ErrBusy.
func (s *Store) Load(ctx context.Context, visit func(name string, data []byte) error) (Report, error) {
	if s.tx != nil {
		return Report{}, ErrBusy
	}
	s.forget()
	k, err := s.read(ctx)
	if err != nil {
		return Report{}, err
	}
	s.lost = make(map[string]lostShard)
	report := Report{Generation: k.generation, Saved: k.saved, Unreadable: k.unreadable, Restored: k.restored}
	for _, name := range k.names() {
		if err := s.loadShard(ctx, name, k.shards[name], visit, &report); err != nil {
			return report, err
		}
	}
	s.known = k
	return report, nil
}

// loadShard visits a shard or reports it lost. The error is the storage's.
func (s *Store) loadShard(ctx context.Context, name string, want shard, visit func(string, []byte) error, report *Report) error {
	key := slotKey(want.slot)
	frame, err := s.get(ctx, key)
	if err != nil {
		return err
	}
	data, err := s.openShard(frame, want)
	if err == nil {
		err = visit(name, data)
	}
	if err == nil {
		report.Shards++
		report.Bytes += int64(len(data))
		return nil
	}
	s.lost[name] = lostShard{shard: want, there: frame != nil}
	if frame == nil {
		key = ""
	}
	report.Lost = append(report.Lost, Lost{Name: name, Key: key, Err: fmt.Errorf("shard %q: %w", name, err)})
	return nil
}

func (s *Store) openShard(frame []byte, want shard) ([]byte, error) {
	if frame == nil {
		return nil, ErrMissing
	}
	data, sum, err := open(shardKind, frame, s.version)
	if err != nil {
		return nil, err
	}
	if sum != want.sum {
		return nil, fmt.Errorf("%w: it is not the shard that was committed", ErrDamaged)
	}
	return data, nil
}

// Begin starts a transaction: a set that takes the committed one's place with Commit. Of what
// was never loaded, all shards are taken for sound. While another transaction is open it returns ErrBusy.
func (s *Store) Begin(ctx context.Context) (*Tx, error) {
	if s.tx != nil {
		return nil, ErrBusy
	}
	if s.known == nil {
		k, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		s.known = k
	}
	if err := s.mend(ctx); err != nil {
		return nil, err
	}
	s.tx = newTx(s)
	return s.tx, nil
}

// isLost says whether Load could not give a shard of the committed set.
func (s *Store) isLost(name string) bool {
	l, ok := s.lost[name]
	return ok && s.known != nil && s.known.shards[name] == l.shard
}

// forget makes the next call read what the storage holds, since it may hold something else.
func (s *Store) forget() { s.known = nil }
