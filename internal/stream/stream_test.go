package stream_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-exfil/exfil/internal/stream"
)

// created is when the observation of the tests begins; points are dated in seconds after it.
var created = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

const gap = 3 * time.Hour

func second(s int64) int64 { return created.Add(time.Duration(s) * time.Second).UnixNano() }

// observed is a memory of n streams that has seen nothing, at a clock that is ahead of all points.
func observed(n int) *stream.Streams {
	return stream.New(stream.Options{Limit: n, Groups: n, Gap: gap, Skew: time.Minute, Created: created})
}

func later() time.Time { return created.Add(1000 * time.Hour) }

// export is a data point of a cumulative stream and what it adds.
type export struct {
	start, time int64 // seconds; unknown: no start
	total       int64
	adds        int64
	outcome     stream.Outcome
}

// unknown is the start that a sender does not report.
const unknown = math.MinInt64

func (e *export) point(id uint64) stream.Point {
	p := stream.Point{ID: id, Time: second(e.time), Bytes: e.total, Cumulative: true}
	if e.start != unknown {
		p.Start = second(e.start)
	}
	return p
}

func TestCumulativeStreamsCountByDifference(t *testing.T) {
	const hour = 3600
	for _, c := range []struct {
		story   string
		exports []export
	}{
		{"each export counts what is new in it", []export{
			{10, 60, 100, 100, stream.Added},
			{10, 120, 250, 150, stream.Added},
			{10, 180, 250, 0, stream.Unchanged},
			{10, 240, 251, 1, stream.Added},
		}},
		{"of what was sent before the observation nothing counts", []export{
			{-5000, 60, 9_000_000, 0, stream.First},
			{-5000, 120, 9_000_100, 100, stream.Added},
		}},
		{"a stream that begins with the observation counts whole", []export{
			{0, 60, 100, 100, stream.Added},
		}},
		{"a stream that begins later with nothing sent", []export{
			{30, 60, 0, 0, stream.Unchanged},
			{30, 120, 70, 70, stream.Added},
		}},
		{"a stream that does not say when it began", []export{
			{unknown, 60, 9_000_000, 0, stream.First},
			{unknown, 120, 9_000_100, 100, stream.Added},
			{unknown, 180, 40, 40, stream.Added},
		}},
		{"a start at the first point itself means that it is not known", []export{
			{60, 60, 9_000_000, 0, stream.First},
			{60, 120, 9_000_100, 100, stream.Added},
		}},
		{"a duplicate export counts nothing", []export{
			{10, 60, 100, 100, stream.Added},
			{10, 60, 100, 0, stream.Duplicate},
			{10, 120, 150, 50, stream.Added},
			{10, 120, 150, 0, stream.Duplicate},
		}},
		{"a point that was overtaken counts nothing, for the newer one has its bytes", []export{
			{10, 60, 100, 100, stream.Added},
			{10, 180, 300, 200, stream.Added},
			{10, 120, 250, 0, stream.OutOfOrder},
			{10, 240, 310, 10, stream.Added},
		}},
		{"a reset without a start: the total falls and counts whole", []export{
			{unknown, 60, 500, 0, stream.First},
			{unknown, 120, 80, 80, stream.Added},
			{unknown, 180, 100, 20, stream.Added},
		}},
		{"a reset to nothing is seen when it happens", []export{
			{10, 60, 500, 500, stream.Added},
			{70, 120, 0, 0, stream.Unchanged},
			{70, 180, 600, 600, stream.Added},
		}},
		{"a restarted sender that has sent more than before is known by its start", []export{
			{10, 60, 500, 500, stream.Added},
			{90, 120, 700, 700, stream.Added},
			{90, 180, 750, 50, stream.Added},
		}},
		{"a point from before the restart that comes after it", []export{
			{10, 60, 500, 500, stream.Added},
			{90, 120, 30, 30, stream.Added},
			{10, 80, 510, 0, stream.OutOfOrder},
			{90, 180, 40, 10, stream.Added},
		}},
		{"a restarted scraper dates the start anew, but the total goes on", []export{
			{60, 60, 9_000_000, 0, stream.First},
			{60, 120, 9_000_100, 100, stream.Added},
			{180, 180, 9_000_300, 200, stream.Added},
			{180, 240, 9_000_350, 50, stream.Added},
		}},
		{"a start that is reckoned anew each time is no restart", []export{
			{10, 60, 100, 100, stream.Added},
			{11, 120, 150, 50, stream.Added},
			{9, 180, 160, 10, stream.Added},
		}},
		{"a gap within a window counts at its end", []export{
			{10, 60, 100, 100, stream.Added},
			{10, 3 * hour, 400, 300, stream.Added},
		}},
		{"an outage counts nothing, and the stream goes on", []export{
			{10, 60, 100, 100, stream.Added},
			{10, 60 + 3*hour + 1, 900_000, 0, stream.Stale},
			{10, 120 + 3*hour + 1, 900_007, 7, stream.Added},
		}},
		{"a reset somewhere in an outage counts nothing either", []export{
			{unknown, 60, 100, 0, stream.First},
			{unknown, 60 + 5*hour, 90, 0, stream.Stale},
			{unknown, 120 + 5*hour, 95, 5, stream.Added},
		}},
		{"a restart after an outage counts from its start", []export{
			{10, 60, 100, 100, stream.Added},
			{5 * hour, 5*hour + 60, 400, 400, stream.Added},
		}},
		{"a point from the far future changes nothing", []export{
			{10, 60, 100, 100, stream.Added},
			{10, 5_000 * hour, 999_999, 0, stream.Future},
			{10, 120, 150, 50, stream.Added},
		}},
		{"more than anyone can have sent does not count", []export{
			{10, 60, 100, 100, stream.Added},
			{10, 120, math.MaxInt64 / 2, 0, stream.Implausible},
			{10, 180, math.MaxInt64/2 + 9, 9, stream.Added},
		}},
	} {
		t.Run(c.story, func(t *testing.T) {
			s := observed(10)
			s.Open(second(60), second(60))
			for i, e := range c.exports {
				p := e.point(7)
				added, outcome := s.Advance(&p, later())
				assert.Equal(t, e.adds, added, "export %d", i)
				assert.Equal(t, e.outcome.String(), outcome.String(), "export %d", i)
			}
		})
	}
}

