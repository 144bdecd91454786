package checkpointtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/extension/xextension/storage"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
)

func TestItKeepsCopies(t *testing.T) {
	c, value := checkpointtest.New(), []byte("value")
	require.NoError(t, c.Set(t.Context(), "a", value))
	value[0] = 'V'
	got, err := c.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "value", string(got))
	got[0] = 'V'
	require.Equal(t, "value", string(c.Peek("a")))
	require.Equal(t, []string{"a"}, c.Keys())
	require.NoError(t, c.Delete(t.Context(), "a"))
	got, err = c.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Nil(t, got)
	require.Equal(t, 4, c.Calls())
}

func TestAnEmptyValueIsNotAMissingOne(t *testing.T) {
	c := checkpointtest.New()
	require.NoError(t, c.Set(t.Context(), "a", nil))
	got, err := c.Get(t.Context(), "a")
	require.NoError(t, err)
	require.NotNil(t, got)
	require.Empty(t, got)
}

func TestAFailingCallDoesWhatTheTestWants(t *testing.T) {
	for effect, want := range map[checkpointtest.Effect]string{
		checkpointtest.Nothing:    "old!",
		checkpointtest.Everything: "new!",
		checkpointtest.Half:       "ne",
	} {
		t.Run(effect.String(), func(t *testing.T) {
			c := checkpointtest.New()
			c.Poke("a", []byte("old!"))
			c.Fail(2, effect)
			require.NoError(t, c.Set(t.Context(), "b", []byte("first")))
			require.ErrorIs(t, c.Set(t.Context(), "a", []byte("new!")), checkpointtest.ErrFailed)
			require.Equal(t, want, string(c.Peek("a")))
			require.NoError(t, c.Delete(t.Context(), "b"))
			require.Equal(t, []string{"a"}, c.Keys())
		})
	}
	require.Len(t, checkpointtest.Effects(), 3)
	require.Equal(t, "Effect(9)", checkpointtest.Effect(9).String())
}

func TestNothingWorksAfterACrashButForTheNextProcess(t *testing.T) {
	c := checkpointtest.New()
	c.Crash(2, checkpointtest.Nothing)
	err := c.Batch(t.Context(), storage.SetOperation("a", []byte("1")), storage.SetOperation("b", []byte("2")))
	require.ErrorIs(t, err, checkpointtest.ErrFailed)
	_, err = c.Get(t.Context(), "a")
	require.ErrorIs(t, err, checkpointtest.ErrFailed)

	next := c.Clone()
	got, err := next.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "1", string(got))
	require.Equal(t, []string{"a"}, next.Keys())
	next.Poke("a", nil)
	require.Equal(t, []string{"a"}, c.Keys())

	c.Repair()
	require.NoError(t, c.Set(t.Context(), "b", nil))
}

func TestABlockedCallEndsWithItsContext(t *testing.T) {
	c := checkpointtest.New()
	c.Block(1)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Set(ctx, "a", []byte("1")) }()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Empty(t, c.Keys())
	require.NoError(t, c.Close(t.Context()))
	require.True(t, c.Closed())
}
