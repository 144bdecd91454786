package alert

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

const (
	// maxWho bounds what is told apart within the group of an entity: a flood of machines is no flood of alerts.
	maxWho = 8
	// maxHeld bounds the windows that a group knows it has held back. Of more at a time, one that several keys find may
	// count more than once.
	maxHeld = 16
)

// group is what is known of findings that hold each other back, one of which has alerted.
type group struct {
	key        string
	at         time.Time    // event time of the last alert that was no update
	score      float64      // of the last alert
	alert      string       // UID of the last alert that was no update
	suppressed int          // windows with findings that were held back since the last alert
	who        []string     // told since the suppression began, where the group is an entity and who is told apart
	held       []heldWindow // the latest
	summary    *summary     // of what is to be told when the suppression is over; nil: nothing
	place      int          // among those that are due
	encoded
}

func (g *group) name() string { return g.key }

// heldWindow is a window whose findings were held back.
type heldWindow struct {
	entity uint64 // hash of its key
	window
	bytes int64
	open  bool // it is in the summary that is to come
}

// hold counts the finding's window as held back, once however many keys find it. It returns how many bytes are held back
// besides, whether the window is one more, and whether it is to be summed up.
func (g *group) hold(entityKey []byte, f *detector.Finding, summed bool) (bytes int64, first, open bool) {
	entity, w := hashOf(entityKey), windowOf(f)
	i := slices.IndexFunc(g.held, func(h heldWindow) bool { return h.entity == entity && h.window == w })
	if i >= 0 {
		h := &g.held[i]
		bytes = max(0, f.Actual-h.bytes)
		h.bytes += bytes
		g.changed()
		return bytes, false, h.open
	}
	if len(g.held) == maxHeld {
		g.held = slices.Delete(g.held, 0, 1)
	}
	g.held = append(g.held, heldWindow{entity, w, f.Actual, summed})
	g.suppressed++
	g.changed()
	return f.Actual, true, summed
}

// news says whether somebody is known whom no alert within the suppression has named: another host's theft is
// news, whoever else uses its port.
func (g *group) news(who string) bool {
	return who != "" && len(g.who) < maxWho && !slices.Contains(g.who, who)
}

// alerted notes that an alert left.
func (g *group) alerted(f *detector.Finding, who string, silence time.Duration, uid string) {
	if f.Time.Sub(g.at) >= silence {
		g.who = g.who[:0]
	}
	if g.news(who) {
		g.who = append(g.who, strings.Clone(who))
	}
	g.at, g.score, g.alert, g.suppressed = f.Time, f.Score, uid, 0
	g.changed()
}

// membership is which group a finding belongs to.
type membership struct {
	entity bool   // that of its entity
	who    string // whom to tell apart within that; "" nobody
	fields []flow.Field
	values []string // what it has in common with others, one a field, where the group is not that of its entity
}

// membershipOf returns the group of a finding. Where something that makes a group is not known, the entity stands in: what
// has nothing but that in common is not held back.
func membershipOf(f *detector.Finding, by rule.Grouping) membership {
	fields, values := shared(f, by)
	switch {
	case by.Entity:
		return membership{entity: true, who: whoOf(by, fields, values)}
	case slices.Contains(values, ""):
		return membership{entity: true}
	}
	return membership{fields: fields, values: values}
}

// shared returns what a group has in common besides the entity, "" where it is not known.
func shared(f *detector.Finding, by rule.Grouping) (fields []flow.Field, values []string) {
	if by.Source {
		c := machines(f)
		fields, values = append(fields, c.Field), append(values, dominant(c, f))
	}
	for _, field := range by.Fields {
		fields, values = append(fields, field), append(values, only(f, field))
	}
	return fields, values
}

// dominant returns the value that more than half of the bytes have, "" if none has.
func dominant(c detector.Contribution, f *detector.Finding) string {
	if !dominates(c, f) {
		return ""
	}
	return c.Values[0]
}

// only returns the value that all of the bytes have, or more than half of them, "" if none has.
func only(f *detector.Finding, field flow.Field) string {
	fields, values := part(f)
	if i := slices.Index(fields, field); i >= 0 && values[i] != detector.OverflowValue {
		return values[i]
	}
	return dominant(contribution(f, field), f)
}

