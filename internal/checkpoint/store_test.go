package checkpoint

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
)

func TestANewProcessLoadsWhatWasCommittedLast(t *testing.T) {
	first := set{"ports": "443: much", "regions": "", "windows": "open"}
	second := set{"ports": "443: more", "regions": "", "alerts": "one"}
	c := saved(t, first, second)

	got, report := mustLoad(t, openAtNoon(c))
	require.Equal(t, second, got)
	require.Equal(t, Report{Generation: 2, Saved: noon, Shards: 3, Bytes: 12}, report)
	requireOnly(t, c, 3)
}

func TestWhereNothingWasSavedNothingIsLoaded(t *testing.T) {
	c := checkpointtest.New()
	got, report := mustLoad(t, Open(c, Options{}))
	require.Empty(t, got)
	require.Equal(t, Report{}, report)
	require.Empty(t, c.Keys(), "Load writes nothing")
}

func TestAnEmptySetIsASetToo(t *testing.T) {
	c := saved(t, set{"a": "1"}, set{})
	got, report := mustLoad(t, openAtNoon(c))
	require.Empty(t, got)
	require.EqualValues(t, 2, report.Generation)
	requireOnly(t, c, 0)
}

func TestTheDefaultClockRuns(t *testing.T) {
	c, before := checkpointtest.New(), time.Now()
	mustSave(t, Open(c, Options{}), set{"a": "1"})
	_, report := mustLoad(t, Open(c, Options{}))
	require.WithinRange(t, report.Saved, before, time.Now())
}

func TestShardsComeInTheOrderOfTheirNames(t *testing.T) {
	c := saved(t, shards(100, "x"))
	var last string
	_, err := openAtNoon(c).Load(t.Context(), func(name string, _ []byte) error {
		require.Less(t, last, name)
		last = name
		return nil
	})
	require.NoError(t, err)
}

func TestWhatDidNotChangeIsNotWritten(t *testing.T) {
	c := checkpointtest.New()
	s := openAtNoon(c)
	state := shards(20, "quiet")
	mustSave(t, s, state)

	before := c.Calls()
	mustSave(t, s, state)
	require.Equal(t, 2, c.Calls()-before, "the manifest and its copy")

	state["ports/007"] = "busy"
	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	for _, name := range names(state) {
		require.NoError(t, tx.Put(t.Context(), name, []byte(state[name])))
	}
	require.Equal(t, Size{Shards: 20, Written: 1, Bytes: 19*5 + 9 + 4 + 1, WrittenBytes: 4}.Written, tx.Size().Written)
	require.EqualValues(t, 4, tx.Size().WrittenBytes)
	before = c.Calls()
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, 3, c.Calls()-before, "the manifest, its copy, and the older shard deleted")
	got, _ := mustLoad(t, openAtNoon(c))
	require.Equal(t, state, got)
	requireOnly(t, c, 20)

	before = c.Calls()
	mustSave(t, s, shards(20, "all of them"))
	require.Equal(t, 20+2+20, c.Calls()-before, "the ledger knows of so many slots already")
}

func TestAShardIsKeptWithoutItsContent(t *testing.T) {
	c := saved(t, set{"ports": "443", "regions": "CA", "old": "gone"})
	s := openAtNoon(c)
	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, tx.Keep("ports"))
	require.NoError(t, tx.Put(t.Context(), "regions", []byte("NH")))
	require.ErrorIs(t, tx.Keep("hosts"), ErrUnknown)
	require.Equal(t, Size{Shards: 2, Written: 1, Bytes: 5, WrittenBytes: 2}, tx.Size())
	require.NoError(t, tx.Commit(t.Context()))
	got, _ := mustLoad(t, openAtNoon(c))
	require.Equal(t, set{"ports": "443", "regions": "NH"}, got)
	requireOnly(t, c, 2)
}

func TestAnAbortedTransactionLeavesNothing(t *testing.T) {
	c := saved(t, set{"a": "1"})
	s := openAtNoon(c)
	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, tx.Put(t.Context(), "a", []byte("2")))
	require.NoError(t, tx.Put(t.Context(), "b", []byte("3")))
	tx.Abort(t.Context())
	tx.Abort(t.Context())
	requireOnly(t, c, 1)
	got, _ := mustLoad(t, s)
	require.Equal(t, set{"a": "1"}, got)
}

