package stream

import "time"

// MaxStreams is a limit that suits most: a million streams of each temporality, which take
// about 60 MB if they are cumulative and 90 MB if they are delta.
const MaxStreams = 1_000_000

// maxIncrement bounds what one point may add, in bytes; more is a broken counter.
const maxIncrement = 1 << 50

// Options say how streams are judged.
type Options struct {
	// Limit is how many streams of each temporality are remembered. Beyond that, the one that was
	// silent for the longest time is forgotten.
	Limit int
	// Groups is how many groups of streams are remembered (see Point.Group). Beyond that, the one
	// that was silent for the longest time is forgotten; when it comes back, it is a new one.
	Groups int
	// Gap is how long all cumulative streams may be silent together. After that there was an outage, and
	// what the first points behind it add may have been sent at any time in it: it is not counted.
	Gap time.Duration
	// Skew is how far in the future a point may be, by the clock.
	Skew time.Duration
	// Created is when the observation began, by the clock.
	Created time.Time
}

// Streams tells what data points add. It is not safe for concurrent use.
//
// Of a cumulative stream counts the difference to the point before. Where its total falls, or its
// start has moved past the point before, the sender began anew and the whole total counts. The first
// point of a stream counts nothing, for its total may have been sent long ago, unless the
// stream began within the observation: by its start, if that is before the point was taken (a start at
// the time of the point itself means, by OpenTelemetry's data model, that the sender does not know it), or
// by what was exported before it.
//
// Some senders, OpenTelemetry's Go SDK by default among them, date all their streams by the start of
// the process. Where the observation is younger than that, the start tells nothing of a stream that is
// born later. But such a sender repeats every stream in each export. So the first point of a stream counts
// whole, too, if its group was exported without it before, from the group's first export to the last one, and
// for no less than settling (see there). Only a group counts for this that was seen to repeat a total that
// had not changed: senders that export only what changes never do. If the last export without
// the stream is further back than Options.Gap, there was an outage, and it counts nothing.
//
// So nothing counts twice of a stream that is remembered, of one that was forgotten since
// its group's last export, or that does not say when it began, nor of a group that is seen for the first
// time, be it new, forgotten or moved here from another collector. What was sent earlier, and may have been
// counted then, counts where a sender leaves a stream out for an export and later goes on with its old
// total, if the stream was forgotten meanwhile or was left out from the beginning; where single streams of a
// sender, not the sender, move here from another collector; and where of all exports in a group's first
// minutes the same part is lost. What counts nothing still is the first point of a
// stream that is born before its group has settled. Delta streams have none of these troubles.
//
// A stream that its sender drops while it is idle, and takes up again with the same start, may go
// on or begin at nothing. Its total tells where it has fallen: then it counts whole. Else the difference
// counts, which for one that began at nothing is too little by the total before, and never too much.
//
// A stream that is silent while others are not had nothing to tell, or its sender has dropped it for
// a while: what its next point adds counts at that point's time. Not so after an outage (see
// Options.Gap), which is missing data. Nor counts what a stream has sent since a start that is in the outage, more
// than a gap before its end, if it is met first within minutes (settling) of that end.
//
// Of a delta stream counts each point once. The three newest are remembered, so
// that neither what is exported twice counts twice, nor is lost what another point has overtaken.
type Streams struct {
	gap, skew  int64
	created    int64
	opened     bool
	cumulative *table[total]
	delta      *table[recent]
	groups     groups
	// horizon is the time before which streams may have begun without being counted, or may have been
	// counted and forgotten, nanoseconds since the epoch.
	horizon int64
	resets  int64
	// newest is the time of the newest point of a cumulative stream; outage is the last time in which there
	// were none for longer than gap.
	newest int64
	outage struct{ from, to int64 }
}

// total is what is remembered of a cumulative stream: its newest point.
type total struct {
	time, start, bytes int64
}

// recent is what is remembered of a delta stream: its newest points, the newest first. An empty place
// has the time 0.
type recent [3]struct{ time, bytes int64 }

// New returns the memory of streams, empty.
func New(o Options) *Streams {
	return &Streams{
		gap:        int64(o.Gap),
		skew:       int64(o.Skew),
		created:    o.Created.UnixNano(),
		horizon:    o.Created.UnixNano(),
		cumulative: newTable[total](o.Limit),
		delta:      newTable[recent](o.Limit),
		groups:     groups{table: newTable[group](o.Groups)},
	}
}

// Open tells when the points of the first batch were taken, before any of them is counted; later
// calls do nothing. Points that all are older than the observation itself are history that is read
// again: then the observation begins with the oldest of them.
func (s *Streams) Open(oldest, newest int64) {
	if !s.opened && newest < s.created {
		s.horizon = oldest
	}
	s.opened = true
}

