package checkpoint

import (
	"context"
	"fmt"

	"go.uber.org/zap"
)

// Tx is a set of shards that is being written. It is not safe for concurrent use.
type Tx struct {
	store *Store
	base  *known // the set that is committed
	next  *manifest
	taken map[uint32]bool
	// protected are the lowest slots, of a set that was set aside.
	protected uint32
	free      uint32   // no slot below it is free
	written   []string // keys
	size      Size
	err       error // the first failure of Put
	ended     bool
}

// Size is what a set consists of, and what of it had to be written.
type Size struct {
	Shards, Written     int
	Bytes, WrittenBytes int64
}

func newTx(s *Store) *Tx {
	t := &Tx{store: s, base: s.known, taken: s.known.inUse(), protected: s.known.aside.slots, next: &manifest{
		generation: s.known.generation + 1,
		shards:     make(map[string]shard, len(s.known.shards)),
		aside:      s.known.aside,
	}}
	if s.known.unreadable != nil {
		// All that was ever written may be part of what cannot be read. It goes where it leaves no room for a set:
		// what is learned now is worth more than what nobody may ever read.
		if t.protected = s.known.slots; t.protected > maxSlots-ordinarySlots {
			t.protected = 0
		}
	}
	t.free = t.protected
	return t
}

// Size returns what was put and kept so far.
func (t *Tx) Size() Size { return t.size }

// Put adds a shard to the set. It is written at once, unless the committed set has a sound one of that name with the
// same bytes. data is not kept, and not changed.
//
// An error wraps ErrLimit, ErrDuplicate, one of ctx or of the storage. After one the set would lack the shard:
// Commit will refuse, and all that is left to do is Abort.
func (t *Tx) Put(ctx context.Context, name string, data []byte) error {
	if t.ended {
		return ErrClosed
	}
	if t.err == nil {
		t.err = t.put(ctx, name, data)
	}
	return t.err
}

func (t *Tx) put(ctx context.Context, name string, data []byte) error {
	if err := t.admit(name); err != nil {
		return err
	}
	if len(data) > MaxShardSize {
		return fmt.Errorf("shard %q has %d bytes, %d are the most: %w", name, len(data), MaxShardSize, ErrLimit)
	}
	sum := sumOf(prefix(shardKind, t.store.version, len(data)), data)
	if old, ok := t.base.shards[name]; ok && old.length == len(data) && old.sum == sum && !t.store.isLost(name) {
		t.add(name, old)
		return nil
	}
	slot, err := t.allot(ctx)
	if err != nil {
		return fmt.Errorf("shard %q: %w", name, err)
	}
	key := slotKey(slot)
	t.written = append(t.written, key)
	if err := t.store.set(ctx, key, seal(shardKind, t.store.version, data, sum)); err != nil {
		return fmt.Errorf("shard %q: %w", name, err)
	}
	t.add(name, shard{slot: slot, length: len(data), sum: sum})
	t.size.Written++
	t.size.WrittenBytes += int64(len(data))
	return nil
}

// Keep adds a shard to the set as it is in the committed one. It returns an error that wraps ErrUnknown where there is none, or
// Load could not give it; it can be Put then.
func (t *Tx) Keep(name string) error {
	if t.ended {
		return ErrClosed
	}
	old, ok := t.base.shards[name]
	if !ok || t.store.isLost(name) {
		return fmt.Errorf("shard %q: %w", name, ErrUnknown)
	}
	if err := t.admit(name); err != nil {
		return err
	}
	t.add(name, old)
	return nil
}

// admit says whether there may be one more shard, of that name.
func (t *Tx) admit(name string) error {
	if name == "" || len(name) > MaxNameSize {
		return fmt.Errorf("the name of a shard has 1 to %d bytes, not %d: %w", MaxNameSize, len(name), ErrLimit)
	}
	if _, ok := t.next.shards[name]; ok {
		return fmt.Errorf("shard %q was put or kept: %w", name, ErrDuplicate)
	}
	if len(t.next.shards) == MaxShards {
		return fmt.Errorf("shard %q would be one more than %d: %w", name, MaxShards, ErrLimit)
	}
	return nil
}

func (t *Tx) add(name string, s shard) {
	t.next.shards[name] = s
	t.size.Shards++
	t.size.Bytes += int64(s.length)
}

// allot returns a slot that is free, and is in the ledger.
func (t *Tx) allot(ctx context.Context) (uint32, error) {
	for t.taken[t.free] {
		t.free++
	}
	slot := t.free
	if slot >= maxSlots {
		return 0, fmt.Errorf("all %d slots of the storage are taken: %w", maxSlots, ErrLimit)
	}
	if slots := ledgerFor(slot + 1); slots > t.base.slots {
		if err := t.store.set(ctx, ledgerKey, encodeLedger(slots)); err != nil {
			return 0, err
		}
		t.base.slots = slots
	}
	t.free++
	return slot, nil
}

