package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Contributors says by what senders and receivers are kept and named beside the entity that alerts.
type Contributors struct {
	// Fields are those that are kept and named; of the others, nothing is, but where a rule is keyed by them.
	Fields []string `mapstructure:"fields"`
	// Max is how many values of a field an alert names.
	Max int `mapstructure:"max"`
	// FlowIDs is of how many flows an alert gives the id; 0: of none, and none is kept.
	FlowIDs int `mapstructure:"flow_ids"`
}

// Short names of fields, as alerts have them under exfil.contributors.
var contributorNames = map[string]flow.Field{
	"region":  flow.DestinationRegion,
	"country": flow.DestinationCountry,
}

// contributorField finds a field by its name, as rules or as alerts give it.
func contributorField(name string) (flow.Field, bool) {
	if field, ok := contributorNames[name]; ok {
		return field, true
	}
	field, err := flow.ParseField(name)
	return field, err == nil
}

// contributorFields lists what may be named.
func contributorFields() []string {
	var names []string
	for _, field := range detector.ContributorFields() {
		if field != flow.DestinationRegion {
			names = append(names, field.String())
		}
	}
	return append(names, "region", "country")
}

func defaultContributors() Contributors {
	fields := contributorFields()
	return Contributors{Fields: fields[:len(fields)-1], Max: detector.MaxContributors, FlowIDs: detector.MaxFlowIDs}
}

// Detection returns the same as the detector takes it. Of a configuration that Validate passed, nothing is missing.
func (c *Contributors) Detection() detector.Contributors {
	d := detector.Contributors{Fields: []flow.Field{}, Max: c.Max, FlowIDs: c.FlowIDs}
	for _, name := range c.Fields {
		if field, ok := contributorField(name); ok {
			d.Fields = append(d.Fields, field)
		}
	}
	return d
}

func (c *Config) checkContributors(p *problems) {
	checkFields(p, "contributors.fields", c.Contributors.Fields, contributorFields())
	if most := c.Contributors.Max; most < 1 || most > detector.MostContributors {
		p.add("contributors.max", "%d is out of range; 1 to %d, %d is the usual; to name none at all, leave fields empty: []",
			most, detector.MostContributors, detector.MaxContributors)
	}
	if n := c.Contributors.FlowIDs; n < 0 || n > detector.MaxFlowIDs {
		p.add("contributors.flow_ids", "%d is out of range; 0 (none) to %d", n, detector.MaxFlowIDs)
	}
}

// checkFields wants each name to be one of those known, and there once.
func checkFields(p *problems, key string, names, known []string) {
	var seen []flow.Field
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", key, i)
		field, ok := contributorField(name)
		switch {
		case !ok:
			p.add(at, "%q is unknown; write one of %s", name, strings.Join(known, ", "))
		case slices.Contains(seen, field):
			p.add(at, "%q is named twice; remove one", name)
		}
		seen = append(seen, field)
	}
}