// A sender drops a stream that has nothing to tell, and dates it as before when it comes back.
func TestAStreamThatIsSilentByItselfCountsWhenItComesBack(t *testing.T) {
	const hour = 3600
	send := func(s *stream.Streams, id uint64, at, total int64) (int64, stream.Outcome) {
		p := (&export{start: 10, time: at, total: total}).point(id)
		return s.Advance(&p, later())
	}
	for _, c := range []struct {
		story    string
		total    int64 // when it comes back
		restarts int64 // hour in which all others are back from an outage of ten hours; 0: there is none
		adds     int64
		outcome  stream.Outcome
	}{
		{"with more than before", 5000, 0, 4900, stream.Added},
		{"from nothing", 40, 0, 40, stream.Added},
		{"long after an outage of all", 5000, 35, 4900, stream.Added},
		{"soon after an outage of all", 5000, 46, 0, stream.Stale},
	} {
		t.Run(c.story, func(t *testing.T) {
			s := observed(10)
			send(s, 1, 60, 100)
			for h := int64(0); h <= 48; h++ {
				if h > c.restarts-10 && h < c.restarts {
					continue
				}
				send(s, 2, 60+h*hour, h)
			}
			added, outcome := send(s, 1, 48*hour+61, c.total)
			assert.Equal(t, c.outcome.String(), outcome.String())
			assert.Equal(t, c.adds, added)
		})
	}
}

func TestDeltaStreamsCountEachPointOnce(t *testing.T) {
	type delta struct {
		time, bytes, adds int64
		outcome           stream.Outcome
	}
	for _, c := range []struct {
		story  string
		points []delta
	}{
		{"each point counts, the first one too", []delta{
			{60, 100, 100, stream.Added}, {120, 30, 30, stream.Added}, {180, 0, 0, stream.Unchanged},
		}},
		{"a duplicate export counts nothing", []delta{
			{60, 100, 100, stream.Added}, {60, 100, 0, stream.Duplicate},
			{120, 100, 100, stream.Added}, {60, 100, 0, stream.Duplicate},
		}},
		{"points that overtake each other all count", []delta{
			{60, 1, 1, stream.Added}, {180, 2, 2, stream.Added}, {120, 3, 3, stream.Added}, {240, 4, 4, stream.Added},
			{120, 3, 0, stream.Duplicate},
		}},
		{"a point behind the three newest may have come before", []delta{
			{60, 1, 1, stream.Added}, {120, 2, 2, stream.Added}, {180, 3, 3, stream.Added}, {30, 9, 0, stream.OutOfOrder},
		}},
		{"two senders that nothing tells apart both count", []delta{
			{60, 100, 100, stream.Added}, {60, 40, 40, stream.Added}, {60, 100, 0, stream.Duplicate}, {60, 40, 0, stream.Duplicate},
		}},
		{"a silent stream has nothing to make up for", []delta{
			{60, 100, 100, stream.Added}, {900_000, 50, 50, stream.Added},
		}},
		{"a point from the far future is the detector's to refuse, and hides no other", []delta{
			{60, 100, 100, stream.Added}, {90_000_000, 50, 50, stream.Added}, {120, 7, 7, stream.Added},
		}},
		{"more than anyone can have sent does not count", []delta{
			{60, math.MaxInt64 / 2, 0, stream.Implausible}, {120, 7, 7, stream.Added},
		}},
	} {
		t.Run(c.story, func(t *testing.T) {
			s := observed(10)
			for i, d := range c.points {
				added, outcome := s.Advance(&stream.Point{ID: 7, Time: second(d.time), Bytes: d.bytes}, later())
				assert.Equal(t, d.adds, added, "point %d", i)
				assert.Equal(t, d.outcome.String(), outcome.String(), "point %d", i)
			}
		})
	}
}

