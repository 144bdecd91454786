package rule

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

// drawnException asks for ports, networks that contain each other, or both, of either end, or for something else.
func drawnException(random *rand.Rand, i int) ExceptionConfig {
	c := ExceptionConfig{Name: fmt.Sprintf("exception %d", i)}
	if random.IntN(2) == 0 {
		for range 1 + random.IntN(3) {
			first := random.IntN(1 << 16)
			last := min(1<<16-1, first+random.IntN(1<<random.IntN(16)))
			c.Match.Ports = append(c.Match.Ports, fmt.Sprintf("%d-%d", first, last))
		}
	}
	if random.IntN(2) == 0 {
		for range 1 + random.IntN(5) {
			c.Match.Networks = append(c.Match.Networks, netip.PrefixFrom(drawnAddress(random), 1+random.IntN(32)).Masked().String())
		}
		c.Match.Side = []string{"", SourceSide, DestinationSide}[random.IntN(3)]
	}
	if c.Match.namesNothing() {
		c.Match.Hosts = []string{fmt.Sprintf("ws-%d", random.IntN(3))}
	}
	return c
}

func drawnAddress(random *rand.Rand) netip.Addr {
	if random.IntN(8) == 0 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(random.IntN(4))})
	}
	return netip.AddrFrom4([4]byte{byte(random.IntN(4)), byte(random.IntN(256)), byte(random.IntN(4)), 1})
}

// Given any exceptions and any flows, then what is found by look-ups is what is found by asking every exception in turn.
func TestTheSieveLosesNoException(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 14))
	found := 0
	for range 40 {
		configs := make([]ExceptionConfig, 1+random.IntN(150))
		for i := range configs {
			configs[i] = drawnException(random, i)
		}
		e, err := NewExceptions(configs, ExceptionOptions{})
		require.NoError(t, err)
		for range 300 {
			f := &flow.Flow{
				Time: noon.UnixNano(), Source: drawnAddress(random), Destination: drawnAddress(random),
				Port: uint16(random.IntN(1 << 16)), Host: fmt.Sprintf("ws-%d", random.IntN(4)),
			}
			if random.IntN(10) == 0 {
				f.Port = []uint16{0, 1, 1<<16 - 1}[random.IntN(3)]
			}
			first := -1
			asked := subject{flow: f}
			for i := range e.list {
				if e.list[i].matches(&asked, nil) {
					first = i
					break
				}
			}
			got := e.Match(f, nil, nil)
			if first < 0 {
				assert.Empty(t, got)
				continue
			}
			found++
			require.Equal(t, []int32{int32(first)}, got)
			sifted, left := []int{}, e.sieve.of(f.Port, [2]netip.Addr{f.Destination, f.Source})
			for i, ok := left.next(); ok; i, ok = left.next() {
				sifted = append(sifted, i)
			}
			require.IsIncreasing(t, append([]int{-1}, sifted...))
		}
	}
	assert.Greater(t, found, 5000)
}

// An exception that names a file besides cannot be ruled out by its own networks: the file changes.
func TestFilesAreLookedAtBesideNetworks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "networks.txt")
	require.NoError(t, os.WriteFile(path, []byte("192.0.2.0/24\n"), 0o600))
	l, err := NewExceptions([]ExceptionConfig{{
		Name: "both", Match: ExceptionMatchConfig{NetworkFiles: []string{path}, Networks: []string{"203.0.113.0/24"}},
	}}, ExceptionOptions{})
	require.NoError(t, err)
	require.NoError(t, l.Open(0))
	t.Cleanup(l.Close)
	for _, a := range []string{"192.0.2.7", "203.0.113.7"} {
		assert.Len(t, l.Match(backupFlow(func(f *flow.Flow) { f.Destination = netip.MustParseAddr(a) }), nil, nil), 1, a)
	}
	assert.Empty(t, l.Match(backupFlow(func(f *flow.Flow) { f.Destination = netip.MustParseAddr("198.51.100.7") }), nil, nil))
}

func BenchmarkMatchOfPorts(b *testing.B) {
	configs := make([]ExceptionConfig, MaxExceptions)
	for i := range configs {
		configs[i] = ExceptionConfig{Name: fmt.Sprint(i), Match: ExceptionMatchConfig{Ports: []any{40_000 + i}, Hosts: []string{"backup-*"}}}
	}
	exceptions, err := NewExceptions(configs, ExceptionOptions{})
	require.NoError(b, err)
	f, i, matched := backupFlow(nil), 0, make([]int32, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		i += 7919
		f.Port = uint16(i)
		matched = exceptions.Match(f, nil, matched[:0])
	}
}
