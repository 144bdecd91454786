package geo

import (
	"net/netip"
	"strings"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Complete fills the gaps of p, where an event itself places its destination a.
//
// What the event says stands. A region without a country gets the country of its
// ISO 3166-2 prefix ("US-CA"), or else the database's: two sources spell regions
// differently far more often than they disagree about the country. A country without
// a region gets the database's region if that lies in the same country, or else its own
// name. A Country that is not two letters counts as not given.
func (l *Locator) Complete(p flow.Place, a netip.Addr) flow.Place {
	p.Country = l.countries.code(p.Country)
	if p.Region != "" && p.Country != "" {
		return p
	}
	found := l.locate(a)
	switch {
	case p.Region != "":
		p.Country = l.countries.code(subdivisionCountry(p.Region))
		if p.Country == "" {
			p.Country = found.Country
		}
		if p.City == "" && strings.EqualFold(p.Region, found.Region) {
			p.City = found.City
		}
	case p.Country == "" || p.Country == found.Country:
		city := p.City
		p = *found
		if city != "" {
			p.City = city
		}
	default:
		city := p.City
		p = *l.countries.place(p.Country)
		p.City = city
	}
	return p
}

// subdivisionCountry returns the first part of an ISO 3166-2 code: two letters before
// a hyphen and one to three letters or digits, as in "GB-ENG". It returns "" for anything else.
func subdivisionCountry(region string) string {
	country, rest, ok := strings.Cut(region, "-")
	if !ok || len(country) != 2 || len(rest) < 1 || len(rest) > 3 {
		return ""
	}
	for _, c := range []byte(rest) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return country
}
