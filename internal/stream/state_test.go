package stream_test

import (
	"errors"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/stream"
)

func options(limit int) stream.Options {
	return stream.Options{Limit: limit, Groups: limit, Gap: gap, Skew: time.Minute, Created: created}
}

// pages writes all that is remembered. Between the pages meanwhile happens.
func pages(s *stream.Streams, meanwhile func()) [][]byte {
	var all [][]byte
	snapshot := s.Snapshot()
	for {
		var w codec.Writer
		if !snapshot.Next(&w) {
			return all
		}
		all = append(all, w.Data)
		meanwhile()
	}
}

// load makes streams of pages. Where some are lost, the error says of all of them why.
func load(o stream.Options, pages iter.Seq[[]byte]) (*stream.Streams, error) {
	l := stream.NewLoader(o)
	var errs []error
	for page := range pages {
		errs = append(errs, l.Page(page))
	}
	s, err := l.End()
	return s, errors.Join(append(errs, err)...)
}

func nothing() {}

// restart is a new life of an observation, which begins at a time in seconds.
func restart(t *testing.T, s *stream.Streams, limit int, at int64) *stream.Streams {
	t.Helper()
	o := options(limit)
	o.Created = time.Unix(0, second(at))
	loaded, err := load(o, slices.Values(pages(s, nothing)))
	require.NoError(t, err)
	return loaded
}

// jumble is what many senders tell that do all that senders do: they are older or younger than the
// observation, restart, fall silent, repeat themselves and are too many to be remembered.
type jumble struct {
	random *rand.Rand
	at     int64 // seconds
}

func newJumble(seed uint64) *jumble { return &jumble{random: rand.New(rand.NewPCG(seed, 7))} }

func (j *jumble) point() stream.Point {
	if j.at += j.random.Int64N(40); j.random.IntN(2000) == 0 {
		j.at += 4 * hour
	}
	id := j.random.Uint64N(300)
	start := int64(id)*100 - 20_000
	if j.random.IntN(20) == 0 {
		start = j.at - 30
	}
	return stream.Point{
		ID: id * 0x9E3779B97F4A7C15, Group: id / 10, Start: second(start), Time: second(j.at - j.random.Int64N(60)),
		Bytes: j.at * int64(id%7), Cumulative: id%3 != 0,
	}
}

// told is what points add.
type told struct {
	Added   int64
	Outcome stream.Outcome
}

func (j *jumble) tell(s *stream.Streams, n int) (all []told) {
	for range n {
		p := j.point()
		if j.random.IntN(10) == 0 {
			s.Hear(&p, later())
			continue
		}
		added, outcome := s.Advance(&p, later())
		all = append(all, told{added, outcome})
	}
	return all
}

// Given a memory that is full and forgets, when it is written, read back and goes on, then all is as if it had
// not been interrupted: what each point adds, what is forgotten, and what is written next.
func TestStreamsGoOnAsIfThereHadBeenNoRestart(t *testing.T) {
	for seed := range uint64(5) {
		never, restarted := observed(120), observed(120)
		a, b := newJumble(seed), newJumble(seed)
		never.Open(second(1), second(2))
		restarted.Open(second(1), second(2))
		outcomes := map[stream.Outcome]int{}
		for life := range int64(4) {
			all := a.tell(never, 5000)
			require.Equal(t, all, b.tell(restarted, 5000), "before restart %d", life)
			for _, each := range all {
				outcomes[each.Outcome]++
			}
			restarted = restart(t, restarted, 120, b.at)
			require.Equal(t, never.Stats(), restarted.Stats())
			require.Equal(t, pages(never, nothing), pages(restarted, nothing))
		}
		assert.Positive(t, never.Stats().Evicted)
		assert.Positive(t, never.Stats().Resets)
		assert.GreaterOrEqual(t, len(outcomes), 5, "the jumble is one: %v", outcomes)
	}
}

