package geo

import (
	"net/netip"
	"strings"
	"time"

	"github.com/phuslu/iploc"

	"github.com/otel-exfil/exfil/internal/flow"
)

// embedded places a by the country table that is compiled in; the zero Place is unknown. The Place is shared and must not
// be changed.
func (c *countries) embedded(a netip.Addr) *flow.Place { return c.place(iploc.IPCountry(a)) }

// embeddedSource reads the table's age from its version, "v1.0." and a date.
func embeddedSource() Source {
	date := iploc.Version[strings.LastIndexByte(iploc.Version, '.')+1:]
	built, err := time.Parse("20060102", date)
	if err != nil {
		built = time.Time{}
	}
	return Source{Key: databaseKey, Type: "iploc " + iploc.Version, Built: built, Embedded: true}
}
