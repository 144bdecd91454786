package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// known is what the storage holds, as far as it has been read.
type known struct {
	manifest
	slots uint32 // what the ledger says
	// found are the bytes of both manifests.
	found [2][]byte
	// unreadable says why found is no manifest, though something is there.
	unreadable error
	// sound is what both manifests should be, nil if they are.
	sound    []byte
	restored bool // from what had been set aside
}

// read finds the committed set: that of the manifest, else of its copy; and instead of it one that was set aside, if it
// can be read by now.
func (s *Store) read(ctx context.Context) (*known, error) {
	s.dirty = true
	var k known
	current, at, err := s.readManifests(ctx, &k.found, manifestKey, manifestCopyKey)
	if err != nil {
		return nil, err
	}
	k.unreadable = at.err
	if current != nil {
		k.manifest = *current
		if !bytes.Equal(k.found[0], k.found[1]) {
			k.sound = k.found[at.index]
		}
		if err := s.restore(ctx, &k); err != nil {
			return nil, err
		}
	}
	ledger, err := s.get(ctx, ledgerKey)
	if err != nil {
		return nil, err
	}
	k.slots = writtenSlots(&k, ledger)
	return &k, nil
}

// verdict says which of two manifests counts, or why none does.
type verdict struct {
	index int
	err   error
}

// readManifests returns the newer one of those that can be read. Where none can, the verdict says why, and is nil if
// there is nothing.
func (s *Store) readManifests(ctx context.Context, found *[2][]byte, keys ...string) (*manifest, verdict, error) {
	var best *manifest
	var v verdict
	for i, key := range keys {
		frame, err := s.get(ctx, key)
		if err != nil {
			return nil, v, err
		}
		if frame == nil {
			continue
		}
		found[i] = frame
		m, err := decodeManifest(frame, s.version)
		switch {
		case err != nil && (v.err == nil || errors.Is(err, ErrNewer)):
			v.err = fmt.Errorf("the manifest of the checkpoint, key %q: %w", key, err)
		case err == nil && (best == nil || m.generation > best.generation):
			best, v.index = m, i
		}
	}
	if best != nil {
		v.err = nil
	}
	return best, v, nil
}

// restore takes the set that was set aside for the committed one, if it can be read. That of a newer version can be once that
// version is back.
func (s *Store) restore(ctx context.Context, k *known) error {
	if k.aside == (aside{}) {
		return nil
	}
	var found [2][]byte
	set, _, err := s.readManifests(ctx, &found, asideKey, asideCopyKey)
	if err != nil || set == nil {
		return err
	}
	// Its own generation may be below that of the set it replaces, and must not be taken for an older manifest.
	set.generation = max(set.generation, k.generation)
	set.aside = aside{}
	k.manifest, k.restored = *set, true
	return nil
}

// writtenSlots returns below which number slots may have been written to.
func writtenSlots(k *known, ledger []byte) uint32 {
	var slots uint32
	nothing := k.found[0] == nil && k.found[1] == nil
	if ledger != nil || !nothing {
		slots = decodeLedger(ledger)
	}
	for slot := range k.inUse() {
		slots = max(slots, slot+1)
	}
	return max(slots, k.aside.slots)
}

// mend writes the manifest that is sound over one that is damaged or older.
func (s *Store) mend(ctx context.Context) error {
	sound := s.known.sound
	if sound == nil {
		return nil
	}
	for i, key := range []string{manifestKey, manifestCopyKey} {
		if bytes.Equal(s.known.found[i], sound) {
			continue
		}
		if err := s.set(ctx, key, sound); err != nil {
			return err
		}
	}
	s.known.sound = nil
	return nil
}

func (s *Store) get(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := ctx.Err()
	if err == nil {
		value, err = s.client.Get(ctx, key)
	}
	if err != nil {
		return nil, fmt.Errorf("reading key %q of the storage: %w", key, err)
	}
	return value, nil
}

func (s *Store) set(ctx context.Context, key string, value []byte) error {
	err := ctx.Err()
	if err == nil {
		err = s.client.Set(ctx, key, value)
	}
	if err != nil {
		return fmt.Errorf("writing key %q of the storage, %d bytes: %w", key, len(value), err)
	}
	return nil
}

// deleteBatch is how many keys are deleted at once.
const deleteBatch = 256

// delete deletes keys in batches. It does not matter whether they are atomic.
func (s *Store) delete(ctx context.Context, keys []string) error {
	for len(keys) > 0 {
		n := min(len(keys), deleteBatch)
		ops := make([]*storage.Operation, n)
		for i, key := range keys[:n] {
			ops[i] = storage.DeleteOperation(key)
		}
		err := ctx.Err()
		if err == nil {
			err = s.client.Batch(ctx, ops...)
		}
		if err != nil {
			return fmt.Errorf("deleting %d keys of the storage from %q on: %w", n, keys[0], err)
		}
		keys = keys[n:]
	}
	return nil
}