// Advance takes a point into account that came at the clock's time now, and returns
// the bytes that it adds.
func (s *Streams) Advance(p *Point, now time.Time) (added int64, o Outcome) {
	future := p.Time > now.UnixNano()+s.skew
	if !p.Cumulative {
		if future {
			return outcome(p.Bytes) // it must not become the newest; the detector refuses it
		}
		return s.advanceDelta(p)
	}
	if future {
		return 0, Future
	}
	s.pass(p.Time)
	var g *group
	if s.older(p) {
		g = s.groups.of(p)
	}
	t := s.cumulative.find(p.ID)
	if t == nil {
		return s.first(p, g)
	}
	added, o = s.advanceTotal(t, p)
	if g != nil && o == Unchanged && p.Bytes > 0 { // a stream that begins anew with nothing was not repeated
		g.repeats = true
	}
	return added, o
}

// older says whether a point's start is known, but is before the observation, or so long ago that the stream
// may have been counted and forgotten.
func (s *Streams) older(p *Point) bool {
	return p.Start != 0 && p.Start < s.horizon
}

// Hear takes notice, at the clock's time now, of a point whose bytes do not matter: its sender was
// exporting then. So one that has nothing else to tell for hours is not taken for cut off.
func (s *Streams) Hear(p *Point, now time.Time) {
	if !p.Cumulative || p.Time > now.UnixNano()+s.skew {
		return
	}
	s.pass(p.Time)
	if s.older(p) {
		s.groups.of(p)
	}
}

// outcome judges an increment.
func outcome(bytes int64) (int64, Outcome) {
	switch {
	case bytes == 0:
		return 0, Unchanged
	case bytes > maxIncrement:
		return 0, Implausible
	}
	return bytes, Added
}

// pass lets the time of cumulative streams go on.
func (s *Streams) pass(time int64) {
	if s.newest != 0 && time-s.newest > s.gap {
		s.outage.from, s.outage.to = s.newest, time
	}
	s.newest = max(s.newest, time)
}

// missing says whether a stream's silence from since to time is that of the outage, or it has been there for more
// than a gap of the outage since it began anew. One that is silent still when the others have been back for a while
// is silent by itself.
func (s *Streams) missing(since, time int64) bool {
	return s.outage.from < time && time-s.outage.to <= s.gap && (since <= s.outage.from || s.bornIn(since, time))
}

// bornIn says whether a stream of this start was there for longer than a gap of the outage, but not before.
func (s *Streams) bornIn(start, time int64) bool {
	return start > s.outage.from && min(time, s.outage.to)-start > s.gap
}

// first counts the first point of a stream, whose group is nil if its start is not older than the horizon.
func (s *Streams) first(p *Point, g *group) (int64, Outcome) {
	// Judged before room is made: that may move the horizon.
	inTime := p.Start != 0 && p.Start >= s.horizon && p.Start < p.Time
	since, newborn := g.bornAfter(p.Time, s.horizon)
	t, forgotten, full := s.cumulative.add(p.ID)
	*t = total{p.Time, p.Start, p.Bytes}
	if full {
		// The forgotten stream began before its last point. If it comes again, it must not count anew.
		s.horizon = max(s.horizon, forgotten.time+1)
	}
	switch {
	case inTime && s.bornIn(p.Start, p.Time) && p.Time-s.outage.to <= settling:
		return 0, Stale
	case inTime:
		return outcome(p.Bytes)
	case !newborn:
		return 0, First
	case p.Time-since > s.gap:
		return 0, Stale
	}
	return outcome(p.Bytes)
}

func (s *Streams) advanceTotal(t *total, p *Point) (int64, Outcome) {
	switch {
	case p.Time == t.time:
		return 0, Duplicate
	case p.Time < t.time:
		return 0, OutOfOrder
	}
	before := *t
	*t = total{p.Time, p.Start, p.Bytes}
	since := before.time
	// A start that moves by less is the same sender's that reckons it anew each time.
	anew := p.Start > before.start && p.Start >= before.time && p.Start < p.Time
	if anew {
		since = p.Start
	}
	fell := p.Bytes < before.bytes
	if anew || fell {
		s.resets++
		before.bytes = 0
	}
	if s.missing(since, p.Time) {
		return 0, Stale
	}
	return outcome(p.Bytes - before.bytes)
}

func (s *Streams) advanceDelta(p *Point) (int64, Outcome) {
	points := s.delta.find(p.ID)
	if points == nil {
		points, _, _ = s.delta.add(p.ID)
	}
	place := 0
	for ; place < len(points); place++ {
		at := points[place]
		if at.time == p.Time && at.bytes == p.Bytes {
			return 0, Duplicate
		}
		if at.time < p.Time {
			break
		}
	}
	if place == len(points) {
		return 0, OutOfOrder
	}
	copy(points[place+1:], points[place:])
	points[place].time, points[place].bytes = p.Time, p.Bytes
	return outcome(p.Bytes)
}

// Stats is how the memory of streams is.
type Stats struct {
	Streams int64 // remembered
	Evicted int64 // forgotten to make room
	Resets  int64 // times that a cumulative stream began anew
}

// Stats reports how the memory is now.
func (s *Streams) Stats() Stats {
	return Stats{
		Streams: int64(s.cumulative.len() + s.delta.len()),
		Evicted: s.cumulative.evicted + s.delta.evicted,
		Resets:  s.resets,
	}
}
