package geo

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/phuslu/iploc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
)

var (
	sanDiego  = flow.Place{Region: "California", Country: "US", City: "San Diego"}
	amsterdam = flow.Place{Region: "North Holland", Country: "NL", City: "Amsterdam"}
)

func TestWithoutADatabaseTheEmbeddedTableNamesTheCountry(t *testing.T) {
	l := open(t, Options{})

	for address, want := range map[string]flow.Place{
		"8.8.8.8":             {Region: "United States", Country: "US", Coarse: true},
		"::ffff:8.8.8.8":      {Region: "United States", Country: "US", Coarse: true},
		"2620:0:2d0:200::7":   {Region: "United States", Country: "US", Coarse: true},
		"2620:0:2d0:200::7%9": {Region: "United States", Country: "US", Coarse: true},
	} {
		got, ok := l.Locate(addr(address))
		assert.True(t, ok, address)
		assert.Equal(t, want, got, address)
	}
	source := l.Sources()[0]
	assert.True(t, source.Embedded)
	assert.Equal(t, "geo.database", source.Key)
	assert.Contains(t, source.Type, iploc.Version)
	assert.True(t, l.BuildTime().After(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)), "got %v", l.BuildTime())
}

func TestPrivateAndInvalidAddressesAreNowhere(t *testing.T) {
	for name, l := range map[string]*Locator{
		"embedded table": open(t, Options{}),
		"database":       open(t, Options{Database: write(t, geotest.WriteCity)}),
	} {
		for _, a := range []netip.Addr{{}, addr("10.1.2.3"), addr("127.0.0.1"), addr("0.0.0.0"), addr("255.255.255.255"), addr("::"), addr("fe80::1%eth0"), addr("fd00::1")} {
			got, ok := l.Locate(a)
			assert.False(t, ok, "%s: %v", name, a)
			assert.Zero(t, got, "%s: %v", name, a)
		}
	}
}

func TestEverySchemaPlacesAddresses(t *testing.T) {
	coarse := func(country, name string) flow.Place {
		return flow.Place{Region: name, Country: country, Coarse: true}
	}
	withCity := func(p flow.Place, city string) flow.Place { p.City = city; return p }

	for name, c := range map[string]struct {
		write func(string, []geotest.Entry) error
		want  map[string]flow.Place
	}{
		"City": {geotest.WriteCity, map[string]flow.Place{
			"192.0.2.1":        sanDiego,
			"2001:db8::1":      amsterdam,
			"::ffff:192.0.2.1": sanDiego,
			"192.0.2.130":      {Region: "GB-ENG", Country: "GB"},
			"192.0.2.200":      withCity(coarse("MK", "North Macedonia"), "Skopje"),
		}},
		"Country": {geotest.WriteCountry, map[string]flow.Place{
			"192.0.2.1":   coarse("US", "United States"),
			"2001:db8::1": coarse("NL", "Netherlands"),
		}},
		"only where it is registered": {geotest.WriteRegistered, map[string]flow.Place{
			"192.0.2.1":    coarse("US", "United States"),
			"198.51.100.1": coarse("NL", "Netherlands"), // lower case in the database
		}},
		"flat": {writeFlat4, map[string]flow.Place{
			"192.0.2.1":        sanDiego,
			"::ffff:192.0.2.1": sanDiego,
			"192.0.2.200":      withCity(coarse("MK", "North Macedonia"), "Skopje"),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, Options{Database: write(t, c.write)})
			for address, want := range c.want {
				for _, temperature := range []string{"cold", "warm"} {
					got, ok := l.Locate(addr(address))
					assert.True(t, ok, "%s, %s", address, temperature)
					assert.Equal(t, want, got, "%s, %s", address, temperature)
				}
			}
			assert.Equal(t, geotest.Built(), l.BuildTime())
			assert.False(t, l.Sources()[0].Embedded)
		})
	}
}

func ofFamily(entries []geotest.Entry, is4 bool) []geotest.Entry {
	var of []geotest.Entry
	for _, e := range entries {
		if netip.MustParsePrefix(e.Network).Addr().Is4() == is4 {
			of = append(of, e)
		}
	}
	return of
}

func writeFlat4(path string, entries []geotest.Entry) error {
	return geotest.WriteFlat(path, 4, ofFamily(entries, true))
}

func TestOneFileForEachFamilyIsNamedByAPattern(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, writeFlat4(filepath.Join(folder, "dbip-city-ipv4.mmdb"), atlas()))
	require.NoError(t, geotest.WriteFlat(filepath.Join(folder, "dbip-city-ipv6.mmdb"), 6, ofFamily(atlas(), false)))

	l := open(t, Options{Database: filepath.Join(folder, "dbip-city-ipv?.mmdb")})

	got, _ := l.Locate(addr("192.0.2.1"))
	assert.Equal(t, sanDiego, got)
	got, _ = l.Locate(addr("2001:db8::1"))
	assert.Equal(t, amsterdam, got)
	require.Len(t, l.Sources(), 2)
	assert.Equal(t, "city ipv6", l.Sources()[1].Type)
}

func TestAFileWhoseNameLooksLikeAPatternIsOpenedByName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "city[1].mmdb")
	require.NoError(t, geotest.WriteCity(path, atlas()))

	l := open(t, Options{Database: path})

	got, _ := l.Locate(addr("192.0.2.1"))
	assert.Equal(t, sanDiego, got)
}

