package checkpoint

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
)

// change is a state of the storage and the set that is then saved.
type change struct {
	what   string
	before []set
	next   set
}

func changes() []change {
	older := set{"a": "1", "b": "2", "c": "3"}
	return []change{
		{"the first save", nil, older},
		{"some shards changed", []set{older}, set{"a": "1", "b": "20", "c": "30"}},
		{"all shards changed", []set{shards(3, "x"), older}, set{"a": "10", "b": "20", "c": "30"}},
		{"fewer shards", []set{older}, set{"b": "20"}},
		{"no shards any more", []set{older}, set{}},
		{"more shards, and more than the ledger's step", []set{older}, with(shards(70, "y"), older)},
		{"nothing changed", []set{older}, older},
	}
}

func with(state, more set) set {
	for name, data := range more {
		state[name] = data
	}
	return state
}

// last returns the set that was committed last, empty if none was.
func (c change) last() set {
	if len(c.before) == 0 {
		return set{}
	}
	return c.before[len(c.before)-1]
}

// each calls story for each call of the storage that a load and a save of the change take, and each effect that the call can have
// before it fails.
func (c change) each(t *testing.T, story func(t *testing.T, client *checkpointtest.Client, n int, effect checkpointtest.Effect)) {
	base := saved(t, c.before...)
	dry := base.Clone()
	require.NoError(t, loadAndSave(t.Context(), openAtNoon(dry), c.next))
	require.Positive(t, dry.Calls())
	for n := 1; n <= dry.Calls(); n++ {
		for _, effect := range checkpointtest.Effects() {
			t.Run(fmt.Sprintf("%s/call %d/%s", c.what, n, effect), func(t *testing.T) { story(t, base.Clone(), n, effect) })
		}
	}
}

func loadAndSave(ctx context.Context, s *Store, state set) error {
	if _, _, err := load(ctx, s); err != nil {
		return err
	}
	return save(ctx, s, state)
}

func TestACrashAtAnyCallLeavesTheOlderOrTheNewerSet(t *testing.T) {
	for _, change := range changes() {
		change.each(t, func(t *testing.T, c *checkpointtest.Client, n int, effect checkpointtest.Effect) {
			c.Crash(n, effect)
			err := loadAndSave(t.Context(), openAtNoon(c), change.next)

			c = c.Clone() // the next process
			s := openAtNoon(c)
			got, report := mustLoad(t, s)
			require.Empty(t, report.Lost)
			if change.before == nil && err != nil && len(got) == 0 {
				// The first manifest may be half written: then it is damaged, and no copy is there.
				require.True(t, report.Unreadable == nil || effect == checkpointtest.Half)
			} else {
				require.NoError(t, report.Unreadable)
			}
			if err == nil || !equal(got, change.last()) {
				require.Equal(t, change.next, got)
			}

			later := set{"a": "1", "d": "4"}
			mustSave(t, s, later)
			got, _ = mustLoad(t, openAtNoon(c))
			require.Equal(t, later, got)
			if report.Unreadable == nil {
				requireOnly(t, c, len(later))
			} else {
				mustSave(t, Open(c, at(noon.Add(retention+1))), later)
				requireOnly(t, c, len(later))
			}
		})
	}
}

func equal(a, b set) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestAFailedCallIsMadeGoodByTheNextSave(t *testing.T) {
	for _, change := range changes() {
		change.each(t, func(t *testing.T, c *checkpointtest.Client, n int, effect checkpointtest.Effect) {
			c.Fail(n, effect)
			s := openAtNoon(c)
			err := loadAndSave(t.Context(), s, change.next)
			if err != nil {
				require.ErrorIs(t, err, checkpointtest.ErrFailed)
			}
			later := set{"a": "1", "d": "4"}
			mustSave(t, s, later)
			got, report := mustLoad(t, openAtNoon(c))
			require.Equal(t, later, got)
			require.Empty(t, report.Lost)
			if c.Peek(asideKey) == nil { // else the very first manifest was half written
				requireOnly(t, c, len(later))
			} else {
				require.Nil(t, change.before)
				require.Equal(t, checkpointtest.Half, effect)
			}
		})
	}
}

