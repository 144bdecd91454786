package checkpoint

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the stories begin.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// set is a state: shards by name.
type set map[string]string

func at(now time.Time) Options { return Options{Now: func() time.Time { return now }} }

func openAtNoon(c *checkpointtest.Client) *Store { return Open(c, at(noon)) }

// ofVersion returns a store as a later version of the package has it.
func ofVersion(v uint32, c *checkpointtest.Client, now time.Time) *Store {
	s := Open(c, at(now))
	s.version = v
	return s
}

// save commits a set, and aborts where that is not possible.
func save(ctx context.Context, s *Store, state set) error {
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Abort(ctx)
	for _, name := range names(state) {
		if err := tx.Put(ctx, name, []byte(state[name])); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

func names(state set) []string {
	m := manifest{shards: map[string]shard{}}
	for name := range state {
		m.shards[name] = shard{}
	}
	return m.names()
}

func load(ctx context.Context, s *Store) (set, Report, error) {
	state := set{}
	report, err := s.Load(ctx, func(name string, data []byte) error {
		state[name] = string(data)
		return nil
	})
	return state, report, err
}

func mustSave(t testing.TB, s *Store, state set) {
	t.Helper()
	require.NoError(t, save(t.Context(), s, state))
}

func mustLoad(t testing.TB, s *Store) (set, Report) {
	t.Helper()
	state, report, err := load(t.Context(), s)
	require.NoError(t, err)
	return state, report
}

// saved returns a storage in which sets were committed one after the other.
func saved(t testing.TB, states ...set) *checkpointtest.Client {
	t.Helper()
	c := checkpointtest.New()
	s := openAtNoon(c)
	for _, state := range states {
		mustSave(t, s, state)
	}
	return c
}

// shards makes a set of n shards with the same content each.
func shards(n int, content string) set {
	state := set{}
	for i := range n {
		state[fmt.Sprintf("ports/%03d", i)] = fmt.Sprint(content, i)
	}
	return state
}

// keyOf returns where a shard of the committed set lies.
func keyOf(t testing.TB, c *checkpointtest.Client, name string) string {
	t.Helper()
	m, err := decodeManifest(c.Peek(manifestKey), version)
	require.NoError(t, err)
	require.Contains(t, m.shards, name)
	return slotKey(m.shards[name].slot)
}

// requireOnly tells that the storage holds a set of n shards, with what that needs, and the keys beside it.
func requireOnly(t testing.TB, c *checkpointtest.Client, n int, beside ...string) {
	t.Helper()
	slots, others := 0, []string{}
	for _, key := range c.Keys() {
		if strings.HasPrefix(key, "checkpoint/shard/") {
			slots++
		} else {
			others = append(others, key)
		}
	}
	require.Equal(t, n, slots, "shards in %q", c.Keys())
	want := append([]string{manifestKey, manifestCopyKey}, beside...)
	if c.Peek(ledgerKey) != nil { // without a shard there may be none
		want = append(want, ledgerKey)
	}
	require.ElementsMatch(t, want, others)
}
