package detector

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/pseudonym"
)

// Contributors says by what the senders and receivers of an entity's bytes are told apart, kept and named. What is
// not among Fields is not part of any tally, and so neither stored nor told.
type Contributors struct {
	Fields  []flow.Field // nil: ContributorFields; empty: none
	Max     int          // values named for one field of a finding, up to MostContributors; 0: MaxContributors
	FlowIDs int          // ids of flows that a finding names, up to MaxFlowIDs; 0: none
}

const (
	// MaxContributors bounds the values named for one field of a finding where nothing else is asked for.
	MaxContributors = 10
	// MostContributors is as many as can be asked for: so many kinds of flow are told apart.
	MostContributors = tallySlots
	// MaxFlowIDs bounds the ids of flows named in a finding.
	MaxFlowIDs = 5
)

// ContributorFields returns the fields by which contributors are named where nothing else is asked for, in the
// order of a finding.
func ContributorFields() []flow.Field {
	return []flow.Field{
		flow.SourceAddress, flow.Host, flow.User, flow.Process,
		flow.DestinationAddress, flow.DestinationPort, flow.DestinationRegion,
	}
}

// Trim takes out of a finding, which may be of other settings, what is not to be named any more, and gives what is hashed now
// the names that flows bring.
func (s *Settings) Trim(f *Finding) {
	n := newNaming(s.Contributors, s.Pseudonyms)
	f.Contributors = slices.DeleteFunc(f.Contributors, func(by Contribution) bool { return !n.keeps[by.Field] })
	if n.ids == 0 || !n.addresses {
		f.FlowIDs = nil // of some, it is not known any more what they tell
	}
	for _, by := range f.Contributors {
		for i := range by.Values {
			by.Values[i] = s.Pseudonyms.Name(by.Field, by.Values[i])
		}
	}
	f.Values = s.Hide(f.Fields, f.Values)
	f.DetailValues = s.Hide(f.DetailFields, f.DetailValues)
}

// Hide returns the values of a key, those in clear that are hashed now by the names that flows bring.
func (s *Settings) Hide(fields []flow.Field, values []string) []string {
	if s.Pseudonyms == nil {
		return values
	}
	hidden := slices.Clone(values)
	for i, field := range fields {
		if _, err := netip.ParseAddr(hidden[i]); err == nil && field == flow.Host {
			field = flow.SourceAddress
		}
		hidden[i] = s.Pseudonyms.Name(field, hidden[i])
	}
	return hidden
}

func (c *Contributors) validate() error {
	switch {
	case c.Max < 0 || c.Max > MostContributors:
		return fmt.Errorf("%d contributors of a field; 0 to %d can be named", c.Max, MostContributors)
	case c.FlowIDs < 0 || c.FlowIDs > MaxFlowIDs:
		return fmt.Errorf("%d ids of flows; 0 to %d can be named", c.FlowIDs, MaxFlowIDs)
	}
	for _, f := range c.Fields {
		if int(f) >= flow.FieldCount {
			return fmt.Errorf("contributors by field %d, which is none", f)
		}
	}
	return nil
}

// naming is Contributors as they are applied.
type naming struct {
	fields []flow.Field // in the order of a finding
	keeps  [flow.FieldCount]bool
	most   int
	ids    int

	addresses bool // source and destination may be known
	masks     bool // some of ContributorFields are not kept
}

func newNaming(c Contributors, p *pseudonym.Pseudonyms) naming {
	n := naming{most: c.Max, ids: c.FlowIDs}
	if n.most == 0 {
		n.most = MaxContributors
	}
	fields := c.Fields
	if fields == nil {
		fields = ContributorFields()
	}
	for _, f := range append(ContributorFields(), flow.DestinationCountry) {
		if slices.Contains(fields, f) {
			n.keeps[f] = true
			n.fields = append(n.fields, f)
		}
	}
	for _, f := range ContributorFields() {
		n.masks = n.masks || !n.keeps[f]
	}
	n.addresses = n.keeps[flow.SourceAddress] && n.keeps[flow.DestinationAddress] &&
		!p.Hashes(flow.SourceAddress) && !p.Hashes(flow.DestinationAddress)
	return n
}

// allows says whether a flow's id may be kept: there is one, and it tells no address that may not be.
func (n *naming) allows(id flow.ID) bool { return id != flow.ID{} && (id.Opaque || n.addresses) }

// kind is everything that a contributor can be named by. What is not kept is zero.
type kind struct {
	source, destination netip.Addr
	host, user, process string
	region, country     string
	port                uint16
	hash                uint64 // of all else, see keyer.tuple; 0: not computed
}

// hide gives a kind whose values were kept in clear the names that flows bring.
func (k *keyer) hide(of *kind) {
	of.source = k.pseudonyms.Address(flow.SourceAddress, of.source)
	of.destination = k.pseudonyms.Address(flow.DestinationAddress, of.destination)
	of.host = k.pseudonyms.Name(flow.Host, of.host)
	of.user = k.pseudonyms.Name(flow.User, of.user)
	of.process = k.pseudonyms.Name(flow.Process, of.process)
}