func TestOneTransactionAtATime(t *testing.T) {
	s := openAtNoon(checkpointtest.New())
	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	_, err = s.Begin(t.Context())
	require.ErrorIs(t, err, ErrBusy)
	_, _, err = load(t.Context(), s)
	require.ErrorIs(t, err, ErrBusy)

	require.NoError(t, tx.Commit(t.Context()))
	require.ErrorIs(t, tx.Commit(t.Context()), ErrClosed)
	require.ErrorIs(t, tx.Put(t.Context(), "a", nil), ErrClosed)
	require.ErrorIs(t, tx.Keep("a"), ErrClosed)
	mustSave(t, s, set{"a": "1"})
}

func TestASetHasBounds(t *testing.T) {
	c := saved(t, set{"a": "1"})
	for _, test := range []struct {
		what string
		name string
		data []byte
		want error
	}{
		{"no name", "", nil, ErrLimit},
		{"a long name", strings.Repeat("n", MaxNameSize+1), nil, ErrLimit},
		{"a large shard", "b", make([]byte, MaxShardSize+1), ErrLimit},
		{"the same name twice", "a", nil, ErrDuplicate},
	} {
		t.Run(test.what, func(t *testing.T) {
			c := c.Clone()
			s := openAtNoon(c)
			tx, err := s.Begin(t.Context())
			require.NoError(t, err)
			require.NoError(t, tx.Keep("a"))
			require.ErrorIs(t, tx.Keep("a"), ErrDuplicate)
			require.ErrorIs(t, tx.Put(t.Context(), test.name, test.data), test.want)
			require.ErrorIs(t, tx.Commit(t.Context()), test.want, "a set that lacks a shard is not committed")
			got, _ := mustLoad(t, s)
			require.Equal(t, set{"a": "1"}, got)
		})
	}
}

func TestASetOfTheMostShardsIsChangedAsAWhole(t *testing.T) {
	c := checkpointtest.New()
	s := openAtNoon(c)
	for _, content := range []string{"older", "newer"} {
		tx, err := s.Begin(t.Context())
		require.NoError(t, err)
		for i := range MaxShards {
			name := strings.Repeat("n", MaxNameSize-5) + string(rune('a'+i%26)) + string([]byte{byte(i >> 14), byte(i >> 7 & 127), byte(i & 127)})
			require.NoError(t, tx.Put(t.Context(), name, []byte(content)))
		}
		require.NoError(t, tx.Commit(t.Context()))
	}
	_, report := mustLoad(t, openAtNoon(c))
	require.Equal(t, MaxShards, report.Shards)
	require.EqualValues(t, 5*MaxShards, report.Bytes)
	requireOnly(t, c, MaxShards)

	tx, err := s.Begin(t.Context())
	require.NoError(t, err)
	for i := range MaxShards {
		require.NoError(t, tx.Put(t.Context(), string([]byte{'n', byte(i >> 7), byte(i & 127)}), nil))
	}
	require.ErrorIs(t, tx.Put(t.Context(), "one more", nil), ErrLimit)
	tx.Abort(t.Context())
}

func TestARefusedShardCountsAsLost(t *testing.T) {
	c := saved(t, set{"a": "1", "b": "2"})
	refusal := errors.New("not a state of mine")
	s := openAtNoon(c)
	report, err := s.Load(t.Context(), func(name string, _ []byte) error {
		if name == "a" {
			return refusal
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, report.Shards)
	require.Len(t, report.Lost, 1)
	require.ErrorIs(t, report.Lost[0].Err, refusal)

	mustSave(t, s, set{"a": "3", "b": "2"})
	requireOnly(t, c, 3)
	content, _, err := open(shardKind, c.Peek(report.Lost[0].Key), version)
	require.NoError(t, err)
	require.Equal(t, "1", string(content), "what was refused can be looked at")
}
