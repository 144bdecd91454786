package rule

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/otel-exfil/exfil/internal/flow"
)

// listed are exceptions by files, and what their owner is told.
type listed struct {
	*Exceptions
	paths []string
	logs  *observer.ObservedLogs
}

func listedIn(t *testing.T, texts ...string) *listed {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	l := &listed{logs: logs}
	var configs []ExceptionConfig
	for i, text := range texts {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("list-%d.txt", i))
		l.paths = append(l.paths, path)
		l.write(t, i, text)
		configs = append(configs, ExceptionConfig{Name: path, Match: ExceptionMatchConfig{NetworkFiles: []string{path}}})
	}
	var err error
	l.Exceptions, err = NewExceptions(configs, ExceptionOptions{Logger: zap.New(core), Now: noon})
	require.NoError(t, err)
	return l
}

// write puts a new file in the place of one, as those do who write lists.
func (l *listed) write(t *testing.T, i int, text string) {
	t.Helper()
	fresh := l.paths[i] + ".new"
	require.NoError(t, os.WriteFile(fresh, []byte(text), 0o600))
	require.NoError(t, os.Rename(fresh, l.paths[i]))
}

func (l *listed) holds(address string) int {
	return first(l.Exceptions, &flow.Flow{Time: noon.UnixNano(), Destination: netip.MustParseAddr(address)})
}

const partners = `# Partners, by the procurement team
198.51.100.0/24   # Example Logistics
2001:db8:1::/48

203.0.113.7
`

func TestNetworksComeFromFiles(t *testing.T) {
	l := listedIn(t, partners, "192.0.2.0/28\n")
	assert.Equal(t, -1, l.holds("198.51.100.9"), "not read yet")
	require.NoError(t, l.Open(0))
	defer l.Close()
	for address, want := range map[string]int{
		"198.51.100.9": 0, "2001:db8:1::5": 0, "203.0.113.7": 0, "203.0.113.8": -1, "2001:db8:2::5": -1, "192.0.2.3": 1, "192.0.2.16": -1,
	} {
		assert.Equal(t, want, l.holds(address), address)
	}
}

func TestNetworksOfTheConfigurationAndOfFilesAreOnePart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	require.NoError(t, os.WriteFile(path, []byte(partners), 0o600))
	match := ExceptionMatchConfig{Networks: []string{"192.0.2.0/28"}, NetworkFiles: []string{path}, Ports: []any{443}}
	e, err := NewExceptions([]ExceptionConfig{{Name: "a", Match: match}, {Name: "b", Match: match}}, ExceptionOptions{})
	require.NoError(t, err)
	require.NoError(t, e.Open(0))
	assert.Len(t, e.files, 1, "a file is read once, whoever names it")
	for _, address := range []string{"192.0.2.3", "198.51.100.9"} {
		assert.Equal(t, 0, first(e, backupFlow(func(f *flow.Flow) { f.Destination = netip.MustParseAddr(address) })))
	}
}

// Given a list that changes, then what it now says holds; given one that breaks, then what it said before does, and the
// other lists go on.
func TestAFileThatBreaksStaysAsItWas(t *testing.T) {
	l := listedIn(t, partners, "192.0.2.0/28\n")
	require.NoError(t, l.Open(0))
	l.write(t, 1, "192.0.2.64/28\n")
	require.NoError(t, l.reload())
	assert.Equal(t, 1, l.holds("192.0.2.65"))
	assert.Equal(t, -1, l.holds("192.0.2.3"))
	assert.Equal(t, 1, l.logs.FilterMessage("Networks of exceptions reloaded").Len())

	l.write(t, 0, "198.51.100.0/24\nexample.com\n")
	l.write(t, 1, "192.0.2.0/28\n")
	err := l.reload()
	require.ErrorIs(t, err, ErrNetworkFile)
	assert.ErrorContains(t, err, `line 2: "example.com" is not a network`)
	assert.Equal(t, 0, l.holds("203.0.113.7"), "as before")
	assert.Equal(t, 1, l.holds("192.0.2.3"), "the other one is new")
	assert.EqualValues(t, 1, l.ReadFailures())
	require.Error(t, l.reload(), "it is tried again")

	require.NoError(t, os.Remove(l.paths[0]))
	require.ErrorIs(t, l.reload(), os.ErrNotExist)
	assert.Equal(t, 0, l.holds("203.0.113.7"), "as before")
	l.write(t, 0, "203.0.113.64/26\n")
	require.NoError(t, l.reload())
	assert.Equal(t, -1, l.holds("203.0.113.7"))
	assert.EqualValues(t, 3, l.ReadFailures())
}

func TestFilesAreLookedAtUntilClose(t *testing.T) {
	l := listedIn(t, partners)
	require.NoError(t, l.Open(time.Hour))
	require.NoError(t, l.Open(time.Hour), "again")
	l.Close()
	l.Close()

	ctx, cancel := context.WithCancel(t.Context())
	ticks, done := make(chan time.Time), make(chan struct{})
	go func() { l.watch(ctx, ticks); close(done) }()
	l.write(t, 0, "nonsense\n")
	ticks <- noon
	ticks <- noon // the tick before was dealt with
	l.write(t, 0, "192.0.2.0/28\n")
	ticks <- noon
	cancel()
	<-done
	assert.Equal(t, 0, l.holds("192.0.2.3"))
	assert.Positive(t, l.logs.FilterLevelExact(zapcore.WarnLevel).Len())
}

func TestFilesThatCannotServeAreRefusedAtStart(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "it names no network",
		"# nobody\n\n":              "it names no network",
		"198.51.100.1/24":           "write 198.51.100.0/24",
		"0.0.0.0/0":                 "every address there is",
		"10.0.0.0/8 192.168.0.0/16": "line 1",
		strings.Repeat("x", 1<<20):  "line 1: it is 1048576 characters long",
		"\x00\x01\x02":              "line 1",
	} {
		l := listedIn(t, text)
		err := l.Open(time.Hour)
		require.ErrorIs(t, err, ErrNetworkFile)
		assert.ErrorContains(t, err, want)
		assert.Less(t, len(err.Error()), 500)
		assert.ErrorContains(t, err, l.paths[0])
		l.Close()
	}
	e, err := NewExceptions([]ExceptionConfig{{Name: "a", Match: ExceptionMatchConfig{NetworkFiles: []string{t.TempDir()}}}}, ExceptionOptions{})
	require.NoError(t, err)
	assert.ErrorContains(t, e.Open(0), "it is no regular file")
}

func TestAFileHasAMillionNetworksAtMost(t *testing.T) {
	var text strings.Builder
	for i := range maxNetworks + 1 {
		fmt.Fprintf(&text, "%d.%d.%d.%d\n", 20+i>>24, i>>16&255, i>>8&255, i&255)
	}
	_, err := parseNetworks(text.String())
	assert.ErrorContains(t, err, "line 1000001: it names more than 1000000 networks")
	_, err = parseNetworks(text.String()[:strings.LastIndex(strings.TrimSpace(text.String()), "\n")])
	assert.NoError(t, err)
}
