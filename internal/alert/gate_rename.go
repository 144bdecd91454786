package alert

import (
	"container/heap"
	"net/netip"
	"slices"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Naming says by what names goes on what was remembered by others.
type Naming struct {
	By   func(rule string) []flow.Field                            // the rule's key; nil: there is no such rule
	Name func(fields []flow.Field, values []string) (now []string) // one value a field
}

// Rename gives all that the gate remembers the names by which it comes from now on. Of two entities or groups that become
// one, the one is remembered whose alert was the later.
func (g *Gate) Rename(n Naming) {
	for _, p := range g.passages() {
		p.rename(&n)
	}
}

func (p *passage) rename(n *Naming) {
	hashes := make(map[uint64]uint64) // of entities' keys, as they are now by as they were
	entities := slices.Collect(p.entities.all())
	for _, e := range entities {
		p.entities.remove(e)
	}
	for _, e := range entities {
		was := e.key
		if e.key = n.entityKey(was); e.key != was {
			e.changed()
			hashes[hashOf([]byte(was))] = hashOf([]byte(e.key))
		}
		if same := p.entities.get([]byte(e.key)); same != nil {
			p.entities.remove(same)
		}
		e.encoding() // now, when nobody waits yet
		p.entities.use(e)
	}
	p.renameGroups(n, hashes)
	for i := range p.overflow.entities {
		e := &p.overflow.entities[i]
		e.Values = n.Name(e.Fields, e.Values)
	}
}

func (p *passage) renameGroups(n *Naming, hashes map[uint64]uint64) {
	groups := slices.Collect(p.groups.all())
	for _, g := range groups {
		p.groups.remove(g)
	}
	p.due = nil
	for _, g := range groups {
		g.rename(n, hashes)
		if same := p.groups.get([]byte(g.key)); same != nil {
			p.close(same)
			p.groups.remove(same)
		}
		p.groups.use(g)
		if g.summary != nil {
			heap.Push(&p.due, g)
		}
	}
}

func (g *group) rename(n *Naming, hashes map[uint64]uint64) {
	g.key = n.groupKey(g.key)
	for i, who := range g.who {
		g.who[i] = n.who(who)
	}
	for i := range g.held {
		if now, ok := hashes[g.held[i].entity]; ok {
			g.held[i].entity = now
		}
	}
	if g.summary != nil {
		g.summary.values = n.Name(g.summary.fields, g.summary.values)
	}
	g.changed()
	g.encoding()
}

// entityKey renames what appendEntityKey wrote.
func (n *Naming) entityKey(key string) string {
	r := codec.NewReader([]byte(key))
	rule := r.Text()
	var values []string
	for r.More() {
		values = append(values, r.Text())
	}
	fields := n.By(rule)
	if r.Err() != nil || len(fields) != len(values) {
		return key // of a rule that is no more, or was another
	}
	now := appendPart(nil, rule)
	for _, value := range n.Name(fields, values) {
		now = appendPart(now, value)
	}
	return string(now)
}

func (n *Naming) groupKey(key string) string {
	if key == "" || key[0] != notEntity {
		return n.entityKey(key)
	}
	r := codec.NewReader([]byte(key[1:]))
	now := appendPart([]byte{notEntity}, r.Text())
	return n.parts(r, now, key)
}

// who renames who is told apart within a group.
func (n *Naming) who(who string) string {
	if who != "" && who[0] == notEntity {
		return n.parts(codec.NewReader([]byte(who[1:])), []byte{notEntity}, who)
	}
	field := flow.Host
	if _, err := netip.ParseAddr(who); err == nil {
		field = flow.SourceAddress
	}
	return n.Name([]flow.Field{field}, []string{who})[0]
}

// parts renames the fields and values that r has, behind what is written already. Where they make no sense, it is
// otherwise.
func (n *Naming) parts(r *codec.Reader, now []byte, otherwise string) string {
	for r.More() {
		name, value := r.Text(), r.Text()
		field, err := flow.ParseField(name)
		if err != nil {
			return otherwise
		}
		now = appendParts(now, []flow.Field{field}, n.Name([]flow.Field{field}, []string{value}))
	}
	if r.Err() != nil {
		return otherwise
	}
	return string(now)
}