// What is sent while the collector restarts counts at the next export, once, unless it was away for so long that
// nobody knows when it was sent.
func TestWhatCountersTellAfterARestart(t *testing.T) {
	const back = 10 * hour // all were heard last a minute before 10 h
	for _, c := range []struct {
		story       string
		downtime    int64
		id          uint64
		group       uint64
		start       int64 // seconds
		total, adds int64
		outcome     stream.Outcome
	}{
		{"short: a known stream has sent on", 600, 1, 1, 10, 5_000, 4_000, stream.Added},
		{"short: a known stream is told as it was", 600, 1, 1, 10, 1000, 0, stream.Unchanged},
		{"short: a sender began anew meanwhile", 600, 1, 1, back + 300, 5_000, 5_000, stream.Added},
		{"short: a stream was born meanwhile", 600, 9, 9, back + 300, 700, 700, stream.Added},
		{"short: a stream was born meanwhile in an old process", 600, 9, 77, -1000 * hour, 700, 700, stream.Added},
		{"short: a stream that was never told, older than all", 600, 9, 9, -1000 * hour, 700, 0, stream.First},
		{"long: a known stream has sent at any time", 10 * hour, 1, 1, 10, 5_000, 0, stream.Stale},
		{"long: a sender began anew just before", 10 * hour, 1, 1, back + 9*hour, 5_000, 5_000, stream.Added},
		{"long: a sender began anew at its beginning", 10 * hour, 1, 1, back + hour, 5_000, 0, stream.Stale},
		{"long: a stream was born just before its end", 10 * hour, 9, 9, back + 9*hour, 700, 700, stream.Added},
		{"long: a stream was born at its beginning", 10 * hour, 9, 9, back + hour, 700, 0, stream.Stale},
		{"long: a stream was born meanwhile in an old process", 10 * hour, 9, 77, -1000 * hour, 700, 0, stream.Stale},
	} {
		t.Run(c.story, func(t *testing.T) {
			s := observed(10)
			s.Open(second(60), second(60))
			send := func(id, group uint64, start, at, total int64) (int64, stream.Outcome) {
				p := stream.Point{ID: id, Group: group, Start: second(start), Time: second(at), Bytes: total, Cumulative: true}
				return s.Advance(&p, later())
			}
			for at := minute; at < back; at += minute {
				send(1, 1, 10, at, 1000)
				send(2, 77, -1000*hour, at, 9_000_000)
			}
			s = restart(t, s, 10, back+c.downtime)
			at := back + c.downtime
			send(3, 3, at-5, at-1, 5) // another sender is back first
			send(2, 77, -1000*hour, at, 9_000_000)
			added, outcome := send(c.id, c.group, c.start, at, c.total)
			assert.Equal(t, c.outcome.String(), outcome.String())
			assert.Equal(t, c.adds, added)
			_, outcome = send(c.id, c.group, c.start, at, c.total)
			assert.Equal(t, stream.Duplicate, outcome, "once")
			added, _ = send(c.id, c.group, c.start, at+minute, c.total+7)
			assert.EqualValues(t, 7, added, "and by difference from then on")
		})
	}
}

// A sender that was started early in a long outage may add streams long after it, which are new indeed.
func TestAStreamThatIsBornLongAfterAnOutageCounts(t *testing.T) {
	s := observed(10)
	for _, e := range []struct {
		id uint64
		export
	}{
		{1, export{10, 60, 100, 100, stream.Added}},
		{1, export{10, 20 * hour, 900, 0, stream.Stale}},
		{2, export{hour, 20*hour + minute, 70, 0, stream.Stale}},
		{3, export{hour, 20*hour + 6*minute, 70, 70, stream.Added}},
	} {
		p := e.point(e.id)
		added, outcome := s.Advance(&p, later())
		assert.Equal(t, e.outcome.String(), outcome.String(), "stream %d", e.id)
		assert.Equal(t, e.adds, added)
	}
}

// many are streams that fill some pages, told of in order.
func fill(s *stream.Streams, n int, at int64) {
	for id := range uint64(n) {
		for _, cumulative := range []bool{true, false} {
			p := stream.Point{ID: id + 1, Group: id % 50, Start: second(-1000), Time: second(at), Bytes: 100 + at, Cumulative: cumulative}
			s.Advance(&p, later())
		}
	}
}

