package geo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
)

// moved is a world in which San Diego's network has gone to Osaka.
func moved() []geotest.Entry {
	return []geotest.Entry{{Network: "192.0.2.0/24", Country: "JP", Region: "Osaka", City: "Osaka"}}
}

var osaka = flow.Place{Region: "Osaka", Country: "JP", City: "Osaka"}

func locate(l *Locator, address string) flow.Place {
	p, _ := l.Locate(addr(address))
	return p
}

func TestReloadTakesUpAFileThatWasReplaced(t *testing.T) {
	path := write(t, geotest.WriteCity)
	l := open(t, Options{Database: path})
	require.Equal(t, sanDiego, locate(l, "192.0.2.1"))

	changed, err := l.Reload(t.Context())
	require.NoError(t, err)
	assert.False(t, changed, "the file is as it was")

	require.NoError(t, geotest.WriteCity(path, moved()))
	assert.Equal(t, sanDiego, locate(l, "192.0.2.1"), "nobody has asked for a reload yet")

	changed, err = l.Reload(t.Context())
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, osaka, locate(l, "192.0.2.1"))
}

func TestReloadTakesUpAFileThatWasWrittenInPlace(t *testing.T) {
	path := write(t, geotest.WriteCity)
	l := open(t, Options{Database: path})
	other := filepath.Join(t.TempDir(), "other.mmdb")
	require.NoError(t, geotest.WriteCity(other, moved()))
	content, err := os.ReadFile(other)
	require.NoError(t, err)

	require.NoError(t, os.Truncate(path, 0)) // fatal to a memory map
	assert.Equal(t, sanDiego, locate(l, "192.0.2.1"))
	require.NoError(t, os.WriteFile(path, content, 0o600))

	changed, err := l.Reload(t.Context())
	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, osaka, locate(l, "192.0.2.1"))
}

func TestReloadTellsAFileWrittenInPlaceByItsTimeOrItsSize(t *testing.T) {
	then := geotest.Built()
	for name, c := range map[string]struct {
		region   string
		modified time.Time
	}{
		"another time": {"Kalifornia", then.Add(time.Hour)},
		"another size": {"Californias", then},
	} {
		path := write(t, geotest.WriteCity)
		require.NoError(t, os.Chtimes(path, then, then))
		l := open(t, Options{Database: path})

		world := atlas()
		world[0].Region = c.region
		other := filepath.Join(t.TempDir(), "other.mmdb")
		require.NoError(t, geotest.WriteCity(other, world))
		content, err := os.ReadFile(other)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		require.NoError(t, os.Chtimes(path, c.modified, c.modified))
		changed, err := l.Reload(t.Context())

		require.NoError(t, err, name)
		assert.True(t, changed, name)
		assert.Equal(t, c.region, locate(l, "192.0.2.1").Region, name)
	}
}

func TestReloadTakesUpAFileThatJoinsThePattern(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, writeFlat4(filepath.Join(folder, "a4.mmdb"), atlas()))
	l := open(t, Options{Database: filepath.Join(folder, "*.mmdb")})
	require.Empty(t, locate(l, "2001:db8::1"))

	require.NoError(t, geotest.WriteFlat(filepath.Join(folder, "b6.mmdb"), 6, ofFamily(atlas(), false)))
	changed, err := l.Reload(t.Context())

	require.NoError(t, err)
	assert.True(t, changed)
	assert.Equal(t, amsterdam, locate(l, "2001:db8::1"))
}

func TestAFailedReloadKeepsTheDatabaseBefore(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
	}{
		"damaged":    {func(t *testing.T, path string) { require.NoError(t, geotest.WriteFile(path, []byte("half a file"))) }, ErrDamaged},
		"unsuitable": {func(t *testing.T, path string) { require.NoError(t, geotest.WriteOther(path, atlas())) }, ErrUnsuitable},
		"gone":       {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, fs.ErrNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, geotest.WriteCity)
			l := open(t, Options{Database: path})

			c.spoil(t, path)
			for range 2 { // it tries again each time
				changed, err := l.Reload(t.Context())
				require.ErrorIs(t, err, c.want)
				assert.False(t, changed)
				assert.Equal(t, sanDiego, locate(l, "192.0.2.1"))
			}

			require.NoError(t, geotest.WriteCity(path, moved()))
			changed, err := l.Reload(t.Context())
			require.NoError(t, err)
			assert.True(t, changed)
			assert.Equal(t, osaka, locate(l, "192.0.2.1"))
		})
	}
}

