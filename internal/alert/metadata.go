package alert

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/rule"
)

// metadata is what each alert tells of its rule, written once and copied from there.
type metadata struct {
	key   string                 // of the attribute that holds a rule's id
	rules map[string]pcommon.Map // by id
}

// newMetadata has put write what is told of each of the rules besides its id.
func newMetadata(key string, rules []rule.Rule, put func(pcommon.Map, *rule.Rule)) metadata {
	t := metadata{key: key, rules: make(map[string]pcommon.Map, len(rules))}
	for i := range rules {
		m := pcommon.NewMap()
		m.PutStr(key, rules[i].ID)
		put(m, &rules[i])
		t.rules[rules[i].ID] = m
	}
	return t
}

// put tells of a rule; of one that is no more, which an alert of before a restart may name, its id.
func (t *metadata) put(m pcommon.Map, id string) {
	told, ok := t.rules[id]
	if !ok {
		m.PutStr(t.key, id)
		return
	}
	for key, v := range told.All() {
		v.CopyTo(m.PutEmpty(key))
	}
}
