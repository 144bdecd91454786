package peers

import (
	"net/netip"

	"github.com/otel-exfil/exfil/internal/flow"
)

// rules are what entities are told apart by, one book each.
var rules = [...]flow.Field{flow.DestinationPort, flow.DestinationRegion}

const (
	maxRegions     = 1 << 16
	maxHosts       = 1 << 17 // told apart at once; later ones are nobody
	hostsPerWindow = 64      // counted exactly in one window of one entity
)

// book holds the entities of one rule and what each has sent in the open window.
type book struct {
	field   flow.Field
	ports   []int32 // id+1 by port, 0 where the port has not been seen
	regions map[string]int32
	names   []string // by id
	open    []sum    // by id
	active  []int32  // ids that have sent in the open window, in the order of their first flow
}

// sum is what one entity has sent in the open window.
type sum struct {
	bytes, flows int64
	hosts        []contribution
}

type contribution struct {
	host  int32
	bytes int64
}

func newBook(field flow.Field) *book {
	b := &book{field: field}
	if field == flow.DestinationPort {
		b.ports = make([]int32, 1<<16)
	} else {
		b.regions = make(map[string]int32)
	}
	return b
}

// id returns the entity that a flow belongs to, -1 where there is none.
func (b *book) id(f *flow.Flow) int32 {
	if b.ports != nil {
		if f.Port == 0 {
			return -1
		}
		if id := b.ports[f.Port]; id != 0 {
			return id - 1
		}
		id := b.enter(b.field.Value(f))
		b.ports[f.Port] = id + 1
		return id
	}
	region := f.Place.Region
	if id, ok := b.regions[region]; ok {
		return id
	}
	if region == "" || len(b.regions) >= maxRegions {
		return -1
	}
	id := b.enter(region)
	b.regions[region] = id
	return id
}

func (b *book) enter(name string) int32 {
	b.names = append(b.names, name)
	b.open = append(b.open, sum{})
	return int32(len(b.names) - 1)
}

// add counts a flow for its entity, if it has one.
func (b *book) add(f *flow.Flow, host int32) {
	if id := b.id(f); id >= 0 {
		b.count(id, f.Bytes, host)
	}
}

func (b *book) count(id int32, bytes int64, host int32) {
	s := &b.open[id]
	if s.flows == 0 {
		b.active = append(b.active, id)
	}
	s.bytes += bytes
	s.flows++
	s.tally(host, bytes)
}

func (s *sum) tally(host int32, bytes int64) {
	for i := range s.hosts {
		if s.hosts[i].host == host {
			s.hosts[i].bytes += bytes
			return
		}
	}
	if len(s.hosts) < hostsPerWindow {
		s.hosts = append(s.hosts, contribution{host, bytes})
		return
	}
	// Space-Saving (Metwally, Agrawal, El Abbadi 2005): the newcomer inherits the least count.
	least := 0
	for i := range s.hosts {
		if s.hosts[i].bytes < s.hosts[least].bytes {
			least = i
		}
	}
	s.hosts[least] = contribution{host, s.hosts[least].bytes + bytes}
}

// top returns the host that has sent most, the first of equals.
func (s *sum) top() int32 {
	var most contribution
	for _, c := range s.hosts {
		if c.bytes > most.bytes {
			most = c
		}
	}
	return most.host
}

// turn empties the window for the next one.
func (b *book) turn() {
	for _, id := range b.active {
		s := &b.open[id]
		s.bytes, s.flows, s.hosts = 0, 0, s.hosts[:0]
	}
	b.active = b.active[:0]
}

// hosts numbers the hosts that flows come from. Number 0 is nobody known.
type hosts struct {
	named   map[string]int32
	unnamed map[netip.Addr]int32
	names   []string
}

func newHosts() *hosts {
	return &hosts{named: make(map[string]int32), unnamed: make(map[netip.Addr]int32), names: []string{""}}
}

func (h *hosts) number(f *flow.Flow) int32 {
	if f.Host != "" {
		if n, ok := h.named[f.Host]; ok {
			return n
		}
	} else if n, ok := h.unnamed[f.Source]; ok {
		return n
	}
	if len(h.names) >= maxHosts {
		return 0
	}
	n := int32(len(h.names))
	h.names = append(h.names, flow.Host.Value(f))
	if f.Host != "" {
		h.named[f.Host] = n
	} else {
		h.unnamed[f.Source] = n
	}
	return n
}

// counts reports whether a flow's bytes are to be added up: of a connection whose records
// carry running totals only the last is, for it holds the others.
func counts(f *flow.Flow) bool {
	return f.Bytes > 0 && (f.Total == 0 || f.Final)
}
