package decode

import (
	"strings"

	"github.com/otel-exfil/exfil/internal/flow"
)

// placeKeys names where one end of a flow is. The zero placeKeys reads no place.
type placeKeys struct {
	region, country, city keys
}

func (k *placeKeys) read(s *Scratch, p *flow.Place) {
	p.Region = s.text(k.region)
	p.Country = countryCode(s.text(k.country))
	p.City = s.text(k.city)
}

// countryCode returns an ISO 3166-1 alpha-2 code in upper case, "" for anything else:
// names and alpha-3 codes would be countries beside those of the other sources. It
// allocates only for codes in lower case, which the standard does not know.
func countryCode(t string) string {
	if len(t) != 2 || !isLetter(t[0]) || !isLetter(t[1]) {
		return ""
	}
	return strings.ToUpper(t)
}

func isLetter(c byte) bool {
	c |= 'a' - 'A'
	return 'a' <= c && c <= 'z'
}