func TestAFailedReloadOfTheASNDatabaseKeepsBoth(t *testing.T) {
	places, asn := write(t, geotest.WriteCity), write(t, geotest.WriteASN)
	l := open(t, Options{Database: places, ASNDatabase: asn})

	require.NoError(t, geotest.WriteCity(places, moved()))
	require.NoError(t, os.Remove(asn))
	_, err := l.Reload(t.Context())

	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, sanDiego, locate(l, "192.0.2.1"))
	_, _, ok := l.ASN(addr("198.51.100.7"))
	assert.True(t, ok)
}

func TestAFileThatIsReplacedWhileItIsReadIsLeftForTheNextTime(t *testing.T) {
	path := write(t, geotest.WriteCity)
	info, err := os.Stat(path)
	require.NoError(t, err)
	found := file{key: databaseKey, path: path, info: info}

	require.NoError(t, geotest.WriteCity(path, atlas())) // as large as before, but another file
	_, err = found.content()
	require.ErrorContains(t, err, "written to while it was read")

	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	_, err = found.content()
	require.ErrorContains(t, err, "shrank")

	require.NoError(t, os.Remove(path))
	_, err = found.content()
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestLookupsNeverFailWhileTheDatabaseIsReloaded(t *testing.T) {
	path := write(t, geotest.WriteCity)
	l := open(t, Options{Database: path, ASNDatabase: write(t, geotest.WriteASN)})
	const reloads, readers = 100, 4
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if p := locate(l, "192.0.2.1"); p != sanDiego && p != osaka {
					t.Errorf("neither the old place nor the new: %+v", p)
					return
				}
				if _, _, ok := l.ASN(addr("198.51.100.7")); !ok {
					t.Error("autonomous system lost")
					return
				}
			}
		})
	}

	for i := range reloads {
		world := atlas()
		if i%2 == 0 {
			world = moved()
		}
		require.NoError(t, geotest.WriteCity(path, world))
		changed, err := l.Reload(t.Context())
		require.NoError(t, err)
		require.True(t, changed)
	}
	close(stop)
	wg.Wait()
	assert.Equal(t, sanDiego, locate(l, "192.0.2.1"))
}

func TestTheLoopReloadsAtEveryTickAndReports(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	reports := make(chan error, 1)
	path := write(t, geotest.WriteCity)
	l := open(t, Options{Database: path, Logger: zap.New(core), OnReload: func(err error) { reports <- err }})
	ctx, cancel := context.WithCancel(t.Context())
	ticks := make(chan time.Time)
	var loop sync.WaitGroup
	loop.Go(func() { l.watch(ctx, ticks) })

	ticks <- time.Time{} // nothing has changed: no report
	require.NoError(t, geotest.WriteCity(path, moved()))
	ticks <- time.Time{}
	require.NoError(t, <-reports)
	assert.Equal(t, osaka, locate(l, "192.0.2.1"))

	require.NoError(t, geotest.WriteFile(path, nil))
	ticks <- time.Time{}
	require.ErrorIs(t, <-reports, ErrDamaged)
	assert.Equal(t, osaka, locate(l, "192.0.2.1"))

	cancel()
	loop.Wait()
	assert.Equal(t, 1, logs.FilterMessageSnippet("Geo database reloaded").Len())
	require.Equal(t, 1, logs.FilterLevelExact(zap.WarnLevel).Len())
	assert.Contains(t, logs.FilterLevelExact(zap.WarnLevel).All()[0].ContextMap()["error"], path)
}

func TestAReloadThatIsCancelledKeepsTheDatabaseBefore(t *testing.T) {
	path := write(t, geotest.WriteCity)
	l := open(t, Options{Database: path})
	// Thousands of networks, so that the check comes round to looking at its context.
	var many []geotest.Entry
	for i := range 8192 {
		many = append(many, geotest.Entry{Network: addr4(203, 0, i).String() + "/32", Country: "NL", Region: []string{"Utrecht", "Drenthe"}[i%2]})
	}
	require.NoError(t, geotest.WriteCity(path, many))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := l.Reload(ctx)

	require.True(t, errors.Is(err, context.Canceled), "%v", err)
	assert.Equal(t, sanDiego, locate(l, "192.0.2.1"))
}

func TestStartAndCloseMayBeCalledTwice(t *testing.T) {
	l := open(t, Options{Database: write(t, geotest.WriteCity), ReloadInterval: time.Hour})
	l.Start()
	l.Start()
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	assert.Equal(t, sanDiego, locate(l, "192.0.2.1"), "lookups outlive the loop")

	idle := open(t, Options{ReloadInterval: time.Hour})
	idle.Start()
	assert.Nil(t, idle.cancel, "without files there is nothing to watch")
}
