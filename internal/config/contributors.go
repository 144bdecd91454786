package config

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/pseudonym"
)

// Contributors says by what senders and receivers are kept and named beside the entity that alerts.
type Contributors struct {
	// Fields are those that are kept and named; of the others, nothing is, but where a rule is keyed by them.
	Fields []string `mapstructure:"fields"`
	// Max is how many values of a field an alert names.
	Max int `mapstructure:"max"`
	// FlowIDs is of how many flows an alert gives the id; 0: of none, and none is kept.
	FlowIDs int `mapstructure:"flow_ids"`
	// Hash says what is hashed before it is kept, wherever it would stand, entities included.
	Hash Hash `mapstructure:"hash"`
}

// Hash puts keyed hashes in the place of names and addresses.
type Hash struct {
	// Fields are those whose values are hashed.
	Fields []string `mapstructure:"fields"`
	// Salt is the key of the hashes.
	Salt configopaque.String `mapstructure:"salt"`
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

// Pseudonyms returns what hashes, nil where nothing is hashed. Of a configuration that Validate passed, nothing is missing.
func (c *Contributors) Pseudonyms() *pseudonym.Pseudonyms {
	var fields []flow.Field
	for _, name := range c.Hash.Fields {
		if field, ok := contributorField(name); ok {
			fields = append(fields, field)
		}
	}
	return pseudonym.New(fields, string(c.Hash.Salt))
}

func (c *Config) checkContributors(p *problems) {
	checkFields(p, "contributors.fields", c.Contributors.Fields, contributorFields())
	if most := c.Contributors.Max; most < 1 || most > detector.MostContributors {
		p.add("contributors.max", "%d is out of range; 1 to %d, %d is the usual; to name none at all, leave fields empty: []",
			most, detector.MostContributors, detector.MaxContributors)
	}
	c.checkHash(p)
	if n := c.Contributors.FlowIDs; n < 0 || n > detector.MaxFlowIDs {
		p.add("contributors.flow_ids", "%d is out of range; 0 (none) to %d", n, detector.MaxFlowIDs)
	}
}

// leastSalt is how many bytes the salt has at least: 128 bits where each is random, as many as the hashes have.
const leastSalt = 16

func (c *Config) checkHash(p *problems) {
	const key = "contributors.hash.fields"
	h := &c.Contributors.Hash
	var known []string
	for _, field := range pseudonym.Fields() {
		known = append(known, field.String())
	}
	checkFields(p, key, h.Fields, known)
	for i, name := range h.Fields {
		if field, ok := contributorField(name); ok && !slices.Contains(pseudonym.Fields(), field) {
			p.add(fmt.Sprintf("%s[%d]", key, i), "%s cannot be hashed: there are so few that their bytes tell which is which; write one of %s",
				name, strings.Join(known, ", "))
		}
	}
	hashes := c.Contributors.Pseudonyms()
	if hashes.Hashes(flow.Host) && !hashes.Hashes(flow.SourceAddress) {
		p.add("contributors.hash", "host.name is hashed and source.address is not, which stands for hosts without a name; hash both")
	}
	switch n := len(h.Salt); {
	case len(h.Fields) == 0 && n > 0:
		p.add("contributors.hash.salt", "nothing is hashed with it; list contributors.hash.fields, or remove it")
	case len(h.Fields) > 0 && n < leastSalt: // not told: it is a secret
		p.add("contributors.hash.salt", "%d bytes are too few; write at least %d that nobody can guess, such as ${env:EXFIL_SALT}", n, leastSalt)
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
