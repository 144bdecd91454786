package rule

import (
	"fmt"
	"slices"

	"github.com/otel-exfil/exfil/internal/flow"
)

// The parts of a group besides the names of fields.
const (
	GroupEntity = "entity" // the entity
	GroupSource = "source" // the machine that sent more than half of the bytes
	GroupRule   = "rule"   // the rule, which is part of every group
)

// maxGroupParts bounds what a group is made of.
const maxGroupParts = 4

// Grouping says which findings of a rule hold each other back after an alert: those that have all of this in common. The
// zero Grouping makes one group of all that a rule finds.
type Grouping struct {
	Entity bool
	Source bool
	Fields []flow.Field // by the value that more than half of the bytes have
}

// DefaultGrouping is what groups are made of where nothing else is said.
func DefaultGrouping() []string { return []string{GroupEntity, GroupSource} }

// ParseGrouping reads what a configuration says of groups: entity, source, rule and names of fields, each once. The error
// names each wrong part by its place below key, a path in the configuration, and wraps ErrInvalid.
func ParseGrouping(key string, parts []string) (Grouping, error) {
	p := &problems{}
	g := parseGrouping(p, key, parts)
	return g, p.err()
}

// Grouping returns what the rule's groups have in common. It expects that the rule comes from Resolve and has inherited what
// is common to all.
func (r *Rule) Grouping() Grouping { return parseGrouping(&problems{}, "", r.SuppressBy) }

func parseGrouping(p *problems, key string, parts []string) (g Grouping) {
	if len(parts) > maxGroupParts {
		p.add(key, "%d parts; name at most %d, such as %s and %s", len(parts), maxGroupParts, GroupEntity, GroupSource)
		return g
	}
	for i, part := range parts {
		at := fmt.Sprintf("%s[%d]", key, i)
		twice := slices.Contains(parts[:i], part)
		switch part {
		case GroupEntity:
			g.Entity = true
		case GroupSource:
			g.Source = true
		case GroupRule:
		default:
			field, err := flow.ParseField(part)
			if err != nil {
				p.wrap(at, fmt.Errorf("%w, and besides %s, %s, %s", err, GroupEntity, GroupSource, GroupRule))
				continue
			}
			twice = slices.Contains(g.Fields, field)
			g.Fields = append(g.Fields, field)
		}
		if twice {
			p.add(at, "%q is named twice; remove one", part)
		}
	}
	return g
}