// notEntity begins what is made of fields and their values. No entity's key, and no machine's name, begins so.
const notEntity = 0

// whoOf says in one text whom to tell apart: a machine by its name, others by fields and values.
func whoOf(by rule.Grouping, fields []flow.Field, values []string) string {
	switch {
	case !slices.ContainsFunc(values, func(value string) bool { return value != "" }):
		return ""
	case by.Source && len(values) == 1:
		return values[0]
	}
	return string(appendParts([]byte{notEntity}, fields, values))
}

// appendKey writes the group's key: that of the entity, or the rule and what it has in common.
func (m *membership) appendKey(key, entityKey []byte, rule string) []byte {
	if m.entity {
		return append(key, entityKey...)
	}
	return appendParts(appendPart(append(key, notEntity), rule), m.fields, m.values)
}

func appendParts(key []byte, fields []flow.Field, values []string) []byte {
	for i, field := range fields {
		key = appendPart(appendPart(key, field.String()), values[i])
	}
	return key
}

// mayKeep says whether a group of a key may be remembered where only names of some fields may be.
func mayKeep(key string, remembers func(flow.Field) bool) bool {
	if key == "" || key[0] != notEntity {
		return true // an entity is what a rule is keyed by
	}
	r := codec.NewReader([]byte(key[1:]))
	r.Text() // the rule
	return mayKeepParts(r, remembers)
}

// mayKeepWho is the same of who is told apart within a group.
func mayKeepWho(who string, remembers func(flow.Field) bool) bool {
	if who == "" || who[0] != notEntity {
		if _, err := netip.ParseAddr(who); err == nil {
			return remembers(flow.SourceAddress)
		}
		return remembers(flow.Host)
	}
	return mayKeepParts(codec.NewReader([]byte(who[1:])), remembers)
}

func mayKeepParts(r *codec.Reader, remembers func(flow.Field) bool) bool {
	for r.More() {
		name, value := r.Text(), r.Text()
		if field, err := flow.ParseField(name); err != nil || value != "" && !remembers(field) {
			return false
		}
	}
	return r.Err() == nil
}

// summary is what was held back of a group that no alert has told.
type summary struct {
	rule        string
	entity      bool // the group is that of its entity
	fields      []flow.Field
	values      []string
	windows     int
	bytes       int64
	score       float64 // the highest
	first, last time.Time
	end         time.Time // of the suppression
}

func newSummary(f *detector.Finding, m membership, end time.Time) *summary {
	s := &summary{rule: f.Rule, entity: m.entity, fields: m.fields, values: m.values, first: f.Time, last: f.Time, end: end}
	if m.entity {
		s.fields, s.values = f.Fields, f.Values
	}
	return s
}

// add adds a finding by which more bytes are held back; first says that its window is one more.
func (s *summary) add(f *detector.Finding, bytes int64, first bool) {
	if first {
		s.windows++
	}
	s.bytes = flow.AddBytes(s.bytes, bytes)
	s.score = max(s.score, f.Score)
	if f.Time.Before(s.first) {
		s.first = f.Time
	}
	if f.Time.After(s.last) {
		s.last = f.Time
	}
}

// report tells what was held back until then behind the alert of a UID.
func (s *summary) report(alert string, until time.Time, dryRun bool) Suppression {
	return Suppression{
		Rule: s.rule, Entity: s.entity, Fields: s.fields, Values: s.values,
		Windows: s.windows, Bytes: s.bytes, Score: s.score, First: s.first, Last: s.last,
		Until: until, Alert: alert, DryRun: dryRun,
	}
}

// due are the groups that a Suppression is to tell of, as a heap: first the one whose suppression is over first.
type due []*group

func (d due) Len() int { return len(d) }

func (d due) Less(i, j int) bool {
	if c := d[i].summary.end.Compare(d[j].summary.end); c != 0 {
		return c < 0
	}
	return d[i].key < d[j].key
}

func (d due) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push implements heap.Interface.
func (d *due) Push(g any) {
	g.(*group).place = len(*d)
	*d = append(*d, g.(*group))
}

// Pop implements heap.Interface.
func (d *due) Pop() any {
	last := len(*d) - 1
	g := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return g
}
