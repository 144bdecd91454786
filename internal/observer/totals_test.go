package observer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-exfil/exfil/internal/flow"
)

// report is one record of a connection's running total.
type report struct {
	id     uint64
	second int64 // event time
	total  int64
	final  bool
}

// increments feeds reports one by one and returns what each one added.
func increments(t *totals, reports ...report) []int64 {
	var added []int64
	for _, r := range reports {
		added = append(added, t.advance(&flow.Flow{Total: r.id, Time: r.second * 1e9, Bytes: r.total, Final: r.final}))
	}
	return added
}

func TestARunningTotalCountsOnce(t *testing.T) {
	for _, c := range []struct {
		story   string
		reports []report
		added   []int64
	}{
		{
			"each report counts what is new in it",
			[]report{{1, 10, 100, false}, {1, 20, 250, false}, {1, 30, 300, true}},
			[]int64{100, 150, 50},
		},
		{
			"a repeated report counts nothing",
			[]report{{1, 10, 100, false}, {1, 10, 100, false}, {1, 20, 100, true}},
			[]int64{100, 0, 0},
		},
		{
			"an older report that comes late counts nothing",
			[]report{{1, 20, 250, false}, {1, 10, 100, false}, {1, 30, 300, false}},
			[]int64{250, 0, 50},
		},
		{
			"an older report that comes after the last counts nothing",
			[]report{{1, 30, 300, true}, {1, 20, 250, false}},
			[]int64{300, 0},
		},
		{
			"connections do not mix",
			[]report{{1, 10, 100, false}, {2, 10, 70, false}, {1, 20, 110, false}, {2, 20, 90, false}},
			[]int64{100, 70, 10, 20},
		},
		{
			"an identity that begins again after its end is another connection",
			[]report{{1, 10, 100, true}, {1, 60, 40, false}, {1, 70, 90, true}, {1, 80, 120, true}},
			[]int64{100, 40, 50, 120},
		},
		{
			"a total that falls without an end counts nothing until it has risen again",
			[]report{{1, 10, 100, false}, {1, 20, 40, false}, {1, 30, 130, false}},
			[]int64{100, 0, 30},
		},
	} {
		t.Run(c.story, func(t *testing.T) {
			assert.Equal(t, c.added, increments(newTotals(100), c.reports...))
		})
	}
}

func TestRunningTotalsForgetTheIdleFirst(t *testing.T) {
	totals := newTotals(100)
	start := time.Unix(1_000_000, 0)
	totals.age(start)
	increments(totals, report{1, 0, 100, false}, report{2, 0, 100, false})

	for hour := 1; hour <= 3; hour++ {
		totals.age(start.Add(time.Duration(hour) * seriesIdle))
		assert.Equal(t, []int64{0}, increments(totals, report{1, int64(hour), 100, false}), "connection 1 is alive")
	}
	assert.Equal(t, 1, totals.size(), "connection 2 has gone silent")
}

func TestRunningTotalsAreBounded(t *testing.T) {
	const limit = 1000
	totals := newTotals(limit)
	for id := range uint64(100 * limit) {
		// Connection 1 reports all the time, among ever new ones.
		increments(totals, report{id + 2, 0, 1, false})
		added := increments(totals, report{1, int64(id), 500, false})
		assert.LessOrEqual(t, totals.size(), limit)
		if id > 0 && added[0] != 0 {
			t.Fatalf("the busy connection was forgotten after %d others", id)
		}
	}
}

func TestALargeSitesConnectionsAreAllRemembered(t *testing.T) {
	const connections = 200_000
	totals := newTotals(maxSeries)
	for round := int64(1); round <= 3; round++ {
		var sum int64
		for id := range uint64(connections) {
			sum += totals.advance(&flow.Flow{Total: id + 1, Time: round, Bytes: 100 * round})
		}
		assert.EqualValues(t, 100*connections, sum, "what is new, in round %d", round)
	}
}
