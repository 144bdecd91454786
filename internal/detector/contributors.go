package detector

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"

	"github.com/otel-exfil/exfil/internal/flow"
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

// Trim takes out of a finding what is not to be named any more.
func (c *Contributors) Trim(f *Finding) {
	n := newNaming(*c)
	f.Contributors = slices.DeleteFunc(f.Contributors, func(by Contribution) bool { return !n.keeps[by.Field] })
	if n.ids == 0 || !n.keeps[flow.SourceAddress] || !n.keeps[flow.DestinationAddress] {
		f.FlowIDs = nil // of some, it is not known any more what they tell
	}
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
}

func newNaming(c Contributors) naming {
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
	return n
}

// allows says whether a flow's id may be kept: there is one, and it tells no address that may not be.
func (n *naming) allows(id flow.ID) bool {
	return id != flow.ID{} && (id.Opaque || n.keeps[flow.SourceAddress] && n.keeps[flow.DestinationAddress])
}

// kind is everything that a contributor can be named by. What is not kept is zero.
type kind struct {
	source, destination netip.Addr
	host, user, process string
	region, country     string
	port                uint16
}

// kindOf is the kind of a flow, without what is not kept.
func (n *naming) kindOf(f *flow.Flow) kind {
	k := kind{
		source: f.Source, destination: f.Destination, host: f.Host, user: f.User, process: f.Process,
		region: f.Place.Region, country: f.Place.Country, port: f.Port,
	}
	n.mask(&k)
	return k
}

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
		return appendAddress(dst, k.source)
	case flow.DestinationAddress:
		return appendAddress(dst, k.destination)
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

func appendAddress(dst []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return dst
	}
	return a.AppendTo(dst)
}

// tuple is the hash of a kind. The place follows from the destination, where that is kept.
func (k *keyer) tuple(of *kind) uint64 {
	h := k.mix(k.address(of.source), k.address(of.destination))
	h = k.mix(h, uint64(of.port)+1)
	names := [...]string{of.host, of.user, of.process, of.region, of.country}
	most := len(names)
	if of.destination.IsValid() {
		most -= 2
	}
	for _, s := range names[:most] {
		if s != "" {
			h = k.mix(h, maphash.String(k.seed, s))
		} else {
			h = k.mix(h, 1)
		}
	}
	return h
}
