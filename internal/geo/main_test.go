package geo

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otel-exfil/exfil/internal/geo/geotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// atlas is a small world in documentation networks, which the embedded table does not know.
func atlas() []geotest.Entry {
	return []geotest.Entry{
		{Network: "192.0.2.0/25", Country: "US", CountryName: "United States", Region: "California", RegionISO: "CA", City: "San Diego"},
		{Network: "192.0.2.128/26", Country: "GB", CountryName: "United Kingdom", RegionISO: "ENG"},
		{Network: "192.0.2.192/26", Country: "MK", CountryName: "Name of the database's own", City: "Skopje"},
		{Network: "2001:db8::/32", Country: "NL", CountryName: "Netherlands", Region: "North Holland", RegionISO: "NH", City: "Amsterdam"},
		{Network: "198.51.100.0/24", ASN: 64500, Organization: "Example Transit", Country: "nl"},
	}
}

// write returns the path of a database in a folder of the test's own.
func write(t testing.TB, writer func(string, []geotest.Entry) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	require.NoError(t, writer(path, atlas()))
	return path
}

func open(t testing.TB, o Options) *Locator {
	t.Helper()
	l, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
