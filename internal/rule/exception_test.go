package rule

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/flow"
)

func decodeExceptions(t *testing.T, text string) ([]ExceptionConfig, error) {
	t.Helper()
	var raw map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(text), &raw))
	var config struct {
		Exceptions []ExceptionConfig `mapstructure:"exceptions"`
	}
	err := confmap.NewFromStringMap(raw).Unmarshal(&config)
	return config.Exceptions, err
}

func compiled(t *testing.T, text string) *Exceptions {
	t.Helper()
	configs, err := decodeExceptions(t, text)
	require.NoError(t, err)
	exceptions, err := NewExceptions(configs, ExceptionOptions{Rules: someRules(), ASN: announcedBy, Now: noon})
	require.NoError(t, err)
	return exceptions
}

// someRules are three rules, the second of which is disabled.
func someRules() []Rule {
	return []Rule{{ID: "by_country"}, {ID: "by_port", Enabled: true}, {ID: "by_region", Enabled: true}}
}

// announcedBy knows of two autonomous systems.
func announcedBy(a netip.Addr) (uint32, string, bool) {
	switch {
	case netip.MustParsePrefix("198.51.100.0/24").Contains(a):
		return 64496, "Example Backup", true
	case netip.MustParsePrefix("203.0.113.0/24").Contains(a):
		return 64500, "Example Office", true
	}
	return 0, "", false
}

// first is the index of the first exception that f falls under, -1 if there is none.
func first(e *Exceptions, f *flow.Flow) int {
	if matched := e.Match(f, nil, nil); len(matched) > 0 {
		return int(matched[0])
	}
	return -1
}

const backup = `
exceptions:
  - name: nightly-backup
    match: {networks: [198.51.100.0/24, "2001:db8::/32"], ports: [443, 22], hosts: [backup-*, 10.1.*]}
    max_bytes: 500GiB
    expires: 2027-06-30
`

var noon = time.Date(2027, 6, 30, 12, 0, 0, 0, time.UTC)

func backupFlow(change func(*flow.Flow)) *flow.Flow {
	f := &flow.Flow{
		Time: noon.UnixNano(), Bytes: 1000, Host: "backup-01", Port: 443,
		Source: netip.MustParseAddr("10.2.3.4"), Destination: netip.MustParseAddr("198.51.100.7"),
	}
	if change != nil {
		change(f)
	}
	return f
}

func TestAnExceptionMatchesWhereAllItsPartsDo(t *testing.T) {
	exceptions := compiled(t, backup)
	assert.Equal(t, "nightly-backup", exceptions.Name(0))
	for name, change := range map[string]func(*flow.Flow){
		"as it is":               nil,
		"the other port":         func(f *flow.Flow) { f.Port = 22 },
		"the other family":       func(f *flow.Flow) { f.Destination = netip.MustParseAddr("2001:db8::5") },
		"another case":           func(f *flow.Flow) { f.Host = "BACKUP-02.Example.COM" },
		"an address for a host":  func(f *flow.Flow) { f.Host, f.Source = "", netip.MustParseAddr("10.1.9.9") },
		"the last second it has": func(f *flow.Flow) { f.Time = time.Date(2027, 6, 30, 23, 59, 59, 0, time.UTC).UnixNano() },
	} {
		assert.Equal(t, 0, first(exceptions, backupFlow(change)), name)
	}
	for name, change := range map[string]func(*flow.Flow){
		"another network":    func(f *flow.Flow) { f.Destination = netip.MustParseAddr("198.51.101.7") },
		"another port":       func(f *flow.Flow) { f.Port = 80 },
		"no port":            func(f *flow.Flow) { f.Port = 0 },
		"another host":       func(f *flow.Flow) { f.Host = "ws-backup-01" },
		"no host":            func(f *flow.Flow) { f.Host = "" },
		"no address at all":  func(f *flow.Flow) { f.Destination = netip.Addr{} },
		"the day it expired": func(f *flow.Flow) { f.Time = time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC).UnixNano() },
	} {
		assert.Equal(t, -1, first(exceptions, backupFlow(change)), name)
	}
	assert.Equal(t, -1, first(new(Exceptions), backupFlow(nil)), "no exception excepts nothing")
}