func TestStreamsDoNotMix(t *testing.T) {
	s := observed(10)
	for _, e := range []struct {
		id uint64
		export
	}{
		{1, export{10, 60, 100, 100, stream.Added}},
		{2, export{10, 60, 70, 70, stream.Added}},
		{1, export{10, 120, 110, 10, stream.Added}},
		{2, export{10, 120, 90, 20, stream.Added}},
	} {
		p := e.point(e.id)
		added, outcome := s.Advance(&p, later())
		assert.Equal(t, e.adds, added)
		assert.Equal(t, e.outcome, outcome)
	}
	assert.Equal(t, stream.Stats{Streams: 2}, s.Stats())
}

// History that is read again has begun long before the clock at which it is read.
func TestHistoryBeginsWithItsOldestPoint(t *testing.T) {
	s := observed(10)
	s.Open(second(-10_000), second(-9_000))
	s.Open(second(0), second(0)) // only the first batch tells
	old := (&export{start: -10_001, time: -9_990, total: 500}).point(1)
	added, outcome := s.Advance(&old, later())
	assert.Equal(t, stream.First, outcome)
	assert.Zero(t, added)
	young := (&export{start: -10_000, time: -9_990, total: 500}).point(2)
	added, outcome = s.Advance(&young, later())
	assert.Equal(t, stream.Added, outcome)
	assert.EqualValues(t, 500, added)
}

// A clock that is behind on one device must not make the totals of all others count.
func TestOneOldPointAmongNewOnesDoesNotMoveTheBeginning(t *testing.T) {
	s := observed(10)
	s.Open(0, second(5))
	p := (&export{start: -10_000, time: 5, total: 500}).point(1)
	_, outcome := s.Advance(&p, later())
	assert.Equal(t, stream.First, outcome)
}

func TestTheStreamThatWasSilentLongestIsForgotten(t *testing.T) {
	s := observed(3)
	send := func(id uint64, start, at, total int64) (int64, stream.Outcome) {
		p := (&export{start: start, time: at, total: total}).point(id)
		return s.Advance(&p, later())
	}
	for id := uint64(1); id <= 3; id++ {
		send(id, 10, 60, 100)
	}
	send(1, 10, 120, 100)
	send(4, 100, 130, 5) // 2 must go

	assert.Equal(t, stream.Stats{Streams: 3, Evicted: 1}, s.Stats())
	for _, id := range []uint64{1, 3} {
		added, outcome := send(id, 10, 180, 130)
		assert.Equal(t, stream.Added, outcome, "stream %d is remembered", id)
		assert.EqualValues(t, 30, added)
	}
	added, outcome := send(2, 10, 180, 130)
	assert.Equal(t, stream.First, outcome, "its start says that it is new, but it was counted before")
	assert.Zero(t, added)
}

func TestAStreamThatBeganAfterAnotherWasForgottenCountsWhole(t *testing.T) {
	s := observed(1)
	first := (&export{start: 10, time: 60, total: 100}).point(1)
	s.Advance(&first, later())
	second := (&export{start: 20, time: 60, total: 100}).point(2)
	_, outcome := s.Advance(&second, later())
	assert.Equal(t, stream.Added, outcome, "nothing was forgotten when it came")
	third := (&export{start: 61, time: 120, total: 100}).point(3)
	_, outcome = s.Advance(&third, later())
	assert.Equal(t, stream.Added, outcome)
	again := (&export{start: 61, time: 120, total: 100}).point(2)
	_, outcome = s.Advance(&again, later())
	assert.Equal(t, stream.Added, outcome, "all that were forgotten had their last point before it began")
	fourth := (&export{start: 61, time: 180, total: 100}).point(3)
	_, outcome = s.Advance(&fourth, later())
	assert.Equal(t, stream.First, outcome, "3 was forgotten after it began")
}

func TestResetsAreCounted(t *testing.T) {
	s := observed(10)
	for _, e := range []export{{start: 10, time: 60, total: 100}, {start: 70, time: 120, total: 200}, {start: 70, time: 180, total: 3}} {
		p := e.point(1)
		s.Advance(&p, later())
	}
	assert.EqualValues(t, 2, s.Stats().Resets)
}

func TestOutcomesHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for i, outcome := range stream.Outcomes() {
		assert.EqualValues(t, i, outcome)
		assert.Regexp(t, "^[a-z_]+$", outcome.String())
		assert.False(t, seen[outcome.String()])
		seen[outcome.String()] = true
	}
	assert.Equal(t, "unknown", stream.Outcome(200).String())
}
