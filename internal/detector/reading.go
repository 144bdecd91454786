package detector

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
)

// ClosedWindow is what the entities of rules' own keys sent in a window that has closed, beside what
// was expected of them.
type ClosedWindow struct {
	Start, End time.Time
	Span       time.Duration
	State      State // of the baselines while the window was open
	Rules      []RuleReadings
}

// RuleReadings are the readings of one rule, in the order of Settings.Watches.
type RuleReadings struct {
	Rule     string
	Fields   []flow.Field // the rule's key
	Readings []Reading    // most bytes first, equal ones by their values
}

// Reading is one entity's part in a closed window.
type Reading struct {
	Values  []string // the entity, one value a field
	Bytes   int64
	Typical int64   // median of the predictive distribution, bytes
	Upper   int64   // bytes at which the rule's threshold is reached; NoUpper: there are none
	Score   float64 // 0..100, of Bytes
}

// NoUpper is the Upper of a reading that no number of bytes would make an alert, as in the warm-up.
const NoUpper = math.MaxInt64

// maxUnread bounds the closed windows that wait to be taken. Four spans may close at one moment; more
// than this close within one batch only in a replay of hardly any traffic.
const maxUnread = 8

// reader reads the windows of all lanes as they close.
type reader struct {
	top    int
	unread []ClosedWindow // oldest first
	lost   int64
	places []uint32    // scratch: a heap of sums
	some   atomic.Bool // unread is not empty
}

// KeepReadings makes the detector keep, of each window that closes, the readings of the top entities
// of each rule by bytes, until ClosedWindows takes them. What is learned and found is the same
// with and without. Call it before the first Observe.
func (d *Detector) KeepReadings(top int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reader = &reader{top: top}
	for _, l := range d.lanes {
		l.reader = d.reader
	}
}

// ClosedWindows takes the windows that have closed since the last call, oldest first, if KeepReadings
// has asked for them. Lost is the number of windows dropped, since the last call, because more than
// eight had closed.
func (d *Detector) ClosedWindows() (closed []ClosedWindow, lost int64) {
	r := d.reader
	if r == nil || !r.some.Load() {
		return nil, 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	closed, lost = r.unread, r.lost
	r.unread, r.lost = nil, 0
	r.some.Store(false)
	return closed, lost
}

// read keeps the readings of a lane's open window, which is about to be learned from.
func (r *reader) read(l *lane) {
	w := ClosedWindow{
		Start: time.Unix(0, l.start()).UTC(),
		End:   time.Unix(0, l.end()).UTC(),
		Span:  time.Duration(l.span),
		State: l.state(),
	}
	for _, s := range l.spaces {
		if s.detail {
			continue
		}
		if readings := r.readSpace(s); len(readings) > 0 {
			w.Rules = append(w.Rules, RuleReadings{Rule: s.owners[0].rule, Fields: s.fields, Readings: readings})
		}
	}
	if len(w.Rules) == 0 {
		return
	}
	if len(r.unread) == maxUnread {
		r.lost++
		r.unread = slices.Delete(r.unread, 0, 1)
	}
	r.unread = append(r.unread, w)
	r.some.Store(true)
}

func (r *reader) readSpace(s *space) []Reading {
	r.largest(s)
	slices.SortFunc(r.places, func(a, b uint32) int { return -s.compareSums(a, b) })
	readings := make([]Reading, 0, len(r.places))
	for _, at := range r.places {
		u, o := &s.current.sums[at], &s.current.outlooks[at]
		w := &s.owners[o.owner]
		score := baseline.Score(s.model.Judge(o.prediction, u.bytes).FalseAlarms, w.budget)
		readings = append(readings, Reading{
			Values:  s.values(&s.entities[o.entity]),
			Bytes:   u.bytes,
			Typical: o.prediction.Median(),
			Upper:   s.threshold(o),
			Score:   max(score, float64(o.score)), // bytes only add up: not less than when it was found
		})
	}
	return readings
}

// largest puts the places of the top sums of the open window, in no order, into r.places: a heap of
// those seen so far whose root, the least of them, gives way to what is more.
func (r *reader) largest(s *space) {
	r.places = r.places[:0]
	for i := range s.current.sums {
		at := uint32(i)
		switch {
		case len(r.places) < r.top:
			r.places = append(r.places, at)
			if len(r.places) == r.top {
				for root := r.top/2 - 1; root >= 0; root-- {
					s.sift(r.places, root)
				}
			}
		case r.top > 0 && s.compareSums(at, r.places[0]) > 0:
			r.places[0] = at
			s.sift(r.places, 0)
		}
	}
}

// sift lets the sum at a node of a heap sink until none below it is less.
func (s *space) sift(heap []uint32, node int) {
	for {
		least := node
		for child := 2*node + 1; child <= 2*node+2 && child < len(heap); child++ {
			if s.compareSums(heap[child], heap[least]) < 0 {
				least = child
			}
		}
		if least == node {
			return
		}
		heap[node], heap[least] = heap[least], heap[node]
		node = least
	}
}

// compareSums orders sums of the open window by their bytes; of equal ones, that with the later name is
// the less. So the order does not depend on which was met first.
func (s *space) compareSums(a, b uint32) int {
	w := s.current
	if c := cmp.Compare(w.sums[a].bytes, w.sums[b].bytes); c != 0 {
		return c
	}
	return compareKeys(s.entities[w.outlooks[b].entity].key, s.entities[w.outlooks[a].entity].key)
}

// compareKeys orders keys that appendKey has written by their values, without taking them apart.
func compareKeys(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a, _ = cutValue(a)
		y, b, _ = cutValue(b)
		if c := cmp.Compare(x, y); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}
