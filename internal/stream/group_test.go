package stream_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/otel-exfil/exfil/internal/stream"
)

const minute, hour = int64(60), int64(3600)

// process is a sender that was started long before the observation began and dates all its
// streams by that.
type process struct {
	*stream.Streams
	group uint64
	start int64 // seconds
}

func oldProcess(s *stream.Streams) *process { return &process{s, 77, -1000 * hour} }

// export delivers the total of a stream as of a time in seconds.
func (p *process) export(id uint64, at, total int64) (int64, stream.Outcome) {
	point := (&export{start: p.start, time: at, total: total}).point(id)
	point.Group = p.group
	return p.Advance(&point, later())
}

// exportAll is an export of streams that all are old: one that never rests and one that never sends.
func (p *process) exportAll(at int64) {
	p.export(1, at, 5_000_000+at)
	p.export(2, at, 9_000_000)
}

// run exports all streams every minute, from the first to before the last one.
func (p *process) run(from, to int64) {
	for at := from; at < to; at += minute {
		p.exportAll(at)
	}
}

func TestAStreamThatIsBornInAnOlderProcess(t *testing.T) {
	for _, c := range []struct {
		story   string
		before  func(p *process)
		at      int64
		adds    int64
		outcome stream.Outcome
	}{
		{"counts whole, for all exports before lacked it", func(p *process) { p.run(0, hour) }, hour, 700, stream.Added},
		{"counts whole where exports are half an hour apart", func(p *process) {
			p.exportAll(0)
			p.exportAll(hour / 2)
		}, hour, 700, stream.Added},
		{"counts whole where exports are a second apart", func(p *process) {
			for at := range 10 * minute {
				p.exportAll(at)
			}
		}, 10 * minute, 700, stream.Added},
		{"counts nothing in the first export", func(*process) {}, 0, 0, stream.First},
		{"counts nothing in the second export: the first may have lost it", func(p *process) { p.exportAll(0) }, hour / 2, 0, stream.First},
		{"counts nothing while parts of the first export may be tried again", func(p *process) { p.run(0, 5*minute) }, 5 * minute, 0, stream.First},
		{"counts nothing in the export that settles the group", func(p *process) { p.run(0, 6*minute) }, 5*minute + 1, 0, stream.First},
		{"counts whole in the next", func(p *process) { p.run(0, 6*minute) }, 6 * minute, 700, stream.Added},
		{"counts nothing where a part of an older export comes late", func(p *process) { p.run(0, hour) }, hour - 118, 0, stream.First},
		{"counts whole where its part of an export came behind the next", func(p *process) {
			p.run(0, hour)
			p.exportAll(hour + 1)
		}, hour, 700, stream.Added},
		{"counts nothing where only what changes is exported", func(p *process) {
			for at := int64(0); at < hour; at += minute {
				p.export(1, at, 5_000_000+at)
			}
		}, hour, 0, stream.First},
		{"counts nothing where the one that repeats began at nothing again", func(p *process) {
			p.export(2, 0, 9_000_000)
			for at := int64(0); at < hour; at += minute {
				p.export(1, at, 5_000_000+at)
				p.export(2, at+1, 0)
			}
		}, hour, 0, stream.First},
		{"counts nothing behind an outage, in which it may have been born", func(p *process) { p.run(0, hour) }, 4*hour + 1, 0, stream.Stale},
		{"counts nothing behind an outage of its process alone", func(p *process) {
			p.run(0, hour)
			other := &process{p.Streams, 78, p.start}
			for at := int64(0); at < 5*hour; at += minute {
				other.export(8, at, 100)
			}
		}, 5 * hour, 0, stream.Stale},
		{"counts nothing where another process is known, but not its own", func(p *process) {
			p.run(0, hour)
			p.group++
		}, hour, 0, stream.First},
		{"counts nothing where its start is not known", func(p *process) {
			p.start = unknown
			p.run(0, hour)
		}, hour, 0, stream.First},
		{"counts nothing where a scraper dates each stream by its first point", func(p *process) {
			p.run(0, hour)
			p.start = hour
		}, hour, 0, stream.First},
		{"more than anyone can have sent does not count", func(p *process) {
			p.run(0, hour)
			p.export(3, hour, 1<<51)
		}, hour, 0, stream.Duplicate},
	} {
		t.Run(c.story, func(t *testing.T) {
			p := oldProcess(observed(10))
			c.before(p)
			added, outcome := p.export(3, c.at, 700)
			assert.Equal(t, c.outcome.String(), outcome.String())
			assert.Equal(t, c.adds, added)

			if outcome != stream.Duplicate {
				added, _ = p.export(3, c.at+minute, 750)
				assert.EqualValues(t, 50, added, "and then by difference")
			}
		})
	}
}

// Given an export that comes in several requests, whose points are dated as each was collected, when
// the old streams in the second request are met, then they count nothing.
func TestAnExportInPartsIsOneExport(t *testing.T) {
	s := observed(100)
	p := oldProcess(s)
	exportInParts := func(at int64) (added int64) {
		for part := range int64(10) {
			n, _ := p.export(uint64(1+part), at+part, 1_000_000)
			added += n
		}
		return added
	}
	for at := int64(0); at < hour; at += minute {
		assert.Zero(t, exportInParts(at))
	}
	added, _ := p.export(90, hour+3, 40)
	assert.EqualValues(t, 40, added, "a stream that is born counts, in whichever part it comes")
	assert.Zero(t, exportInParts(hour))
}