// Abort ends the transaction without a change to the committed set, and deletes what it has written. What cannot be
// deleted now will be by the next Commit. After Commit or Abort it does nothing, so that it can be deferred.
func (t *Tx) Abort(ctx context.Context) {
	if t.ended {
		return
	}
	t.end()
	err := t.store.delete(ctx, t.written)
	switch {
	case err != nil && ctx.Err() != nil: // as where a collector ends in the middle of a checkpoint: its last one follows
		t.store.logger.Debug("What an aborted checkpoint wrote stays in the storage until the next one", zap.Error(err))
	case err != nil:
		t.store.logger.Warn("What an aborted checkpoint wrote stays in the storage until the next one", zap.Error(err))
	}
	if err != nil || t.err != nil {
		t.store.forget()
	}
}

func (t *Tx) end() { t.ended, t.store.tx = true, nil }

// Commit makes the set the committed one: it is what Load gives from then on, and shards that were neither put nor
// kept are gone. It ends the transaction.
//
// After an error the committed set is the older one, or the newer one if the storage did what it
// says it did not; the next call finds out. No error, but a warning, is what fails once the set is committed: the
// manifest's copy, and to delete what is no longer needed. The next Commit does it.
func (t *Tx) Commit(ctx context.Context) error {
	if t.ended {
		return ErrClosed
	}
	t.end()
	s := t.store
	err := t.err
	if err == nil {
		err = t.commit(ctx)
	}
	if err != nil {
		s.forget()
		return fmt.Errorf("checkpoint not committed: %w", err)
	}
	if err := t.settle(ctx); err != nil {
		s.logger.Warn("The checkpoint is committed, but the storage not in order; the next one sees to it", zap.Error(err))
		s.forget()
	}
	return nil
}

// commit writes the manifest.
func (t *Tx) commit(ctx context.Context) error {
	s, now := t.store, t.store.now().UTC()
	t.next.saved = now
	t.next.kept = t.keep()
	if t.base.unreadable != nil {
		if err := s.setAside(ctx, t.base.found); err != nil {
			return err
		}
		t.next.aside = aside{slots: t.protected, since: now}
	}
	t.next.aside.age(now)
	s.dirty = s.dirty || t.next.aside != t.base.aside
	return s.set(ctx, manifestKey, t.next.encode(s.version))
}

// setAside keeps the manifests that could not be read. An older one must not stay in place of one that is missing.
func (s *Store) setAside(ctx context.Context, manifests [2][]byte) error {
	for i, key := range []string{asideKey, asideCopyKey} {
		var err error
		if manifests[i] == nil {
			err = s.delete(ctx, []string{key})
		} else {
			err = s.set(ctx, key, manifests[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep returns the damaged shards to keep: those lost last, then those lost before.
func (t *Tx) keep() []kept {
	var list []kept
	for _, name := range t.base.names() {
		if l := t.store.lost[name]; l.there && t.store.isLost(name) {
			list = append(list, kept{name: name, slot: l.slot})
		}
	}
	list = append(list, t.base.kept...)
	return list[:min(len(list), maxKept)]
}

// settle does what comes after the moment of the commit.
func (t *Tx) settle(ctx context.Context) error {
	s := t.store
	if err := s.set(ctx, manifestCopyKey, t.next.encode(s.version)); err != nil {
		return err
	}
	s.known, s.lost = &known{manifest: *t.next, slots: t.base.slots}, nil
	if s.dirty {
		return s.sweep(ctx)
	}
	used := t.next.inUse()
	var unused []string
	for slot := range t.taken {
		if !used[slot] {
			unused = append(unused, slotKey(slot))
		}
	}
	return s.delete(ctx, unused)
}

// sweep deletes whatever the committed set does not need.
func (s *Store) sweep(ctx context.Context) error {
	k, used := s.known, s.known.inUse()
	var unused []string
	if k.aside == (aside{}) {
		unused = append(unused, asideKey, asideCopyKey)
	}
	needed := k.aside.slots
	for slot := k.aside.slots; slot < k.slots; slot++ {
		if used[slot] {
			needed = slot + 1
		} else {
			unused = append(unused, slotKey(slot))
		}
	}
	if err := s.delete(ctx, unused); err != nil {
		return err
	}
	if slots := ledgerFor(needed); slots < k.slots {
		if err := s.set(ctx, ledgerKey, encodeLedger(slots)); err != nil {
			return err
		}
		k.slots = slots
	}
	s.dirty = false
	return nil
}
