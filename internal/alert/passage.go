package alert

import (
	"container/heap"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
)

// passage is a way through a gate, for all rules that share a cap. What one lets through is nothing to another.
type passage struct {
	dryRun         bool
	maxPerInterval int
	left           int // alerts that left in the current interval
	summed         int // Suppressions that left in it
	overflow       overflow
	stats          GateStats

	entities recent[*entity]
	groups   recent[*group]
	due      due // groups that a Suppression is to tell of

	entityKey, groupKey []byte // scratch
}

func newPassage(maxPerInterval, most int, dryRun bool) passage {
	return passage{
		dryRun: dryRun, maxPerInterval: maxPerInterval,
		entities: newRecent[*entity](most), groups: newRecent[*group](most),
	}
}

// entity is what is known of a rule's entity that has alerted.
type entity struct {
	key  string
	at   time.Time // event time of the last alert that was no update
	told []told    // the latest windows
	encoded
}

func (e *entity) name() string { return e.key }

// told is a window that an alert has told of.
type told struct {
	window
	uid     string
	score   float64
	bytes   int64
	updated bool
}

func (p *passage) admit(f *detector.Finding, policy Policy, out []Alert) []Alert {
	p.entityKey = appendEntityKey(p.entityKey[:0], f)
	m := membershipOf(f, policy.Grouping)
	p.groupKey = m.appendKey(p.groupKey[:0], p.entityKey, f.Rule)
	e, g := p.entities.get(p.entityKey), p.groups.get(p.groupKey)
	state, first := judge(f, policy, e, g, m.who)
	if state == "" {
		// A window that was told of holds nothing back: its other keys' findings are the same news.
		if first == nil && p.hold(g, f, m, policy) {
			p.stats.Suppressed++
		}
		return out
	}
	if p.left >= p.maxPerInterval {
		if p.overflow.add(p.entityKey, f) {
			p.stats.Overflowed++
		}
		if g != nil {
			g.hold(p.entityKey, f, false)
		}
		return out
	}
	p.left++
	p.stats.Alerted++
	a := Anomaly{Finding: *f, UID: findingUID(f, state), DryRun: p.dryRun}
	if g != nil {
		a.Suppressed = g.suppressed
		p.carried(g, f.Score)
	}
	if state == stateUpdate {
		a.UpdateOf = first.uid
		first.updated = true
		e.changed()
		return append(out, a)
	}
	p.tell(e, f, a.UID)
	return append(p.open(g, f, m.who, policy, a.UID, out), a)
}

// judge says in which state a finding is to be told, "" if it is to be held back, and which telling
// of its window came first. What is known of its entity and group may be nil.
func judge(f *detector.Finding, policy Policy, e *entity, g *group, who string) (state string, first *told) {
	if e != nil {
		for i := range e.told {
			if t := &e.told[i]; t.window == windowOf(f) {
				if f.Phase == detector.Closing && !t.updated && (f.Score >= t.score+risen || isOverflow(f) && f.Actual/grown >= t.bytes) {
					return stateUpdate, t
				}
				return "", t
			}
		}
	}
	if g != nil && policy.SuppressFor > 0 && f.Time.Sub(g.at) < policy.SuppressFor && f.Score < g.score+risen && !g.news(who) {
		return "", nil
	}
	return stateNew, nil
}

// isOverflow says whether a finding is of the entities that found no room.
func isOverflow(f *detector.Finding) bool {
	return slices.Contains(f.Values, detector.OverflowValue)
}

// hold holds a finding back on behalf of its group, and says whether its window is one more.
func (p *passage) hold(g *group, f *detector.Finding, m membership, policy Policy) bool {
	bytes, first, open := g.hold(p.entityKey, f, true)
	if !open {
		return first
	}
	if g.summary == nil {
		g.summary = newSummary(f, m, g.at.Add(policy.SuppressFor))
		heap.Push(&p.due, g)
	}
	g.summary.add(f, bytes, first)
	return first
}

// carried notes that an alert of a score has told how much of a group was held back.
func (p *passage) carried(g *group, score float64) {
	p.close(g)
	g.score, g.suppressed = score, 0
	g.changed()
}

// close ends what is to be summed up of a group.
func (p *passage) close(g *group) {
	if g.summary == nil {
		return
	}
	heap.Remove(&p.due, g.place)
	g.summary = nil
	for i := range g.held {
		g.held[i].open = false
	}
	g.changed()
}

// tell notes that a window of an entity was told of; of the entity nothing is known where it is nil.
func (p *passage) tell(e *entity, f *detector.Finding, uid string) {
	if e == nil {
		p.makeRoom()
		e = &entity{key: string(p.entityKey)}
	}
	p.entities.use(e)
	e.at = f.Time
	if len(e.told) == maxTold {
		e.told = slices.Delete(e.told, 0, 1)
	}
	e.told = append(e.told, told{window: windowOf(f), uid: uid, score: f.Score, bytes: f.Actual})
	e.changed()
}

// makeRoom lets the entity go that has not alerted for the longest, if there is no room for one more.
func (p *passage) makeRoom() {
	if oldest, ok := p.entities.surplus(); ok {
		p.entities.remove(oldest)
	}
}

// open notes that a group has alerted; of the group nothing is known where it is nil. Of one that must make room for it, what was
// held back is summed up.
func (p *passage) open(g *group, f *detector.Finding, who string, policy Policy, uid string, out []Alert) []Alert {
	if g == nil {
		if oldest, ok := p.groups.surplus(); ok {
			out = p.report(oldest, f.Time, out)
			p.groups.remove(oldest)
		}
		g = &group{key: p.sharedKey()}
	}
	p.groups.use(g)
	g.alerted(f, who, policy.SuppressFor, uid)
	return out
}

// sharedKey is the group's key, which is that of the entity, if it is the same.
func (p *passage) sharedKey() string {
	if e := p.entities.get(p.entityKey); e != nil && e.key == string(p.groupKey) {
		return e.key
	}
	return string(p.groupKey)
}

// end begins a new interval, that which began at start being over.
func (p *passage) end(start time.Time, lasts time.Duration, out []Alert) []Alert {
	if p.overflow.alerts > 0 {
		out = append(out, p.overflow.report(start, lasts, p))
		p.overflow = overflow{}
	}
	p.left, p.summed = 0, 0
	return out
}

// sumUp tells what was held back of the groups whose suppression is over, the longest over first.
func (p *passage) sumUp(now time.Time, out []Alert) []Alert {
	for len(p.due) > 0 && p.summed < p.maxPerInterval && !p.due[0].summary.end.After(now) {
		p.summed++
		out = p.report(p.due[0], p.due[0].summary.end, out)
	}
	return out
}

// report tells what was held back of a group until then, if anything was that no alert has told.
func (p *passage) report(g *group, until time.Time, out []Alert) []Alert {
	if g.summary == nil {
		return out
	}
	out = append(out, g.summary.report(g.alert, until, p.dryRun))
	p.close(g)
	return out
}

// forget takes out what has not alerted for so long that nobody remembers, groups once they are summed up.
func (p *passage) forget(now time.Time) {
	for e, ok := p.entities.oldest(); ok && now.Sub(e.at) > rememberFor; e, ok = p.entities.oldest() {
		p.entities.remove(e)
	}
	for g, ok := p.groups.oldest(); ok && g.summary == nil && now.Sub(g.at) > rememberFor; g, ok = p.groups.oldest() {
		p.groups.remove(g)
	}
}