// Given traffic that goes on while a snapshot is taken, when that is loaded, then nothing that was there all the
// time is missing, and each stream is as it was at the beginning or newer.
func TestASnapshotIsTakenWhileTrafficFlows(t *testing.T) {
	const streams = 40_000
	for story, meanwhile := range map[string]func(s *stream.Streams, round int64){
		"little": func(s *stream.Streams, round int64) { fill(s, 100, 60+round) },
		"all":    func(s *stream.Streams, round int64) { fill(s, streams, 60+round) },
		"backwards": func(s *stream.Streams, round int64) {
			for id := uint64(streams); id > streams-9000; id-- {
				p := stream.Point{ID: id, Group: id % 50, Start: second(-1000), Time: second(60 + round), Bytes: 160 + round, Cumulative: true}
				s.Advance(&p, later())
			}
		},
		"newborn": func(s *stream.Streams, round int64) {
			for id := range uint64(9000) {
				p := stream.Point{ID: 1<<40 + uint64(round)<<20 + id, Group: 1, Start: second(-1000), Time: second(60 + round), Bytes: 160, Cumulative: true}
				s.Advance(&p, later())
			}
		},
	} {
		t.Run(story, func(t *testing.T) {
			s := observed(20 * streams)
			s.Open(second(60), second(60))
			fill(s, streams, 60)
			round := int64(0)
			taken := pages(s, func() { round++; meanwhile(s, round) })
			assert.Less(t, len(taken), 40)
			loaded, err := load(options(20*streams), slices.Values(taken))
			require.NoError(t, err)
			assert.EqualValues(t, 2*streams, loaded.Stats().Streams)
			for id := range uint64(streams) {
				p := stream.Point{ID: id + 1, Group: id % 50, Start: second(-1000), Time: second(9000), Bytes: 1_000_160, Cumulative: true}
				added, outcome := loaded.Advance(&p, later())
				require.Equal(t, stream.Added, outcome)
				require.LessOrEqual(t, added, int64(1_000_000))
				require.GreaterOrEqual(t, added, 1_000_000-round)
			}
		})
	}
}

// Streams that are forgotten while a snapshot is taken must not be taken for newborn by who loads it.
func TestWhatIsForgottenDuringASnapshotStaysForgotten(t *testing.T) {
	s := observed(10_000)
	s.Open(second(0), second(0))
	tell := func(s *stream.Streams, id uint64, at, total int64) (int64, stream.Outcome) {
		p := stream.Point{ID: id, Start: second(5), Time: second(at), Bytes: total, Cumulative: true}
		return s.Advance(&p, later())
	}
	for id := range uint64(10_000) {
		tell(s, id, 60, 1<<40)
	}
	flood := uint64(1 << 32)
	loaded, err := load(options(10_000), slices.Values(pages(s, func() {
		for range 9000 {
			flood++
			tell(s, flood, 120, 1)
		}
	})))
	require.NoError(t, err)
	assert.Less(t, loaded.Stats().Streams, int64(10_000))
	for id := range uint64(10_000) {
		added, _ := tell(loaded, id, 180, 1<<40)
		require.Zero(t, added, "stream %d had counted before", id)
	}
}

func TestASecondSnapshotEndsTheFirst(t *testing.T) {
	s := observed(10)
	fill(s, 10, 60)
	first := s.Snapshot()
	var w codec.Writer
	require.True(t, first.Next(&w))
	whole := pages(s, nothing)
	before := len(w.Data)
	assert.False(t, first.Next(&w))
	assert.Len(t, w.Data, before)
	_, err := load(options(10), slices.Values(whole))
	require.NoError(t, err)
	_, err = load(options(10), slices.Values([][]byte{w.Data}))
	require.ErrorIs(t, err, codec.ErrMalformed)
}

func TestWhereNoCounterWasMetThereIsNothingToSave(t *testing.T) {
	assert.Empty(t, pages(observed(10), nothing))
	loaded, err := load(options(10), slices.Values[[][]byte](nil))
	require.NoError(t, err)
	assert.Equal(t, observed(10).Stats(), loaded.Stats())
}

// A lower limit keeps those used last; the others are forgotten like any.
func TestALowerLimitKeepsTheNewest(t *testing.T) {
	s := observed(100)
	fill(s, 100, 60)
	loaded := restart(t, s, 30, 70)
	assert.EqualValues(t, 60, loaded.Stats().Streams)
	assert.EqualValues(t, 140, loaded.Stats().Evicted)
	for _, c := range []struct {
		id      uint64
		outcome stream.Outcome
	}{{100, stream.Added}, {71, stream.Added}, {70, stream.First}} {
		// 70 has a start of its own after the observation began, and counts nothing all the same.
		p := stream.Point{ID: c.id, Start: second(30), Time: second(120), Bytes: 5000, Cumulative: true}
		_, outcome := loaded.Advance(&p, later())
		assert.Equal(t, c.outcome.String(), outcome.String(), "stream %d", c.id)
	}
}

