package geo

import (
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/otel-exfil/exfil/internal/flow"
)

// flat is the schema of ip-location-db and its like: one string a column, the country's
// code as country_code (or country), the first subdivision as state1 (or region).
type flat struct {
	countries *countries
	names     names
}

type flatRecord struct {
	CountryCode string `maxminddb:"country_code"`
	Country     string `maxminddb:"country"`
	State1      string `maxminddb:"state1"`
	Region      string `maxminddb:"region"`
	City        string `maxminddb:"city"`
}

func isFlat(fields map[string]any) bool {
	for _, key := range []string{"country_code", "country"} {
		if code, ok := fields[key].(string); ok && len(code) == 2 {
			return true
		}
	}
	return false
}

func (f flat) decode(r maxminddb.Result) (flow.Place, error) {
	var record flatRecord
	if err := r.Decode(&record); err != nil {
		return flow.Place{}, err
	}
	p := flow.Place{Region: record.State1, Country: f.countries.code(record.CountryCode), City: f.names.once(record.City)}
	if p.Country == "" {
		p.Country = f.countries.code(record.Country)
	}
	if p.Region == "" {
		p.Region = record.Region
	}
	p.Region = f.names.once(p.Region)
	return f.countries.standIn(p), nil
}