// hideKey does the same for an entity's key. byOrigin says that the host in it is a source address.
func (k *keyer) hideKey(fields []flow.Field, key string, byOrigin bool) string {
	if k.pseudonyms == nil {
		return key
	}
	values := keyValues(key)
	if len(values) != len(fields) {
		return key // it will be found to make no sense
	}
	for i, field := range fields {
		if field == flow.Host && byOrigin {
			field = flow.SourceAddress
		}
		values[i] = k.pseudonyms.Name(field, values[i])
	}
	return joinKey(values)
}

// describe makes a kind that of a flow, without what is not kept. It sets field by field: a kind made apart and then
// copied takes twice as long.
func (n *naming) describe(k *kind, f *flow.Flow) {
	k.source, k.destination, k.port = f.Source, f.Destination, f.Port
	k.host, k.user, k.process = f.Host, f.User, f.Process
	k.region, k.country = f.Place.Region, ""
	if n.keeps[flow.DestinationCountry] {
		k.country = f.Place.Country
	}
	if n.masks {
		n.mask(k)
	}
}

// mask takes out of a kind what is not kept.
func (n *naming) mask(k *kind) {
	if !n.keeps[flow.SourceAddress] {
		k.source = netip.Addr{}
	}
	if !n.keeps[flow.DestinationAddress] {
		k.destination = netip.Addr{}
	}
	if !n.keeps[flow.DestinationPort] {
		k.port = 0
	}
	for _, text := range [...]struct {
		field flow.Field
		of    *string
	}{
		{flow.Host, &k.host},
		{flow.User, &k.user},
		{flow.Process, &k.process},
		{flow.DestinationRegion, &k.region},
		{flow.DestinationCountry, &k.country},
	} {
		if !n.keeps[text.field] {
			*text.of = ""
		}
	}
}

// value is the kind's value of a field as text, "" where it has none. A source address that stands for a host is named
// as what it is.
func (k *kind) value(field flow.Field) string { return string(k.appendValue(nil, field)) }

// appendValue appends the value of a field, nothing where there is none.
func (k *kind) appendValue(dst []byte, field flow.Field) []byte {
	switch field {
	case flow.SourceAddress:
		return flow.AppendAddress(dst, k.source)
	case flow.DestinationAddress:
		return flow.AppendAddress(dst, k.destination)
	case flow.DestinationPort:
		if k.port != 0 {
			dst = strconv.AppendUint(dst, uint64(k.port), 10)
		}
	case flow.Host:
		return append(dst, k.host...)
	case flow.User:
		return append(dst, k.user...)
	case flow.Process:
		return append(dst, k.process...)
	case flow.DestinationRegion:
		return append(dst, k.region...)
	case flow.DestinationCountry:
		return append(dst, k.country...)
	}
	return dst
}

// shares says whether another kind has the same value of a field.
func (k *kind) shares(other *kind, field flow.Field) bool {
	switch field {
	case flow.SourceAddress:
		return k.source == other.source
	case flow.DestinationAddress:
		return k.destination == other.destination
	case flow.DestinationPort:
		return k.port == other.port
	case flow.Host:
		return k.host == other.host
	case flow.User:
		return k.user == other.user
	case flow.Process:
		return k.process == other.process
	case flow.DestinationRegion:
		return k.region == other.region
	case flow.DestinationCountry:
		return k.country == other.country
	}
	return false
}

// tuple is the hash of a kind. The place follows from the destination, where that is kept.
func (k *keyer) tuple(of *kind) uint64 {
	h := k.mix(k.ends(of.source, of.destination, of.port), k.names(of.host, of.user, of.process))
	if !of.destination.IsValid() {
		h = k.mix(h, k.names(of.region, of.country, ""))
	}
	return h
}

// tupleOf is the hash of the kind of a flow. Where the usual is kept, it is read out of the flow, and no kind is made.
func (k *keyer) tupleOf(f *flow.Flow) uint64 {
	if k.masks || k.keeps[flow.DestinationCountry] {
		var of kind
		k.describe(&of, f)
		return k.tuple(&of)
	}
	h := k.mix(k.ends(f.Source, f.Destination, f.Port), k.names(f.Host, f.User, f.Process))
	if !f.Destination.IsValid() {
		h = k.mix(h, k.names(f.Place.Region, "", ""))
	}
	return h
}

// ends is the hash of two addresses and a port. None is hashed as ::, which is no end of a flow.
func (k *keyer) ends(source, destination netip.Addr, port uint16) uint64 {
	s, d := source.As16(), destination.As16()
	prefixes := k.mix(binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(d[:8]))
	hosts := k.mix(binary.LittleEndian.Uint64(s[8:]), binary.LittleEndian.Uint64(d[8:]))
	return k.mix(k.mix(prefixes, hosts), uint64(port))
}

func (k *keyer) names(a, b, c string) uint64 { return k.mix(k.text(a), k.mix(k.text(b), k.text(c))) }
