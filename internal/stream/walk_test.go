package stream

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
)

// The streams that a walk has yet to reach come in the order of their use, also where the next of them is used meanwhile.
func TestAWalkGoesOnBehindAStreamThatIsUsedMeanwhile(t *testing.T) {
	table := newTable[int](4 * pageStreams)
	for id := range uint64(3 * pageStreams) {
		table.add(id)
	}
	var met []uint64
	pass := func(id uint64, _ *int) { met = append(met, id) }
	walk := table.walk()
	walk.page(pass)
	table.find(pageStreams) // it was next
	for !walk.done() {
		walk.page(pass)
	}
	require.Len(t, met, 3*pageStreams)
	for i, id := range met[:3*pageStreams-1] {
		if i >= pageStreams {
			i++
		}
		require.EqualValues(t, i, id)
	}
	assert.EqualValues(t, pageStreams, met[3*pageStreams-1], "used last")
}

// BenchmarkSnapshotPage is how long the pipeline waits for a page of a million streams.
func BenchmarkSnapshotPage(b *testing.B) {
	for name, cumulative := range map[string]bool{"cumulative": true, "delta": false} {
		b.Run(name, func(b *testing.B) {
			s := full(cumulative)
			s.opened = true
			var w codec.Writer
			snapshot := s.Snapshot()
			size := 0
			for b.Loop() {
				if w.Data = w.Data[:0]; !snapshot.Next(&w) {
					snapshot = s.Snapshot()
				}
				size += len(w.Data)
			}
			b.ReportMetric(float64(size)/float64(b.N), "B/page")
		})
	}
}

// BenchmarkLoad is how long a million streams take to be read.
func BenchmarkLoad(b *testing.B) {
	var pages [][]byte
	for snapshot := full(true).Snapshot(); ; {
		var w codec.Writer
		if !snapshot.Next(&w) {
			break
		}
		pages = append(pages, w.Data)
	}
	for b.Loop() {
		l := NewLoader(Options{Limit: many, Groups: MaxGroups, Gap: time.Hour})
		for _, page := range pages {
			require.NoError(b, l.Page(page))
		}
		_, err := l.End()
		require.NoError(b, err)
	}
}