func TestACrashInTheSaveAfterACrash(t *testing.T) {
	first := change{"some changed", []set{{"a": "1", "b": "2", "c": "3"}}, set{"a": "1", "b": "20", "d": "4"}}
	next := set{"a": "100", "d": "4", "e": "5"}
	first.each(t, func(t *testing.T, c *checkpointtest.Client, n int, effect checkpointtest.Effect) {
		c.Crash(n, effect)
		_ = loadAndSave(t.Context(), openAtNoon(c), first.next)
		before, _ := mustLoad(t, openAtNoon(c.Clone()))
		dry := c.Clone()
		require.NoError(t, loadAndSave(t.Context(), openAtNoon(dry), next))
		for m := 1; m <= dry.Calls(); m++ {
			again := c.Clone()
			again.Crash(m, effect)
			err := loadAndSave(t.Context(), openAtNoon(again), next)
			again = again.Clone()
			s := openAtNoon(again)
			got, report := mustLoad(t, s)
			require.NoError(t, report.Unreadable)
			require.Empty(t, report.Lost)
			if err == nil || !equal(got, before) {
				require.Equal(t, next, got)
			}
			mustSave(t, s, first.next)
			requireOnly(t, again, len(first.next))
		}
	})
}

// One process, whose store has saved before, and is not told what became of its second save.
func TestACrashInTheSaveAfterAFailure(t *testing.T) {
	second, third := set{"a": "1", "b": "20", "d": "4"}, set{"a": "100", "d": "40", "e": "5"}
	story := func(n, m int, effect checkpointtest.Effect) (c *checkpointtest.Client, calls [2]int, err error) {
		c = checkpointtest.New()
		s := openAtNoon(c)
		mustSave(t, s, set{"a": "1", "b": "2", "c": "3"})
		before := c.Calls()
		c.Fail(n, effect)
		_ = save(t.Context(), s, second)
		calls[0] = c.Calls() - before
		c.Crash(m, effect)
		before = c.Calls()
		err = save(t.Context(), s, third)
		calls[1] = c.Calls() - before
		return c.Clone(), calls, err
	}
	const never = 1000
	_, dry, _ := story(never, never, checkpointtest.Nothing)
	for n := 1; n <= dry[0]; n++ {
		for _, effect := range checkpointtest.Effects() {
			c, calls, err := story(n, never, effect)
			require.NoError(t, err)
			requireOnly(t, c, len(third))
			for m := 1; m <= calls[1]; m++ {
				c, _, err := story(n, m, effect)
				got, report := mustLoad(t, openAtNoon(c))
				require.NoError(t, report.Unreadable, "calls %d and %d, %s", n, m, effect)
				require.Empty(t, report.Lost, "calls %d and %d, %s", n, m, effect)
				if err == nil {
					require.Equal(t, third, got)
				}
				require.True(t, equal(got, set{"a": "1", "b": "2", "c": "3"}) || equal(got, second) || equal(got, third), got)
			}
		}
	}
}

func TestABlockedStorageEndsWithTheContext(t *testing.T) {
	change := changes()[1]
	base := saved(t, change.before...)
	dry := base.Clone()
	require.NoError(t, loadAndSave(t.Context(), openAtNoon(dry), change.next))
	for n := 1; n <= dry.Calls(); n++ {
		c := base.Clone()
		c.Block(n)
		s := openAtNoon(c)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- loadAndSave(ctx, s, change.next) }()
		for c.Calls() < n { // until it has come to the call that blocks
			runtime.Gosched()
		}
		cancel()
		err := <-done
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		c.Repair()
		got, report := mustLoad(t, s)
		require.Empty(t, report.Lost)
		if err == nil || !equal(got, change.last()) {
			require.Equal(t, change.next, got)
		}
		mustSave(t, s, change.next)
		requireOnly(t, c, len(change.next))
	}
}

func TestAnEndedContextIsNotAskedOf(t *testing.T) {
	c := saved(t, set{"a": "1"})
	s := openAtNoon(c)
	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := c.Calls()
	require.ErrorIs(t, tx.Put(ctx, "a", []byte("2")), context.Canceled)
	require.ErrorIs(t, tx.Commit(ctx), context.Canceled)
	_, _, err = load(ctx, s)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, before, c.Calls())
}

func TestWhatAnAbortCouldNotDeleteTheNextCommitDeletes(t *testing.T) {
	c := saved(t, set{"a": "1"})
	s := openAtNoon(c)
	mustSave(t, s, set{"a": "1"})
	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	for _, name := range names(shards(5, "x")) {
		require.NoError(t, tx.Put(t.Context(), name, []byte("x")))
	}
	c.Fail(1, checkpointtest.Nothing)
	tx.Abort(t.Context())
	requireOnly(t, c, 6)
	mustSave(t, s, set{"a": "2"})
	requireOnly(t, c, 1)
}
