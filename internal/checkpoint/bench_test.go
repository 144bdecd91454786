package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/checkpoint/checkpointtest"
)

// A million entities are about that many shards of a MiB.
const (
	benchShards = 150
	benchSize   = 1 << 20
)

// benchState returns the shards, which do not compress.
func benchState() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	state := make([][]byte, benchShards)
	for i := range state {
		state[i] = make([]byte, benchSize)
		for at := 0; at < benchSize; at += 8 {
			binary.LittleEndian.PutUint64(state[i][at:], random.Uint64())
		}
	}
	return state
}

func putAll(b *testing.B, s *Store, state [][]byte) {
	b.Helper()
	tx, err := s.Begin(b.Context())
	require.NoError(b, err)
	for i, data := range state {
		require.NoError(b, tx.Put(b.Context(), fmt.Sprint("entities/", i), data))
	}
	require.NoError(b, tx.Commit(b.Context()))
}

// BenchmarkSave includes that the storage in memory copies what it is given.
func BenchmarkSave(b *testing.B) {
	for _, changed := range []int{benchShards, 10, 0} {
		b.Run(fmt.Sprintf("%d of %d MiB changed", changed, benchShards), func(b *testing.B) {
			state, s := benchState(), Open(checkpointtest.New(), Options{})
			putAll(b, s, state)
			b.SetBytes(benchShards * benchSize)
			b.ReportAllocs()
			for round := uint64(1); b.Loop(); round++ {
				for _, data := range state[:changed] {
					binary.LittleEndian.PutUint64(data, round)
				}
				putAll(b, s, state)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	c := checkpointtest.New()
	putAll(b, Open(c, Options{}), benchState())
	b.SetBytes(benchShards * benchSize)
	b.ReportAllocs()
	for b.Loop() {
		report, err := Open(c, Options{}).Load(b.Context(), func(string, []byte) error { return nil })
		require.NoError(b, err)
		require.Equal(b, benchShards, report.Shards)
	}
}