func TestTheFirstExceptionThatMatchesDecides(t *testing.T) {
	exceptions := compiled(t, `
exceptions:
  - {name: one, match: {ports: [22]}}
  - {name: two, match: {ports: [22, 443]}}
  - {name: three, match: {networks: [198.51.100.7]}}
`)
	assert.Equal(t, 0, first(exceptions, backupFlow(func(f *flow.Flow) { f.Port = 22 })))
	assert.Equal(t, 1, first(exceptions, backupFlow(nil)))
	assert.Equal(t, 2, first(exceptions, backupFlow(func(f *flow.Flow) { f.Port = 9 })))
	assert.True(t, exceptions.Admit(2, backupFlow(func(f *flow.Flow) { f.Bytes = math.MaxInt64 }), noon), "no ceiling")
}

func TestAboveItsCeilingExceptedTrafficIsOrdinary(t *testing.T) {
	exceptions := compiled(t, "exceptions: [{name: sync, match: {ports: [443]}, max_bytes: 10kB}]")
	admit := func(at time.Time, bytes int64) bool {
		f := backupFlow(func(f *flow.Flow) { f.Time, f.Bytes = at.UnixNano(), bytes })
		return exceptions.Admit(first(exceptions, f), f, noon)
	}
	window := noon.Truncate(ExceptionSpan)
	assert.True(t, admit(window, 6000))
	assert.True(t, admit(window.Add(time.Hour), 4000), "up to the ceiling")
	assert.False(t, admit(window.Add(2*time.Hour), 1), "and not a byte more")

	next := window.Add(ExceptionSpan)
	assert.False(t, admit(next.Add(ExceptionSpan), 1), "a clock that is hours ahead cannot renew the ceiling")
	assert.True(t, admit(next, 10_000), "the next window has a ceiling of its own")
	assert.False(t, admit(window, 1), "which does not renew the one before")
	assert.False(t, admit(window.Add(-24*time.Hour), 1), "and older flows count in the older window")
	assert.False(t, admit(next, math.MaxInt64))
	assert.False(t, admit(next, math.MaxInt64), "sums do not wrap around")
}

func TestASilentWindowIsForgotten(t *testing.T) {
	exceptions := compiled(t, "exceptions: [{name: sync, match: {ports: [443]}, max_bytes: 10kB}]")
	for day := range 5 {
		at := noon.AddDate(0, 0, day)
		f := backupFlow(func(f *flow.Flow) { f.Time, f.Bytes = at.UnixNano(), 10_000 })
		assert.True(t, exceptions.Admit(0, f, at), "day %d", day)
	}
}

func TestDatesQuotedOrNot(t *testing.T) {
	for _, text := range []string{"2027-06-30", `"2027-06-30"`} {
		configs, err := decodeExceptions(t, "exceptions: [{name: a, match: {ports: [1]}, expires: "+text+"}]")
		require.NoError(t, err)
		day, err := configs[0].Expires.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, "2027-06-30", string(day))
	}
	var none Date
	require.NoError(t, none.UnmarshalText(nil))
	assert.Empty(t, none.String())

	_, err := decodeExceptions(t, "exceptions: [{name: a, expires: next week}]")
	require.ErrorIs(t, err, ErrInvalid)
	assert.ErrorContains(t, err, "write it as 2027-06-30")

	_, err = decodeExceptions(t, "exceptions: [{name: a, expire: 2027-06-30}]")
	assert.ErrorContains(t, err, "expire")
}

func TestWrongExceptionsAreNamedByTheirPath(t *testing.T) {
	size := func(n int64) *bytesize.Size { s := bytesize.Size(n); return &s }
	ports := ExceptionMatchConfig{Ports: []any{443}}
	for want, config := range map[string]ExceptionConfig{
		"exceptions[0].name: it is missing":                                                                            {Match: ports},
		"exceptions[0].match: it names nothing and would except all traffic":                                           {Name: "a"},
		"exceptions[0].max_bytes: 0 is not above 0":                                                                    {Name: "a", Match: ports, MaxBytes: size(0)},
		"exceptions[0].max_bytes: -7 is not above 0":                                                                   {Name: "a", Match: ports, MaxBytes: size(-7)},
		"exceptions[0].match.ports[1]: 70000 is out of 1..65535":                                                       {Name: "a", Match: ExceptionMatchConfig{Ports: []any{1, 70000}}},
		`exceptions[0].match.networks[0]: "10.0.0.0/33" is not a network`:                                              {Name: "a", Match: ExceptionMatchConfig{Networks: []string{"10.0.0.0/33"}}},
		`exceptions[0].match.networks[0]: "fe80::1%eth0" is not a network`:                                             {Name: "a", Match: ExceptionMatchConfig{Networks: []string{"fe80::1%eth0"}}},
		`exceptions[0].match.networks[0]: "198.51.100.7/24" has address bits beyond its length; write 198.51.100.0/24`: {Name: "a", Match: ExceptionMatchConfig{Networks: []string{"198.51.100.7/24"}}},
		`exceptions[0].match.hosts[0]: "web[12]" is not a pattern`:                                                     {Name: "a", Match: ExceptionMatchConfig{Hosts: []string{"web[12]"}}},
		`exceptions[0].match.hosts[0]: "" is not a pattern`:                                                            {Name: "a", Match: ExceptionMatchConfig{Hosts: []string{""}}},
	} {
		_, err := NewExceptions([]ExceptionConfig{config}, ExceptionOptions{})
		require.ErrorIs(t, err, ErrInvalid, want)
		assert.ErrorContains(t, err, want)
	}
	_, err := NewExceptions([]ExceptionConfig{{Name: "a", Match: ports}, {Name: "a", Match: ports}}, ExceptionOptions{})
	assert.ErrorContains(t, err, `exceptions[1].name: "a" is also the name of exceptions[0]`)
}

