package detector

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

// small are two rules without detail keys and with room for few entities.
func small(limit int) Settings {
	s := manyEntities(limit)
	for i := range s.Watches {
		s.Watches[i].Details = nil
	}
	return s
}

// portFlood sends a few bytes from one host to each of n fresh ports, within the given time. Rounds take other ports.
func portFlood(from time.Time, over time.Duration, n, round int, bytes int64) []flow.Flow {
	flows := make([]flow.Flow, n)
	for i := range flows {
		flows[i] = one(from.Add(over*time.Duration(i)/time.Duration(n)), "ws-x", uint16(10_000+(round*n+i)%50_000), "Hesse", bytes)
	}
	return flows
}

// portOf is what is known of a port, or nothing.
func portOf(d *Detector, port string) *entity {
	s := d.lanes[0].spaces[0]
	for at := range s.entities {
		e := &s.entities[at]
		if knows(s, e.hash) && s.values(e)[0] == port {
			return e
		}
	}
	return nil
}

// knows says whether a space has the entity with a hash.
func knows(s *space, hash uint64) bool {
	_, ok := s.index.get(hash, s.entities)
	return ok
}

func ghostOf(d *Detector, port uint16) bool {
	s := d.lanes[0].spaces[0]
	f := one(monday, "", port, "", 1)
	hash := s.lastingHash(string(appendKey(nil, s.fields, &f)))
	if s.ghosts.count == 0 {
		return false
	}
	return slices.ContainsFunc(s.ghosts.buckets[s.ghosts.bucket(hash)][:], func(g ghost) bool { return g.hash == hash })
}

// Given a port that is used every other night, when a flood fills the table for three days, then the port is not new
// and its usual transfer raises no alarm.
func TestAFloodDoesNotMakeAKnownPortNew(t *testing.T) {
	for name, flooded := range map[string]bool{"in peace": false, "after a flood": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDetector(t, small(100))
			flows := office(12, monday, 36)
			for night := range 17 {
				flows = append(flows, within(monday.AddDate(0, 0, 2*night).Add(22*time.Hour), time.Hour, 20, "nas", 873, "Ireland", 20e6+int64(night%3)*5e6)...)
			}
			if flooded {
				for w := range 8 * 3 {
					flows = append(flows, portFlood(monday.AddDate(0, 0, 29).Add(time.Duration(w)*3*time.Hour), 3*time.Hour, 4000, w, 90)...)
				}
			}
			sortByTime(flows)
			for _, f := range run(t, d, flows, 250) {
				if f.Time.After(monday.AddDate(0, 0, 14)) {
					assert.NotContains(t, []string{"873", "443", "80", "22"}, f.Values[0], "%v %v", f.Time, f.Score)
				}
			}
			for _, known := range []string{"443", "80", "22", "993", "25", "8443", "873"} {
				e := portOf(d, known)
				require.NotNil(t, e, known)
				assert.GreaterOrEqual(t, e.windows, uint32(17), known)
				assert.Less(t, e.first*d.lanes[0].span, monday.AddDate(0, 0, 4).UnixNano(), known)
			}
			assert.Equal(t, flooded, d.Stats().Evicted > 0)
		})
	}
}

// Given a known port that was evicted, when it returns, then it has its past again: the same to the bit as if it had
// stayed, a restart in between or not.
func TestWhoReturnsHasItsPast(t *testing.T) {
	for name, restart := range map[string]bool{"at once": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			d, stayed := newDetector(t, small(40)), newDetector(t, small(100_000))
			var flows []flow.Flow
			for day := range 12 {
				for port := range 30 {
					flows = append(flows, one(monday.AddDate(0, 0, day).Add(9*time.Hour), "ws-a", uint16(100+port), "Hesse", int64(20*(port+1)+day)))
				}
			}
			flood := portFlood(monday.AddDate(0, 0, 13), 24*time.Hour, 40_000, 0, 3e6) // a day of heavy fresh ports
			flows = append(flows, flood...)
			run(t, d, flows, 50)
			run(t, stayed, flows, 50)
			var evicted []uint16
			for port := range uint16(30) {
				if portOf(d, fmt.Sprint(100+port)) == nil && ghostOf(d, 100+port) {
					evicted = append(evicted, 100+port)
				}
			}
			require.NotEmpty(t, evicted, "the lightest have made room")
			if restart {
				before := d.Fingerprint()
				kept := saved(d)
				d, _ = load(t, small(40), kept)
				require.Equal(t, before, d.Fingerprint())
				require.Empty(t, kept.differences(saved(d)))
			}
			back := one(monday.AddDate(0, 0, 20).Add(time.Hour), "ws-a", evicted[0], "Hesse", 10e9)
			found := run(t, d, []flow.Flow{back}, 1)
			want := run(t, stayed, []flow.Flow{back}, 1)
			require.NotEmpty(t, found)
			assert.False(t, found[0].FirstSeen)
			assert.Equal(t, want[0].Windows, found[0].Windows)
			assert.Equal(t, want[0].Age, found[0].Age)
			assert.Equal(t, portOf(stayed, fmt.Sprint(evicted[0])).Series, portOf(d, fmt.Sprint(evicted[0])).Series)
			assert.False(t, ghostOf(d, evicted[0]), "it is no ghost any more")
			assert.Equal(t, int64(1), d.Stats().Returned)
		})
	}
}