func TestAnAddressThatTheDatabaseDoesNotKnowFallsBackOnTheEmbeddedTable(t *testing.T) {
	l := open(t, Options{Database: write(t, writeFlat4)})
	want := flow.Place{Region: "United States", Country: "US", Coarse: true}

	for _, address := range []string{"8.8.8.8", "2620:0:2d0:200::7"} {
		got, ok := l.Locate(addr(address))
		assert.True(t, ok, address)
		assert.Equal(t, want, got, address)
	}
}

func TestARegionWithoutACountryGetsTheEmbeddedTablesCountry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	require.NoError(t, geotest.WriteCity(path, []geotest.Entry{
		{Network: "192.0.2.0/24", Country: "US"}, // tells the schema
		{Network: "8.8.8.0/24", Region: "California", RegionISO: "CA"},
	}))
	l := open(t, Options{Database: path})

	got, ok := l.Locate(addr("8.8.8.8"))

	assert.True(t, ok)
	assert.Equal(t, flow.Place{Region: "California", Country: "US"}, got)
}

func TestASNDatabase(t *testing.T) {
	l := open(t, Options{ASNDatabase: write(t, geotest.WriteASN)})

	for range 2 {
		number, organization, ok := l.ASN(addr("::ffff:198.51.100.7"))
		assert.True(t, ok)
		assert.Equal(t, uint32(64500), number)
		assert.Equal(t, "Example Transit", organization)
	}
	for _, a := range []netip.Addr{{}, addr("203.0.113.1"), addr("192.0.2.1")} { // the last has a record without a number
		_, _, ok := l.ASN(a)
		assert.False(t, ok, "%v", a)
	}
	require.Len(t, l.Sources(), 2)
	assert.Equal(t, "geo.asn_database", l.Sources()[1].Key)

	_, _, ok := open(t, Options{}).ASN(addr("198.51.100.7"))
	assert.False(t, ok, "without a database")
}

func TestEveryCountryOfTheEmbeddedTableHasAName(t *testing.T) {
	c := newCountries()
	named := 0
	for i := range 1 << 16 { // one address of each /16
		p := c.embedded(netip.AddrFrom4([4]byte{byte(i >> 8), byte(i), 7, 7}))
		if p.Country == "" {
			continue
		}
		named++
		assert.NotEqual(t, p.Country, p.Region, "no name for the code")
	}
	assert.Greater(t, named, 1<<15, "the table should know most of the address space")
}

func TestCountryCodes(t *testing.T) {
	c := newCountries()
	for code, want := range map[string]string{"us": "US", "Us": "US", "US": "US", "": "", "USA": "", "U1": "", "[{": "", "ZZ": "", "xx": "", "é": "", "EU": "EU"} {
		assert.Equal(t, want, c.code(code), "%q", code)
	}
	assert.Equal(t, flow.Place{Country: "EU", Region: "EU", Coarse: true}, *c.place("EU"), "an unassigned code is its own name")
}

func TestComplete(t *testing.T) {
	l := open(t, Options{Database: write(t, geotest.WriteCity)})
	const inCalifornia, inMacedonia, nowhere = "192.0.2.1", "192.0.2.200", "203.0.113.9"

	for name, c := range map[string]struct {
		event   flow.Place
		address string
		want    flow.Place
	}{
		"nothing in the event: the database":           {flow.Place{}, inCalifornia, sanDiego},
		"nothing known at all":                         {flow.Place{}, nowhere, flow.Place{}},
		"region and country stand":                     {flow.Place{Region: "Texas", Country: "us"}, inCalifornia, flow.Place{Region: "Texas", Country: "US"}},
		"the same region gets country and city":        {flow.Place{Region: "california"}, inCalifornia, flow.Place{Region: "california", Country: "US", City: "San Diego"}},
		"another region gets the country, no city":     {flow.Place{Region: "Kalifornien"}, inCalifornia, flow.Place{Region: "Kalifornien", Country: "US"}},
		"an ISO region brings its country":             {flow.Place{Region: "CA-QC"}, inCalifornia, flow.Place{Region: "CA-QC", Country: "CA"}},
		"a hyphened name is no ISO region":             {flow.Place{Region: "La-Rioja"}, inCalifornia, flow.Place{Region: "La-Rioja", Country: "US"}},
		"a region of an unknown address":               {flow.Place{Region: "Utrecht"}, nowhere, flow.Place{Region: "Utrecht"}},
		"the same country gets region and city":        {flow.Place{Country: "us"}, inCalifornia, sanDiego},
		"the same country, event's city":               {flow.Place{Country: "US", City: "Fresno"}, inCalifornia, flow.Place{Region: "California", Country: "US", City: "Fresno"}},
		"another country stands, coarse":               {flow.Place{Country: "FR", City: "Lyon"}, inCalifornia, flow.Place{Region: "France", Country: "FR", City: "Lyon", Coarse: true}},
		"a country of an unknown address":              {flow.Place{Country: "FR"}, nowhere, flow.Place{Region: "France", Country: "FR", Coarse: true}},
		"a city alone gets the rest":                   {flow.Place{City: "Ohrid"}, inMacedonia, flow.Place{Region: "North Macedonia", Country: "MK", City: "Ohrid", Coarse: true}},
		"a country that is no code is as good as none": {flow.Place{Country: "United States"}, inCalifornia, sanDiego},
	} {
		assert.Equal(t, c.want, l.Complete(c.event, addr(c.address)), name)
	}
}

func TestSubdivisionCountry(t *testing.T) {
	for region, want := range map[string]string{"US-CA": "US", "GB-ENG": "GB", "FR-75": "FR", "": "", "US": "", "US-": "", "US-CALI": "", "Île-de-France": "", "us-ca": "", "U-CA": "", "Baden-W": ""} {
		assert.Equal(t, want, subdivisionCountry(region), "%q", region)
	}
}
