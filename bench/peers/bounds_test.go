package peers

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/bench/score"
	"github.com/otel-exfil/exfil/internal/flow"
)

func TestAFullJournalKeepsTheHighestScores(t *testing.T) {
	var j journal
	const n = 3 * maxAlarms
	for i := range n {
		// A permutation, so that high and low scores come mixed.
		j.add(score.Alarm{Time: int64(i), Score: float64(i * 40507 % n)})
	}
	require.LessOrEqual(t, len(j.alarms), maxAlarms)
	assert.Len(t, j.Alarms(n-1000), 1000, "all of the highest")
	thresholds := j.Thresholds()
	assert.EqualValues(t, n-1, thresholds[0])
	assert.EqualValues(t, n-1000, thresholds[999])
	assert.Less(t, len(thresholds), 1500)
	assert.Greater(t, thresholds[len(thresholds)-1], j.floor, "what is offered is answered wholly")
	last := int64(-1)
	for _, a := range j.alarms {
		require.Greater(t, a.Time, last)
		last = a.Time
	}

	j.add(score.Alarm{Score: math.Inf(1)})
	j.add(score.Alarm{Score: math.NaN()})
	j.add(score.Alarm{Score: j.floor})
	assert.EqualValues(t, n-1, j.Thresholds()[0])
}

func TestAJournalOfEqualsStaysBounded(t *testing.T) {
	var j journal
	for range maxAlarms + 10 {
		j.add(score.Alarm{Score: 3})
	}
	assert.Less(t, len(j.alarms), maxAlarms)
	j.add(score.Alarm{Score: 4})
	assert.Equal(t, []float64{4}, j.Thresholds())
}

func TestAFloodOfRegionsIsNotWatched(t *testing.T) {
	b := newBook(flow.DestinationRegion)
	f := flow.Flow{Bytes: 1}
	for i := range maxRegions + 5 {
		f.Place.Region = fmt.Sprint("region ", i)
		b.add(&f, 0)
	}
	assert.Len(t, b.names, maxRegions)
	f.Place.Region = "region 3"
	assert.EqualValues(t, 3, b.id(&f), "those known still are")
	f.Place.Region = "another"
	assert.EqualValues(t, -1, b.id(&f))
}

func TestAFloodOfHostsIsNobody(t *testing.T) {
	h := newHosts()
	f := flow.Flow{}
	for i := range maxHosts + 5 {
		f.Host = fmt.Sprint("host ", i)
		h.number(&f)
	}
	assert.Len(t, h.names, maxHosts)
	assert.Zero(t, h.number(&f))
	assert.Empty(t, h.names[0])
}

func TestForestsAreGivenUpLeastRecentlyUsedFirst(t *testing.T) {
	method := RandomCutForest{Span: time.Hour, Shingle: 2, Trees: 2, Points: 4, Floor: 10, Unit: 1, Seed: 1}.New().(*windowed)
	j := method.judges[0].(*randomCut)
	nothing := func(*reading, float64, float64) {}
	for id := range int32(maxForests + 3) {
		j.judge(int64(id), 0, []reading{{id: id, bytes: 100}, {id: 0, bytes: 5}}, nothing)
	}
	assert.Equal(t, maxForests, j.recent.Len())
	assert.NotNil(t, j.forests[0], "in use all the time, though below the floor")
	assert.Nil(t, j.forests[1])
	assert.NotNil(t, j.forests[maxForests+2])
}

func TestTheSteadyStateDoesNotAllocate(t *testing.T) {
	flows := make([]flow.Flow, 100)
	for i := range flows {
		flows[i] = flow.Flow{Time: 1, Bytes: 10, Port: uint16(1 + i%7), Host: "ws-1", Place: flow.Place{Region: "Hesse"}}
	}
	for _, s := range All() {
		m := s.Tuned()
		m.Observe(flows)
		assert.Zero(t, testing.AllocsPerRun(10, func() { m.Observe(flows) }), s.Name)
	}
}