// Given a key on probation, when its thief lets it be evicted and returns, then it is as old as it was.
func TestAKeyIsNotMadeYoungerByEviction(t *testing.T) {
	d := newDetector(t, small(60))
	flows := office(12, monday, 20)
	for w := range 16 {
		flows = append(flows, within(monday.AddDate(0, 0, 14).Add(time.Duration(w)*3*time.Hour), time.Hour, 5, "ws-b", 4444, "Hesse", 400e3)...)
	}
	sortByTime(flows)
	run(t, d, flows, 100)
	first := portOf(d, "4444").first
	s := d.lanes[0].spaces[0]
	at, _ := s.index.get(portOf(d, "4444").hash, s.entities)
	s.bury(d.lanes[0], at)
	require.Nil(t, portOf(d, "4444"))
	found := run(t, d, within(monday.AddDate(0, 0, 20).Add(10*time.Hour), time.Hour, 10, "ws-b", 4444, "Hesse", 900e6), 1)
	require.NotEmpty(t, found)
	assert.False(t, found[0].FirstSeen)
	assert.Equal(t, first, portOf(d, "4444").first)
}

// addresses watches destination addresses.
func addresses(limit int) Settings {
	s := twoRules()
	s.Watches = []Watch{{Rule: "address", By: []flow.Field{flow.DestinationAddress}, Spans: s.Watches[0].Spans,
		Threshold: 75, Budget: 1, MinBytes: 1 << 20, MaxEntities: limit}}
	return s
}

func toAddress(at time.Time, address netip.Addr, bytes int64) flow.Flow {
	f := one(at, "ws-a", 443, "Hesse", bytes)
	f.Destination = address
	return f
}

// Given a thousand established addresses, some used by the hour and some by the week, and one that a gigabyte went to only yesterday,
// when a million fresh ones come, then all of them are still known.
func TestAMillionFreshAddressesEvictNeitherHeavyNorEstablished(t *testing.T) {
	known := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}) }
	fresh := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)}) }
	d := newDetector(t, addresses(1500))
	var flows []flow.Flow
	for w := range 8 * 15 {
		for i := range 1000 {
			if w%(1+i%50) == 0 {
				flows = append(flows, toAddress(monday.Add(time.Duration(w)*3*time.Hour), known(i), int64(2000+i*1000)))
			}
		}
	}
	flows = append(flows, toAddress(monday.AddDate(0, 0, 14).Add(time.Hour), known(5000), 1e9))
	sortByTime(flows)
	run(t, d, flows, 1000)
	from := monday.AddDate(0, 0, 15)
	const n = 1_000_000
	batch := make([]flow.Flow, 1000)
	for i := 0; i < n; i += len(batch) { // over two days
		for j := range batch {
			batch[j] = toAddress(from.Add(48*time.Hour/n*time.Duration(i+j)), fresh(i+j), 60+int64(j))
		}
		d.Observe(batch, farAhead, nil)
	}
	s := d.lanes[0].spaces[0]
	assert.LessOrEqual(t, len(s.entities), 1501)
	assert.LessOrEqual(t, s.ghosts.count, 1500/ghostShare+2*ghostWays)
	for i := range 1000 {
		assert.True(t, knows(s, s.keyer.address(known(i))))
	}
	assert.True(t, knows(s, s.keyer.address(known(5000))), "one heavy window is enough")
	assert.Positive(t, s.evicted, "the flood has made room for itself")
}

// Given a flood whose every port comes back in window after window until it is established, then it does not keep the
// table: newcomers find room as soon as one of its windows has passed, and meanwhile a theft is found in the overflow, with its sender.
func TestAFloodThatRepeatsItselfDoesNotKeepTheTable(t *testing.T) {
	d := newDetector(t, small(300))
	run(t, d, office(12, monday, 16), 250)
	begin := monday.AddDate(0, 0, 16)
	window := 3 * time.Hour
	for w := range 24 { // the same 2000 ports in each of 24 windows
		run(t, d, portFlood(begin.Add(time.Duration(w)*window), window, 2000, 0, 3000), 100)
	}
	for _, port := range []string{"443", "80", "22", "993", "25", "8443"} {
		require.NotNil(t, portOf(d, port), port)
		assert.Greater(t, portOf(d, port).windows, uint32(20), port)
	}

	during := begin.Add(24*window + 2*time.Hour)
	theft := within(during, 40*time.Minute, 40, "ws-c", 4444, "Hesse", 900e6)
	flows := append(portFlood(begin.Add(24*window), window, 2000, 0, 3000), theft...)
	sortByTime(flows)
	var hit *Finding
	for _, f := range run(t, d, flows, 100) {
		if f.Rule == "port" && f.Actual >= 1<<20 && (f.Values[0] == OverflowValue || f.Values[0] == "4444") && f.Phase == Crossing {
			hit = &f
			break
		}
	}
	require.NotNil(t, hit, "the theft in the middle of the flood")
	assert.Equal(t, "ws-c", contributors(hit, flow.Host)[0])
	assert.Contains(t, contributors(hit, flow.DestinationPort), "4444")

	after := within(begin.Add(25*window+2*time.Hour), 20*time.Minute, 20, "ws-d", 5555, "Hesse", 900e6)
	assert.Contains(t, valuesOf(run(t, d, after, 100)), "5555", "by its own name, an hour after")
}

