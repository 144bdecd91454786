package engine

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// attended is a storage that tells of each key before it is set.
type attended struct {
	*checkpointtest.Client
	before func(key string)
}

func (a *attended) Set(ctx context.Context, key string, value []byte) error {
	a.before(key)
	return a.Client.Set(ctx, key, value)
}

// There is one processor, and a goroutine that takes turns on it with whoever makes way.
func TestASaveMakesWayAfterEachShard(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var turns atomic.Int64
	var atShard []int64
	client := &attended{Client: checkpointtest.New(), before: func(key string) {
		if strings.Contains(key, "/shard/") {
			atShard = append(atShard, turns.Load())
		}
	}}
	i := learning(t, client)

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				turns.Add(1)
				runtime.Gosched()
			}
		}
	}()
	require.NoError(t, i.engine.keeper.save(t.Context()))
	close(stop)
	<-stopped

	require.Greater(t, len(atShard), 10)
	ways := 0
	for n := 1; n < len(atShard); n++ {
		if atShard[n] > atShard[n-1] {
			ways++
		}
	}
	assert.Greater(t, ways, len(atShard)/2, "the runtime need not give turns in order; without a pause there is none")
	require.NoError(t, i.Shutdown(context.Background()))
}

// learning is an instance that has met a day of traffic and is kept in a client.
func learning(t *testing.T, client *attended) *Instance {
	t.Helper()
	cfg := enginetest.Quick()
	cfg.Storage = &inMemoryID
	set := Settings{TelemetrySettings: componenttest.NewNopTelemetrySettings(), ID: component.MustNewID("exfil"), Kind: component.KindProcessor}
	i, err := NewRegistry(enginetest.NewClock()).Join(set, cfg, consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, i.Start(t.Context(), &inMemory{client: client}))
	for _, hour := range enginetest.Ordinary(1) {
		i.Commit(t.Context(), i.Decode(hour))
	}
	return i
}
