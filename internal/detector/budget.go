package detector

import (
	"math"
	"slices"
	"time"

	"github.com/otel-exfil/exfil/internal/baseline"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Weights by which a rule's budget of false alarms is divided among its keys, before they are made to
// add up to one. A detail key that two rules share is paid for by both.
const (
	mainWeight   = 0.60
	detailWeight = 0.05
	sharedWeight = 0.20
)

// newSpaces makes the spaces of one span. Each rule has a space for its own key. Detail keys
// are shared by rules whose own keys differ: port × region serves both the port's rule and the region's.
func newSpaces(settings Settings, span time.Duration, keys *keyer, tallies *tallyPool) []*space {
	var mains, details []*space
	ofRule := make(map[string]*space)
	for i := range settings.Watches {
		w := &settings.Watches[i]
		if !slices.Contains(w.Spans, span) {
			continue
		}
		s := newSpace(w.By, keys, w.MaxEntities, span, tallies, false)
		s.senders = keys.number(sendersOf(w))
		s.own(w, i, s)
		mains, ofRule[w.Rule] = append(mains, s), s
		for _, fields := range w.Details {
			at := slices.IndexFunc(details, func(s *space) bool { return s.canServe(w, fields) })
			if at < 0 {
				details = append(details, newSpace(fields, keys, w.MaxEntities, span, tallies, true))
				at = len(details) - 1
				if !slices.Contains(fields, flow.Host) {
					details[at].senders = keys.number(sendersOf(w))
				}
			}
			details[at].own(w, i, ofRule[w.Rule])
		}
	}
	for i := range settings.Watches {
		w := &settings.Watches[i]
		var spaces []*space
		var weights []float64
		total := 0.0
		for _, s := range slices.Concat(mains, details) {
			if s.ownedBy(w.Rule) {
				weight := mainWeight
				if s.detail {
					weight = detailWeight
					if len(s.owners) > 1 {
						weight = sharedWeight
					}
				}
				spaces, weights, total = append(spaces, s), append(weights, weight), total+weight
			}
		}
		for j, s := range spaces {
			s.share += weights[j] / total / float64(len(w.Spans))
		}
	}
	all, decays := slices.Concat(mains, details), baseline.NewDecays(span)
	for _, s := range all {
		s.decays = decays
		s.model, s.less = baseline.NewModel(span, s.share, s.detail, settings.Ablation), settings.Ablation
	}
	return all
}

// sendersOf is the detail key of a rule's own key and the host, empty if it has none.
func sendersOf(w *Watch) []flow.Field {
	for _, fields := range w.Details {
		if len(fields) == len(w.By)+1 && slices.Contains(fields, flow.Host) && !slices.Contains(w.By, flow.Host) {
			return fields
		}
	}
	return nil
}

func newSpace(fields []flow.Field, keys *keyer, limit int, span time.Duration, tallies *tallyPool, detail bool) *space {
	return &space{
		fields: fields, keyer: keys, key: keys.number(fields), senders: -1, limit: limit, span: span, tallies: tallies, detail: detail,
		sinceFirst: math.MinInt64,

		index:   newIndex(),
		current: newWindow(),
		next:    newWindow(),
		missed:  newWindow(),
	}
}

// own adds a rule to those the space is watched for.
func (s *space) own(w *Watch, number int, main *space) {
	o := owner{
		rule: w.Rule, by: w.By, main: main,
		threshold: w.Threshold, budget: w.Budget,
		falseAlarms: baseline.FalseAlarmsAt(w.Threshold, w.Budget),
		floor:       w.MinBytes,
	}
	for _, f := range w.By {
		o.positions = append(o.positions, slices.Index(s.fields, f))
	}
	s.owners = append(s.owners, o)
	s.rules |= flow.RuleNumber(number)
	s.limit = max(s.limit, w.MaxEntities)
}

func (s *space) ownedBy(rule string) bool {
	return slices.ContainsFunc(s.owners, func(o owner) bool { return o.rule == rule })
}

// canServe says whether the detail space may be shared with a rule: the key is the same, and
// by their own keys the rules can be told apart.
func (s *space) canServe(w *Watch, fields []flow.Field) bool {
	if len(fields) != len(s.fields) || !holds(s.fields, fields) {
		return false
	}
	return !slices.ContainsFunc(s.owners, func(o owner) bool {
		return len(o.by) == len(w.By) && holds(o.by, w.By)
	})
}
