package detector

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/otel-exfil/exfil/internal/flow"
)

// Keys that differ little, as ports and addresses in a row do, must lie in a table as if they were drawn at random: at most half full, it
// is left after one and a half looks.
func TestKeysInARowAreSpread(t *testing.T) {
	const n = 60_000
	k := newKeyer(twoRules())
	port := func(i int) uint64 { return k.value(uint64(i+1), 0) }
	address := func(i int) uint64 {
		return k.address(netip.AddrFrom4([4]byte{198, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	for name, hash := range map[string]func(int) uint64{
		"ports":          port,
		"IPv4 addresses": address,
		"IPv4 networks":  func(i int) uint64 { return address(i << 8) },
		"IPv6 networks": func(i int) uint64 {
			return k.address(netip.AddrFrom16([16]byte{0x20, 1, byte(i >> 8), byte(i), 15: 1}))
		},
		"IPv6 addresses": func(i int) uint64 {
			return k.address(netip.AddrFrom16([16]byte{0: 0x20, 14: byte(i >> 8), 15: byte(i)}))
		},
		"names":               func(i int) uint64 { return k.text(fmt.Sprintf("ws-%05d", i)) },
		"longer names":        func(i int) uint64 { return k.text(fmt.Sprintf("%05d-workstation", i)) },
		"lengths":             func(i int) uint64 { return k.text(strings.Repeat("a", i%9) + fmt.Sprintf("%08d", i/9)) },
		"ports of a host":     func(i int) uint64 { return k.mix(k.text("host"), port(i)) },
		"ports × addresses":   func(i int) uint64 { return k.mix(port(i%300), address(i/300)) },
		"addresses of a port": func(i int) uint64 { return k.mix(address(i), port(443)) },
	} {
		table := newTable()
		hashes := make([]uint64, n)
		for i := range hashes {
			hashes[i] = hash(i)
		}
		for table.count < n {
			if table.full() {
				table.grow()
			}
			table.put(hashes[table.count], uint32(table.count))
		}
		looks, mask := 0, uint64(len(table.slots)-1)
		for i, h := range hashes {
			for at := h >> 1; table.slots[at&mask]&placeMask != uint64(i); at++ {
				looks++
			}
			looks++
		}
		assert.Less(t, float64(looks)/n, 2.0, name)
	}
}

// What is found of many hashes at once is what is found of each.
func TestTableFindsAsItGets(t *testing.T) {
	k, table := newKeyer(twoRules()), newTable()
	var hashes []uint64
	for i := range 3000 {
		h := k.mix(uint64(i), 7)
		hashes = append(hashes, h)
		if i%3 == 0 {
			continue // is not there
		}
		if table.full() {
			table.grow()
			for j := range i {
				if j%3 != 0 {
					table.put(hashes[j], uint32(j))
				}
			}
		}
		table.put(h, uint32(i))
	}
	hashes[10] = 0
	places := make([]uint32, len(hashes))
	table.find(hashes, places)
	for i, h := range hashes {
		at, ok := table.get(h)
		switch {
		case h == 0:
			assert.Equal(t, uint32(lackingPlace), places[i])
		case ok:
			assert.Equal(t, at, places[i])
			assert.Equal(t, uint32(i), at)
		default:
			assert.Equal(t, uint32(unknownPlace), places[i])
			assert.Zero(t, i%3)
		}
	}
}

// Texts that differ in their length only, or in what their halves share, are told apart.
func TestTextsAreToldApart(t *testing.T) {
	k := newKeyer(twoRules())
	known := make(map[uint64]string)
	for n := range 40 {
		text := strings.Repeat("a", n)
		for _, s := range []string{text, text + "b", "b" + text, text + "\x00"} {
			h := k.text(s)
			if was, there := known[h]; there {
				assert.Equal(t, was, s)
			}
			known[h] = s
			assert.Equal(t, s != "", h&hashBits == hashBits, "no text has the hash of none")
		}
	}
	assert.Len(t, known, 4*40-1, `"b" came twice`)
}

func TestHashesAreMadeAnewFromNames(t *testing.T) {
	s := twoRules()
	s.Watches[0].Details = append(s.Watches[0].Details, []flow.Field{flow.User, flow.DestinationAddress, flow.DestinationCountry})
	k, sc := newKeyer(s), new(scratch)
	flows := office(1, monday, 1)
	flows[3].Host, flows[4].User = "", ""
	k.hash(flows, sc)
	for j, key := range k.keys {
		for i := range flows {
			byOrigin := flows[i].Host == ""
			name := string(appendKey(nil, key, &flows[i]))
			want := k.hashOf(key, name, byOrigin)
			assert.Equal(t, want, sc.keys[j][i], "%v of flow %d", key, i)
		}
	}
}