// Given a snapshot of which a page is lost or damaged, then its streams count nothing when they come back, those of the
// others go on, and one that is born later counts.
func TestALostPageLosesItsStreamsOnly(t *testing.T) {
	const streams = 20_000
	s := observed(streams)
	s.Open(second(60), second(60))
	for id := range uint64(streams) {
		p := stream.Point{ID: id, Start: second(30), Time: second(60), Bytes: 1 << 40, Cumulative: true}
		s.Advance(&p, later())
	}
	taken := pages(s, nothing)
	require.Len(t, taken, 4)
	for lost := range taken {
		for _, damage := range []func(pages [][]byte) [][]byte{
			func(pages [][]byte) [][]byte { return slices.Delete(pages, lost, lost+1) },
			func(pages [][]byte) [][]byte { pages[lost] = pages[lost][:len(pages[lost])-3]; return pages },
			func(pages [][]byte) [][]byte { pages[lost] = nil; return pages },
		} {
			loaded, err := load(options(streams), slices.Values(damage(slices.Clone(taken))))
			require.ErrorIs(t, err, codec.ErrMalformed)
			known := 0
			for id := range uint64(streams) {
				p := stream.Point{ID: id, Start: second(30), Time: second(120), Bytes: 1<<40 + 5, Cumulative: true}
				added, outcome := loaded.Advance(&p, later())
				if outcome == stream.Added {
					known++
					require.EqualValues(t, 5, added)
				} else {
					require.Equal(t, stream.First, outcome)
				}
			}
			assert.EqualValues(t, known, map[bool]int{true: streams, false: known}[lost == 3])
			assert.GreaterOrEqual(t, known, streams-8192)
			assert.Less(t, known, map[bool]int{true: streams + 1, false: streams}[lost == 3])
			p := stream.Point{ID: 1 << 40, Start: second(90), Time: second(120), Bytes: 8, Cumulative: true}
			added, _ := loaded.Advance(&p, later())
			assert.EqualValues(t, 8, added)
		}
	}
}

// page is one that nobody has written.
func page(change func(w *codec.Writer)) []byte {
	var w codec.Writer
	change(&w)
	return w.Data
}

func TestPagesThatNobodyHasWritten(t *testing.T) {
	head := func(w *codec.Writer, version uint64, kind string) {
		w.Uint(version)
		w.Uint(0)
		w.Bool(true)
		for range 8 {
			w.Int(0)
		}
		w.Text(kind)
	}
	for name, c := range map[string]struct {
		says string
		page func(w *codec.Writer)
	}{
		"of a later version":       {"version 2", func(w *codec.Writer) { head(w, 2, "end") }},
		"of no version":            {"a number wanted", func(*codec.Writer) {}},
		"of streams of a new kind": {`"gauge"`, func(w *codec.Writer) { head(w, 1, "gauge") }},
		"with streams at the end":  {"too many", func(w *codec.Writer) { head(w, 1, "end"); w.Uint(1) }},
		"a total below 0":          {"-1", func(w *codec.Writer) { head(w, 1, "cumulative"); w.Fixed(1); w.Int(1); w.Int(1); w.Int(-1) }},
		"the future before the now": {"after one of", func(w *codec.Writer) {
			head(w, 1, "delta")
			w.Fixed(1)
			w.Int(5)
			w.Int(1)
			w.Int(1)
			w.Int(1)
			w.Int(0)
			w.Int(0)
		}},
		"a count below 0": {"below 0", func(w *codec.Writer) {
			w.Uint(1)
			w.Uint(0)
			w.Bool(true)
			for range 8 {
				w.Int(-5)
			}
			w.Text("end")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			loaded, err := load(options(10), slices.Values([][]byte{page(c.page)}))
			require.ErrorIs(t, err, codec.ErrMalformed)
			require.ErrorContains(t, err, c.says)
			assert.Empty(t, pages(loaded, nothing), "as new")
		})
	}
}

func FuzzLoad(f *testing.F) {
	s := observed(20)
	newJumble(1).tell(s, 100)
	taken := pages(s, nothing)
	f.Add(taken[0], taken[1])
	f.Add(taken[1], taken[2])
	f.Add(taken[2], taken[3])
	f.Add(taken[3], taken[0])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s, err := load(options(10), slices.Values([][]byte{a, b}))
		if s == nil {
			t.Fatal(err)
		}
		newJumble(2).tell(s, 100)
		saved := pages(s, nothing)
		again, err := load(options(10), slices.Values(saved))
		if err != nil {
			t.Fatal("what it saves cannot be read:", err)
		}
		if now := pages(again, nothing); !slices.EqualFunc(saved, now, slices.Equal[[]byte]) {
			t.Fatal("what is read is not what was saved")
		}
	})
}
