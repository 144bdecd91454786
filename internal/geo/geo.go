// Package geo answers where an address is: the region, country and city of a
// destination, and who announces it. It reads MaxMind DB files of MaxMind's own
// schema (City, Country, Enterprise; ASN and ISP) and of the flat schema of
// ip-location-db and DB-IP. Without a database, and for addresses that the database
// does not know, a country table that is compiled in serves.
//
// A database is read into memory as a whole before it serves: its search tree is walked
// from end to end and every record decoded, about two seconds for a full City database
// of 66 MB. In return no lookup decodes, allocates or meets a damaged record, and a file
// that is truncated or rewritten in place while it is in use does no harm, as it would to
// a memory map. The price is memory: the file's size and about a fifth of it on top,
// and as much again for the length of a reload.
package geo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/phuslu/iploc"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Errors of Open and Locator.Reload wrap one of these, or the operating system's.
var (
	// ErrDamaged: the file is not a MaxMind DB, or not a whole one.
	ErrDamaged = errors.New("damaged database")
	// ErrUnsuitable: the file is a sound MaxMind DB, but holds something else than is asked of it.
	ErrUnsuitable = errors.New("unsuitable database")
)

// Options say where the databases are.
type Options struct {
	// Database is the path of a MaxMind DB file that places addresses; "" means the
	// embedded country table. Where no file has that very name it is taken for a
	// pattern (path/filepath.Match) and every match is opened: for databases that
	// come as one file for IPv4 and one for IPv6.
	Database string
	// ASNDatabase is the path, or pattern, of a MaxMind DB file of autonomous systems; "" means none.
	ASNDatabase string
	// ReloadInterval is how often Start's loop looks whether the files have changed; 0 means never.
	ReloadInterval time.Duration
	// Logger is told of reloads; nil means nobody is.
	Logger *zap.Logger
	// OnReload, if not nil, is called after every reload that replaced the databases
	// (err is nil) or failed (the ones before stay in service).
	OnReload func(err error)
}

// Source is a database in service, for telemetry.
type Source struct {
	Key      string    // the configuration key it serves: geo.database or geo.asn_database
	Path     string    // "" for the embedded table
	Type     string    // as the file names its own type, for example "GeoLite2-City"
	Built    time.Time // when its publisher built it
	Embedded bool
}

// Locator places addresses. Every method is safe for concurrent use; lookups take no
// lock and allocate nothing.
type Locator struct {
	options   Options
	countries *countries
	current   atomic.Pointer[generation]

	reloading sync.Mutex // held by Reload

	lifecycle sync.Mutex // guards the fields below
	cancel    context.CancelFunc
	loop      sync.WaitGroup
}

// Open reads and checks the databases. The error names the configuration key, the
// path and what would be right.
func Open(o Options) (*Locator, error) {
	if o.ReloadInterval < 0 {
		return nil, fmt.Errorf("geo.reload_interval: %v is negative; give a duration such as 10m, or 0 for no reload", o.ReloadInterval)
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	l := &Locator{options: o, countries: newCountries()}
	files, err := l.find()
	if err != nil {
		return nil, err
	}
	g, err := l.read(context.Background(), files)
	if err != nil {
		return nil, err
	}
	l.current.Store(g)
	return l, nil
}

// Locate says where a is. The Region of an address whose region nobody knows is its
// country's English name, and the place is marked Coarse. It returns the zero Place
// and false for an address that no source knows, such as a private one.
func (l *Locator) Locate(a netip.Addr) (flow.Place, bool) {
	p := l.locate(a)
	return *p, p.Region != ""
}

// locate is Locate without the copy: the Place is shared and must not be changed.
func (l *Locator) locate(a netip.Addr) *flow.Place {
	if !a.IsValid() {
		return l.countries.place("")
	}
	return l.current.Load().locate(a.Unmap())
}

// ASN returns the number of the autonomous system that announces a, and the name of
// the organisation that runs it. ok is false without an ASN database and for an
// address that is not in it.
func (l *Locator) ASN(a netip.Addr) (number uint32, organization string, ok bool) {
	if !a.IsValid() {
		return 0, "", false
	}
	s := l.current.Load().asn.lookup(a.Unmap())
	if s == nil || s.number == 0 {
		return 0, "", false
	}
	return s.number, s.organization, true
}

// Sources lists the databases in service; the first places addresses.
func (l *Locator) Sources() []Source {
	g := l.current.Load()
	var s []Source
	for _, d := range g.places {
		s = append(s, d.source(databaseKey))
	}
	if len(s) == 0 {
		s = append(s, embeddedSource())
	}
	for _, d := range g.asn {
		s = append(s, d.source(asnDatabaseKey))
	}
	return s
}

// BuildTime is when the publisher built what places addresses, the oldest of several files.
func (l *Locator) BuildTime() time.Time {
	var oldest time.Time
	for _, s := range l.Sources() {
		if s.Key == databaseKey && (oldest.IsZero() || s.Built.Before(oldest)) {
			oldest = s.Built
		}
	}
	return oldest
}

// generation is what one reading of the files gave. It never changes, but for its
// caches, which go with it. Nothing closes it: the garbage collector takes it when the
// last lookup that saw it has returned.
type generation struct {
	files     []file
	places    databases[flow.Place]
	asn       databases[system]
	countries *countries
	blocks    *blockCache
	addresses *addressCache // of what blocks has no room for; nil if places is empty
}

// locate returns the zero Place if nobody knows a. The Place is shared and must not be changed.
func (g *generation) locate(a netip.Addr) *flow.Place {
	if !a.Is4() {
		return g.locateAny(a)
	}
	if r := g.blocks.get(a); r != 0 {
		return g.place(r)
	}
	r, whole := g.find(a)
	if r == 0 {
		return g.locateAny(a)
	}
	g.blocks.put(a, whole, r)
	return g.place(r)
}

// place returns what a placeRef names.
func (g *generation) place(r placeRef) *flow.Place {
	if r.table() == embeddedTable {
		return &g.countries.byCode[r.position()]
	}
	return &g.places[r.table()-firstDatabase].values[r.position()]
}

// find looks an IPv4 address up, and says whether its whole /24 is there; 0: it has a place that no placeRef names.
func (g *generation) find(a netip.Addr) (r placeRef, whole bool) {
	number, position, whole := g.places.find(a)
	if number < len(g.places) {
		switch p := &g.places[number].values[position]; {
		case p.Country != "":
			return refTo(firstDatabase+number, position), whole
		case p.Region != "":
			return 0, false
		}
	}
	return refTo(embeddedTable, index(iploc.IPCountry(a))), false
}

// locateAny is locate for every address.
func (g *generation) locateAny(a netip.Addr) *flow.Place {
	if len(g.places) == 0 {
		return g.countries.embedded(a)
	}
	if p := g.addresses.get(a); p != nil {
		return p
	}
	p := g.places.lookup(a)
	if p == nil || p.Country == "" {
		p = g.withCountry(p, a)
	}
	g.addresses.put(a, p)
	return p
}

// withCountry fills in from the embedded table what the database does not say. p may be nil.
func (g *generation) withCountry(p *flow.Place, a netip.Addr) *flow.Place {
	e := g.countries.embedded(a)
	if p == nil || p.Region == "" {
		return e
	}
	filled := *p
	filled.Country = e.Country
	return &filled
}
