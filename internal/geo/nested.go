package geo

import (
	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/otel-exfil/exfil/internal/flow"
)

// nested is MaxMind's schema, of City, Country and Enterprise databases alike: a map for
// each of country, subdivisions and city, with names in several languages.
//
// The records are geoip2's; its reader is not used, because it does not give away a
// record's offset, which the cache needs, and refuses types that it does not know by name.
type nested struct {
	countries *countries
	names     names
}

func isNested(fields map[string]any) bool {
	for _, key := range []string{"country", "registered_country"} {
		if _, ok := fields[key].(map[string]any); ok {
			return true
		}
	}
	return false
}

func (n nested) decode(r maxminddb.Result) (flow.Place, error) {
	var city geoip2.City
	if err := r.Decode(&city); err != nil {
		return flow.Place{}, err
	}
	// Where an address is used is not known of some, only where it is registered.
	country := n.countries.code(city.Country.ISOCode)
	if country == "" {
		country = n.countries.code(city.RegisteredCountry.ISOCode)
	}
	p := flow.Place{Country: country, City: n.names.once(city.City.Names.English)}
	if len(city.Subdivisions) > 0 {
		p.Region = n.names.once(subdivisionName(country, &city.Subdivisions[0]))
	}
	return n.countries.standIn(p), nil
}

// subdivisionName is the English name, or else the ISO 3166-2 code, or else "".
func subdivisionName(country string, s *geoip2.CitySubdivision) string {
	if s.Names.English != "" {
		return s.Names.English
	}
	if s.ISOCode != "" && country != "" {
		return country + "-" + s.ISOCode
	}
	return ""
}