func contributors(f *Finding, field flow.Field) []string {
	for _, c := range f.Contributors {
		if c.Field == field {
			return c.Values
		}
	}
	return nil
}

func valuesOf(found []Finding) (values []string) {
	for _, f := range found {
		values = append(values, f.Values[0])
	}
	return values
}

// However ghosts come and go, there are no more than there is room for, their count is right, buckets have no
// gaps, and the worthiest of a full bucket stays.
func TestGhostsAreBounded(t *testing.T) {
	var g ghosts
	const limit, span = 100, 3 * time.Hour
	r := rand.New(rand.NewPCG(1, 1))
	worthiest := ghost{hash: 7, windows: 9}
	worthiest.Active, worthiest.Mean = 1e6, 20
	g.put(worthiest, limit, 0, span)
	for range 20_000 {
		v := ghost{hash: r.Uint64N(500)*2 + 11, windows: 1}
		v.Active, v.Mean = r.Float32(), 7+r.Float32()
		if r.IntN(3) == 0 {
			_, _ = g.take(v.hash)
		} else {
			g.put(v, limit, 0, span)
		}
	}
	count := 0
	for b := range g.buckets {
		seen := map[uint64]bool{}
		for i, v := range g.buckets[b] {
			if v.hash != 0 {
				count++
				assert.False(t, seen[v.hash], "once")
				assert.True(t, i == 0 || g.buckets[b][i-1].hash != 0, "no gaps")
				seen[v.hash] = true
			}
		}
	}
	assert.Equal(t, count, g.count)
	assert.LessOrEqual(t, count, limit/ghostShare+2*ghostWays)
	kept, ok := g.take(7)
	assert.True(t, ok)
	assert.Equal(t, worthiest, kept)
	_, ok = g.take(7)
	assert.False(t, ok)
}

// Given evictions and returns while a snapshot is written, then it is of the moment at which it was taken, and only ghosts that
// changed are written again.
func TestGhostsAreOfTheMomentOfTheSnapshot(t *testing.T) {
	settings := small(20_000)
	ports := func(d *Detector, w int) {
		at := monday.Add(time.Duration(w) * 3 * time.Hour)
		run(t, d, portFlood(at, 3*time.Hour, 25_000, w, int64(100*(w+1))), 1000)
	}
	d := newDetector(t, settings)
	for w := range 4 {
		ports(d, w)
	}
	require.NotZero(t, d.Stats().Ghosts)
	moment, kept, w := d.Fingerprint(), shards{}, 4
	kept.snapshot(d, func() { ports(d, w); w++ })
	require.NotEqual(t, moment, d.Fingerprint())
	pages := 0
	for name := range kept {
		if strings.HasPrefix(name, ghostsPrefix) {
			pages++
		}
	}
	assert.Greater(t, pages, 1)
	resumed, _ := load(t, settings, kept)
	assert.Equal(t, moment, resumed.Fingerprint())

	now := d.Fingerprint()
	kept.snapshot(d, nothing)
	resumed, _ = load(t, settings, kept)
	assert.Equal(t, now, resumed.Fingerprint())
	assert.GreaterOrEqual(t, kept.snapshot(d, nothing), pages, "what has not changed is not written again")
}

// Given a first eviction, when there is room for ghosts in many pages, then the next snapshot has all of them: nobody has written one before.
func TestTheFirstGhostBringsAllPages(t *testing.T) {
	settings := twoRules()
	for i := range settings.Watches {
		settings.Watches[i].MaxEntities = 100_000
	}
	d := newDetector(t, settings)
	run(t, d, office(2, monday, 1), 100)
	kept := shards{}
	kept.snapshot(d, nothing)
	l := d.lanes[0]
	l.spaces[0].ghosts.put(ghost{hash: 1, windows: 3}, 100_000, l.ordinal, l.spaces[0].span)
	kept.snapshot(d, nothing)
	pages := 0
	for name := range kept {
		if strings.HasPrefix(name, ghostsPrefix) {
			pages++
		}
	}
	assert.Equal(t, len(l.spaces[0].ghosts.dirty), pages)
	require.Greater(t, pages, 1)
}