func TestMappedNetworksStandForIPv4(t *testing.T) {
	exceptions := compiled(t, `exceptions: [{name: a, match: {networks: ["::ffff:198.51.100.0/120", "::ffff:192.0.2.1"]}}]`)
	assert.Equal(t, 0, first(exceptions, backupFlow(nil)))
	assert.Equal(t, 0, first(exceptions, backupFlow(func(f *flow.Flow) { f.Destination = netip.MustParseAddr("192.0.2.1") })))
	assert.Equal(t, -1, first(exceptions, backupFlow(func(f *flow.Flow) { f.Destination = netip.MustParseAddr("192.0.2.2") })))
}

func TestWildcards(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"web", "web", true}, {"web", "Web", true}, {"web", "web1", false}, {"web", "we", false},
		{"*", "", true}, {"*", "anything", true}, {"web-??", "web-01", true}, {"web-??", "web-1", false},
		{"*.example.com", "a.b.example.com", true}, {"*.example.com", "example.com", false},
		{"a*b*c", "axxbxxc", true}, {"a*b*c", "axxcxxb", false}, {"*ab", "aab", true}, {"web**", "web", true}, {"?", "", false},
	} {
		assert.Equal(t, c.want, wildcard(c.pattern, c.name), "%s %s", c.pattern, c.name)
		assert.Equal(t, c.want, wildcard(c.pattern, []byte(c.name)), "%s %s", c.pattern, c.name)
	}
	assert.False(t, wildcard(strings.Repeat("*a", 100), strings.Repeat("a", 99)))
}

func TestMatchingAllocatesNothing(t *testing.T) {
	exceptions := compiled(t, backup)
	flows := []*flow.Flow{
		backupFlow(nil),
		backupFlow(func(f *flow.Flow) { f.Host = "" }),
		backupFlow(func(f *flow.Flow) { f.Host = strings.Repeat("LONG", 60) }),
		backupFlow(func(f *flow.Flow) { f.Destination = netip.MustParseAddr("2001:db8::5") }),
	}
	matched := make([]int32, 0, 1)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for _, f := range flows {
			if matched = exceptions.Match(f, nil, matched[:0]); len(matched) > 0 {
				exceptions.Admit(int(matched[0]), f, noon)
			}
		}
	}))
}

// wide are exceptions of 10,000 networks, each of another length and place.
func wide(b *testing.B, parts int) *Exceptions {
	b.Helper()
	configs := make([]ExceptionConfig, parts)
	for i := range 10_000 {
		c := &configs[i%parts]
		c.Name = fmt.Sprintf("part-%d", i%parts)
		a := netip.AddrFrom4([4]byte{byte(11 + i%180), byte(i / 180), byte(i), 0})
		c.Match.Networks = append(c.Match.Networks, netip.PrefixFrom(a, 20+i%5).Masked().String())
	}
	exceptions, err := NewExceptions(configs, ExceptionOptions{})
	require.NoError(b, err)
	return exceptions
}

func BenchmarkMatch(b *testing.B) {
	for _, parts := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("networks=10000/exceptions=%d", parts), func(b *testing.B) {
			exceptions := wide(b, parts)
			f, i, matched := backupFlow(nil), 0, make([]int32, 0, 1)
			b.ReportAllocs()
			for b.Loop() {
				i += 7919
				f.Destination = netip.AddrFrom4([4]byte{byte(11 + i%200), byte(i >> 8), byte(i >> 4), byte(i)})
				matched = exceptions.Match(f, nil, matched[:0])
			}
		})
	}
}
