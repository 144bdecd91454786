package detector

import (
	"slices"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// outage is what a lane knows of its missing windows, those of the last days: until four days after the last of them.
//
// Records of a missing window that come late, as a backlog does when live traffic is first to return, have no window
// to join: in the open one, hours of traffic would be judged as if they had been sent at once. They are summed
// by entity in one more window, the missed one, and judged against what all missing windows together would have
// been allowed to bring; they teach nothing. So an old timestamp buys a thief no more than the windows would have
// let pass, once, and only after an outage of everything; any other late record joins the open window.
type outage struct {
	span  int64
	gaps  []gap  // in their order, none touching
	parts []part // their windows by slot
	stale bool   // windows have gone missing since the sums of the missed windows were predicted
}

// gap is a run of missing windows by their numbers, to being the first that is not.
type gap struct{ from, to int64 }

// part is how many missing windows lie in a slot. The windows at both ends of a gap were cut short
// by the outage, and count as half missing.
type part struct {
	slot    baseline.Slot
	windows float64
}

// maxGaps bounds what is known.
const maxGaps = 32

func (o *outage) known() bool { return len(o.gaps) > 0 }

// holds says whether the window of an instant is missing or was cut short.
func (o *outage) holds(t int64) bool {
	if !o.known() {
		return false
	}
	bucket := flow.Window(t, o.span)
	return slices.ContainsFunc(o.gaps, func(g gap) bool { return g.from-1 <= bucket && bucket <= g.to })
}

// bounds are the instants between which windows are missing. The start is that of no window that was judged, so that
// findings of both can be told apart.
func (o *outage) bounds() (start, end int64) {
	return o.gaps[0].from * o.span, o.gaps[len(o.gaps)-1].to * o.span
}

// reach is how many windows an outage can be long, and how many it is remembered for.
func (l *lane) reach() int64 { return int64(longestSilence) / l.span }

// miss notes that windows are missing.
func (l *lane) miss(from, to int64) {
	o := &l.outage
	from = max(from, to-l.reach())
	if o.known() && (to-o.gaps[0].from > 2*l.reach() || len(o.gaps) == maxGaps && o.gaps[maxGaps-1].to < from) {
		l.endOutage()
	}
	if n := len(o.gaps); n > 0 && o.gaps[n-1].to >= from {
		o.gaps[n-1].to = to
	} else {
		o.gaps = append(o.gaps, gap{from, to})
	}
	o.stale = true
}

// countMissing finds the slots of the missing windows.
func (l *lane) countMissing() {
	o := &l.outage
	o.parts = o.parts[:0]
	for _, r := range o.gaps {
		l.addPart(r.from-1, 0.5)
		for b := r.from; b < r.to; b++ {
			l.addPart(b, 1)
		}
		l.addPart(r.to, 0.5)
	}
}

func (l *lane) addPart(bucket int64, windows float64) {
	slot := l.slotOf(bucket)
	i := slices.IndexFunc(l.outage.parts, func(p part) bool { return p.slot == slot })
	if i < 0 {
		i = len(l.outage.parts)
		l.outage.parts = append(l.outage.parts, part{slot: slot})
	}
	l.outage.parts[i].windows += windows
}

// expectMissed predicts anew what the missing windows would have brought, if more of them are missing.
func (l *lane) expectMissed() {
	if !l.outage.stale {
		return
	}
	l.outage.stale = false
	l.countMissing()
	for _, s := range l.spaces {
		for i := range s.missed.sums {
			l.paceAt(i)
			s.missed.sums[i].attention = s.predictMissed(l, &s.missed.outlooks[i])
		}
	}
}

// restMissed takes the tallies of the missed windows back, which are open for too long to keep them, and forgets
// the outage when nothing more is to be expected of it. It is called when a window closes.
func (l *lane) restMissed() {
	o := &l.outage
	if !o.known() {
		return
	}
	for _, s := range l.spaces {
		s.restMissed(l)
	}
	if l.bucket-o.gaps[len(o.gaps)-1].to > l.reach() {
		l.endOutage()
	}
}

func (s *space) restMissed(l *lane) {
	for i := range s.missed.outlooks {
		u, o := &s.missed.sums[i], &s.missed.outlooks[i]
		if o.tally == nil {
			continue
		}
		s.tallies.settle(o.tally, l.end()-1)
		o.tally = nil
		u.attention = s.attention(o)
	}
}

// endOutage forgets the missing windows and lets the sums go: they were judged record by record.
func (l *lane) endOutage() {
	l.outage.gaps = l.outage.gaps[:0]
	for _, s := range l.spaces {
		s.restMissed(l)
		s.missed = newWindow()
	}
}

// predictMissed freezes what is expected of an entity in the missing windows together.
func (s *space) predictMissed(l *lane, o *outlook) (attention int64) {
	e := &s.entities[o.entity]
	if e.windows == 0 {
		s.meet(l, o.entity)
	}
	series, active := e.Series, s.activity(l, o.entity)
	series.SkipTo(l.ordinal, s.span)
	var all baseline.Together
	for _, p := range l.outage.parts {
		all.Add(s.model.Predict(&series, s.table(e), p.slot, active), p.windows)
	}
	o.prediction = all.Prediction()
	o.owner = s.rarest(l, o.entity)
	return s.expectMissed(l, o)
}

// expectMissed does as expect, and solves the threshold: the missed window stays open while what it depends on changes.
func (s *space) expectMissed(l *lane, o *outlook) (attention int64) {
	s.expect(l, o)
	s.threshold(o)
	return s.attention(o)
}

func (o *outage) save(w *codec.Writer) {
	w.Uint(uint64(len(o.gaps)))
	for _, r := range o.gaps {
		w.Int(r.from)
		w.Int(r.to)
	}
}

// load reads what save wrote, of a lane whose open window is known.
func (o *outage) load(r *codec.Reader, l *lane) {
	o.span = l.span
	n := r.Count(2)
	if n > maxGaps {
		r.Fail("%d gaps of missing windows; there are %d at most", n, maxGaps)
		return
	}
	for range n {
		v := gap{r.Int(), r.Int()}
		first, last := l.bucket-4*l.reach(), l.bucket
		if k := len(o.gaps); k > 0 {
			first = o.gaps[k-1].to + 1
		}
		if v.from < first || v.to <= v.from || v.to > last {
			r.Fail("windows %d to %d are missing before window %d", v.from, v.to, l.bucket)
			return
		}
		o.gaps = append(o.gaps, v)
	}
}
