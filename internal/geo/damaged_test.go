package geo

import (
	"bytes"
	"context"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/geo/geotest"
)

func TestADamagedDatabaseIsNotOpened(t *testing.T) {
	sound, err := os.ReadFile(write(t, geotest.WriteCity))
	require.NoError(t, err)

	for name, content := range geotest.Damaged(sound) {
		t.Run(name, func(t *testing.T) {
			require.NotEqual(t, sound, content, "this does no damage")
			path := filepath.Join(t.TempDir(), "geo.mmdb")
			require.NoError(t, geotest.WriteFile(path, content))

			_, err := Open(Options{Database: path})

			require.ErrorIs(t, err, ErrDamaged)
			assert.ErrorContains(t, err, "geo.database")
			assert.ErrorContains(t, err, path)
			assert.ErrorContains(t, err, "give a City, Country or Enterprise database")
		})
	}
}

func TestAFileThatIsNoDatabaseIsNamedForWhatItIs(t *testing.T) {
	for content, want := range map[string]string{
		"":                   "empty",
		"\x1f\x8b\x08\x00..": "unpack",
		"PK\x03\x04....":     "unpack",
	} {
		path := filepath.Join(t.TempDir(), "geo.mmdb")
		require.NoError(t, geotest.WriteFile(path, []byte(content)))

		_, err := Open(Options{Database: path})

		assert.ErrorContains(t, err, want)
	}
}

func TestADatabaseOfSomethingElseIsUnsuitable(t *testing.T) {
	empty := func(path string, _ []geotest.Entry) error { return geotest.WriteCity(path, nil) }

	for name, c := range map[string]struct {
		options Options
		want    []string
	}{
		"ASN for places":  {Options{Database: write(t, geotest.WriteASN)}, []string{"geo.database", "GeoLite2-ASN", "City"}},
		"City for ASN":    {Options{ASNDatabase: write(t, geotest.WriteCity)}, []string{"geo.asn_database", "GeoLite2-City", "ASN database"}},
		"neither":         {Options{Database: write(t, geotest.WriteOther)}, []string{"geo.database", "Weather"}},
		"nothing at all":  {Options{Database: write(t, empty)}, []string{"holds no records"}},
		"no ASN whatever": {Options{ASNDatabase: write(t, empty)}, []string{"holds no records"}},
	} {
		_, err := Open(c.options)
		require.ErrorIs(t, err, ErrUnsuitable, name)
		for _, want := range c.want {
			assert.ErrorContains(t, err, want, name)
		}
	}
}

func TestWhatIsNoReadableFileIsAnErrorThatSaysSo(t *testing.T) {
	folder := t.TempDir()
	missing := filepath.Join(folder, "missing.mmdb")

	_, err := Open(Options{Database: missing})
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, missing)

	_, err = Open(Options{ASNDatabase: missing})
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "geo.asn_database")

	_, err = Open(Options{Database: folder})
	require.ErrorContains(t, err, "no regular file")

	_, err = Open(Options{Database: filepath.Join(folder, "[")})
	require.ErrorIs(t, err, filepath.ErrBadPattern)

	if runtime.GOOS != "windows" {
		dangling := filepath.Join(folder, "dangling.mmdb")
		require.NoError(t, os.Symlink(missing, dangling))
		_, err = Open(Options{Database: filepath.Join(folder, "d*.mmdb")})
		require.ErrorIs(t, err, fs.ErrNotExist)
	}

	_, err = Open(Options{ReloadInterval: -time.Second})
	require.ErrorContains(t, err, "geo.reload_interval")
}

func TestAFileTooLargeToBeADatabaseIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(maxFileSize+1)) // sparse: takes no room
	require.NoError(t, f.Close())

	_, err = Open(Options{Database: path})

	require.ErrorContains(t, err, "the limit is")
}

// FuzzDatabase opens arbitrary bytes. What is opened must answer; nothing may panic.
func FuzzDatabase(f *testing.F) {
	for _, writer := range []func(string, []geotest.Entry) error{geotest.WriteCity, writeFlat4, geotest.WriteASN, geotest.WriteOther} {
		sound, err := os.ReadFile(write(f, writer))
		require.NoError(f, err)
		f.Add(sound, uint16(0), byte(0))
		f.Add(sound, uint16(3), byte(0xff))
		for _, damaged := range geotest.Damaged(sound) {
			f.Add(damaged, uint16(len(damaged)/2), byte(1))
		}
	}
	c := newCountries()
	addresses := []netip.Addr{addr("192.0.2.1"), addr("192.0.2.200"), addr("2001:db8::1"), addr("255.255.255.255"), addr("::"), addr("ffff::")}

	f.Fuzz(func(t *testing.T, content []byte, at uint16, flip byte) {
		content = bytes.Clone(content)
		if int(at) < len(content) {
			content[at] ^= flip
		}
		if d, err := newDatabase(context.Background(), "geo.mmdb", content, c.placeSchema); err == nil {
			for _, a := range addresses {
				if p := d.lookup(a); p != nil && p.Coarse && p.Country == "" {
					t.Errorf("%v is coarsely nowhere", a)
				}
			}
		}
		if d, err := newDatabase(context.Background(), "asn.mmdb", content, systemSchema); err == nil {
			for _, a := range addresses {
				d.lookup(a)
			}
		}
	})
}