// Given exports of which parts come late, up to five minutes at the start, then no old
// stream counts.
func TestAPartOfTheFirstExportsThatIsTriedAgainCountsNothing(t *testing.T) {
	p := oldProcess(observed(10))
	p.run(0, 5*minute)
	for at := int64(0); at <= 5*minute; at += minute {
		added, _ := p.export(3, at, 8_000_000)
		assert.Zero(t, added)
	}
	p.run(5*minute, hour)
	added, _ := p.export(3, hour, 8_000_001)
	assert.EqualValues(t, 1, added)
}

// Given a sender that drops idle streams and forgets their totals, as OBI does, when one comes back,
// then a total that has fallen counts whole, and of one that has not counts the difference.
func TestADroppedStreamThatComesBackIsNotTakenForNewborn(t *testing.T) {
	for name, c := range map[string]struct{ total, adds int64 }{
		"less than before": {400, 400},
		"more than before": {900, 200},
		"as much":          {700, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := oldProcess(observed(10))
			p.run(0, hour)
			p.export(3, hour, 700)
			p.run(hour, 3*hour)
			added, _ := p.export(3, 3*hour, c.total)
			assert.Equal(t, c.adds, added)
		})
	}
}

// Given more streams than are remembered, each forgotten before its next export, then none
// counts twice.
func TestStreamsThatAreForgottenBetweenExportsCountNothing(t *testing.T) {
	p := oldProcess(observed(5))
	for at := int64(0); at < hour; at += minute {
		p.exportAll(at)
		p.exportAll(at + 1)
		for id := uint64(10); id < 20; id++ {
			added, outcome := p.export(id, at, 1000)
			assert.Zero(t, added)
			assert.Equal(t, stream.First, outcome)
		}
	}
}

// A stream that was idle for long and dropped is forgotten first, and does not keep those that are born later
// from counting.
func TestToForgetAnIdleStreamDoesNotHideTheNewborn(t *testing.T) {
	p := oldProcess(observed(3))
	p.run(0, hour)
	p.export(3, hour, 700)
	p.run(hour, 2*hour)
	added, outcome := p.export(4, 2*hour, 60) // in the place of 3
	assert.Equal(t, stream.Added, outcome)
	assert.EqualValues(t, 60, added)
	p.run(2*hour, 3*hour)
	added, outcome = p.export(5, 3*hour, 80) // in the place of 4
	assert.Equal(t, stream.Added, outcome)
	assert.EqualValues(t, 80, added)
	assert.EqualValues(t, 2, p.Stats().Evicted)
}

// Given more groups than are remembered, when a forgotten one comes back, then its newborn
// streams count nothing until it has settled again.
func TestAForgottenGroupIsANewOne(t *testing.T) {
	s := stream.New(stream.Options{Limit: 100, Groups: 2, Gap: gap, Skew: time.Minute, Created: created})
	p := oldProcess(s)
	p.run(0, hour)
	for other := range uint64(2) {
		o := &process{s, 100 + other, p.start}
		o.export(50+other, hour, 10)
	}
	_, outcome := p.export(3, hour, 700)
	assert.Equal(t, stream.First, outcome)
	p.run(hour, 2*hour)
	added, _ := p.export(4, 2*hour, 700)
	assert.EqualValues(t, 700, added)
}

// Given a sender that for hours tells of nothing that matters, but is heard of, when a stream is
// born or comes back, then it counts. Without that there was an outage.
func TestASenderThatIsHeardOfIsNotCutOff(t *testing.T) {
	for name, c := range map[string]struct {
		id   uint64
		adds int64
	}{"newborn": {3, 700}, "known": {2, 700}} {
		t.Run(name, func(t *testing.T) {
			for _, heard := range []bool{true, false} {
				p := oldProcess(observed(10))
				p.run(0, hour)
				for at := hour; at < 9*hour && heard; at += minute {
					other := (&export{start: p.start, time: at}).point(0)
					other.Group = p.group
					p.Hear(&other, later())
				}
				far := (&export{start: p.start, time: 5000 * hour}).point(0)
				far.Group = p.group
				p.Hear(&far, later())
				delta := (&export{start: p.start, time: 20 * hour}).point(0)
				delta.Cumulative = false
				p.Hear(&delta, later())

				total := c.adds
				if c.id == 2 {
					total += 9_000_000
				}
				added, outcome := p.export(c.id, 9*hour, total)
				if heard {
					assert.Equal(t, c.adds, added)
					assert.Equal(t, stream.Added, outcome)
				} else {
					assert.Zero(t, added)
					assert.Equal(t, stream.Stale, outcome)
				}
				assert.Zero(t, p.Stats().Evicted)
			}
		})
	}
}

func TestAPointFromTheFutureDoesNotEndAnExport(t *testing.T) {
	p := oldProcess(observed(10))
	p.run(0, hour)
	_, outcome := p.export(1, 5000*hour, 5)
	assert.Equal(t, stream.Future, outcome)
	added, _ := p.export(3, hour, 700)
	assert.EqualValues(t, 700, added)
}
