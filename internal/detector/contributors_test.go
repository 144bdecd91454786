package detector

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// named are flows of a theft in which every field has a value.
func named(at time.Time, host, user string, bytes int64) []flow.Flow {
	flows := within(at, time.Hour, 60, host, 4444, "Victoria", bytes)
	for i := range flows {
		flows[i].User, flows[i].Process, flows[i].Place.Country = user, "rclone", "AU"
		flows[i].ID = flow.ID{Number: int64(1000 + i/6)}
	}
	return flows
}

// crossing is the first finding of port 4444 as a whole.
func crossing(t *testing.T, found []Finding) Finding {
	t.Helper()
	i := slices.IndexFunc(found, func(f Finding) bool { return f.Values[0] == "4444" && f.DetailFields == nil })
	require.GreaterOrEqual(t, i, 0)
	return found[i]
}

func fieldsOf(f Finding) (fields []string) {
	for _, c := range f.Contributors {
		fields = append(fields, c.Field.String())
	}
	return fields
}

// Given fields that are not to be kept, then neither findings nor what is stored names them.
func TestWhatIsNotKeptIsNeitherFoundNorStored(t *testing.T) {
	office := office(8, monday, 15)
	at := monday.AddDate(0, 0, 15).Add(13 * time.Hour)
	for _, c := range []struct {
		fields  []flow.Field // nil: the usual ones
		told    []string
		missing []string // in what is stored
	}{
		{nil, []string{"source.address", "host.name", "user.name", "process.name", "destination.address", "destination.port",
			"destination.geo.region_name"}, nil},
		{[]flow.Field{}, nil, []string{"mallory", "rclone", "\x0a\x00\x00\x0c", "\xcb\x00\x71\x09"}},
		{[]flow.Field{flow.Host, flow.DestinationCountry}, []string{"host.name", "destination.geo.country_iso_code"},
			[]string{"mallory", "rclone", "\x0a\x00\x00\x0c", "\xcb\x00\x71\x09"}},
		{[]flow.Field{flow.User, flow.DestinationAddress}, []string{"user.name", "destination.address"},
			[]string{"rclone", "\x0a\x00\x00\x0c"}},
	} {
		s := twoRules()
		s.Contributors.Fields = c.fields
		d := newDetector(t, s)
		found := run(t, d, slices.Concat(office, named(at, "ws-c", "mallory", 300e6)), 100)
		assert.Equal(t, c.told, fieldsOf(crossing(t, found)))
		tallies := 0
		for _, o := range d.lanes[0].spaces[0].current.outlooks {
			if o.tally != nil {
				tallies++
			}
		}
		require.NotZero(t, tallies, "or nothing is looked at")
		for name, shard := range saved(d) {
			for _, text := range c.missing {
				assert.NotContains(t, string(shard), text, "%v: %s", c.fields, name)
			}
		}
	}
}

// Given a state that was saved when more was kept, then what is not kept any more is gone once it is loaded.
func TestWhatIsNotKeptAnyMoreIsForgottenOnLoading(t *testing.T) {
	d := newDetector(t, twoRules())
	run(t, d, slices.Concat(office(8, monday, 15), named(monday.AddDate(0, 0, 15).Add(13*time.Hour), "ws-c", "mallory", 300e6)), 100)
	kept := saved(d)
	require.True(t, slices.ContainsFunc(slices.Collect(mapsValues(kept)), func(shard []byte) bool { return bytes.Contains(shard, []byte("mallory")) }))
	s := twoRules()
	s.Contributors.Fields = []flow.Field{flow.Host}
	again, _ := load(t, s, kept)
	for name, shard := range saved(again) {
		assert.NotContains(t, string(shard), "mallory", name)
	}
}

func mapsValues(s shards) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for _, v := range s {
			if !yield(v) {
				return
			}
		}
	}
}

func TestAsManyContributorsAreNamedAsAskedFor(t *testing.T) {
	at := monday.AddDate(0, 0, 15).Add(13 * time.Hour)
	theft := named(at, "ws-c", "mallory", 300e6)
	for i := range theft {
		theft[i].Destination = netip.AddrFrom4([4]byte{203, 0, 113, byte(i % 20)})
	}
	for most, want := range map[int]int{0: 10, 3: 3, MostContributors: 20} {
		s := twoRules()
		s.Contributors.Max = most
		s.Watches[0].MinBytes = 200e6 // so that all have sent before it is found
		found := crossing(t, run(t, newDetector(t, s), slices.Concat(office(8, monday, 15), theft), 100))
		i := slices.IndexFunc(found.Contributors, func(c Contribution) bool { return c.Field == flow.DestinationAddress })
		assert.Len(t, found.Contributors[i].Values, want)
		assert.Len(t, found.Contributors[i].Bytes, want)
		assert.Len(t, found.Contributors[i].FirstSeen, want)
	}
}

// Given a theft in flows of several sizes, then the ids of those with the largest records are told, each once, of equal
// ones those that came first.
func TestTheLargestFlowsAreNamed(t *testing.T) {
	at := monday.AddDate(0, 0, 15).Add(13 * time.Hour)
	theft := named(at, "ws-c", "mallory", 300e6)
	for i := range theft {
		if theft[i].ID.Number == 1003 {
			theft[i].Bytes *= 3
		}
	}
	theft[0].ID = flow.ID{} // some have none
	for most, want := range map[int][]string{0: nil, 1: {"1003"}, 3: {"1003", "1000", "1001"}} {
		s := twoRules()
		s.Contributors.FlowIDs = most
		s.Watches[0].MinBytes = 200e6
		assert.Equal(t, want, crossing(t, run(t, newDetector(t, s), slices.Concat(office(8, monday, 15), theft), 100)).FlowIDs)
	}
}

// Given a host that took part in much traffic before, and one that never did, then a finding tells since when each is
// known, also after a restart in between.
func TestFirstSeenIsWhenAContributorWasMetFirst(t *testing.T) {
	at := monday.AddDate(0, 0, 18).Add(13*time.Hour + 20*time.Minute)
	flows := slices.Concat(office(8, monday, 19), named(at, "ws-c", "ana", 300e6), named(at, "intruder", "ana", 300e6))
	sortByTime(flows)
	half := len(flows) / 2
	s := twoRules()
	s.Watches[0].MinBytes = 100e6
	d := newDetector(t, s)
	run(t, d, flows[:half], 100)
	d, _ = load(t, s, saved(d))
	found := crossing(t, run(t, d, flows[half:], 100))
	first := map[string]time.Time{}
	for _, c := range found.Contributors {
		for i, v := range c.Values {
			first[v] = c.FirstSeen[i]
		}
	}
	assert.Equal(t, at.Truncate(time.Hour), first["intruder"], "in this window")
	assert.Equal(t, at.Truncate(time.Hour), first["Victoria"])
	assert.Less(t, first["ws-c"], monday.AddDate(0, 0, 9), "soon after the warm-up, when tallies begin")
	assert.Greater(t, first["ws-c"], monday)
}

func TestNobodySeemsOlderByAForgedTime(t *testing.T) {
	flows := slices.Concat(office(8, monday, 15), named(monday.AddDate(0, 0, 15).Add(13*time.Hour), "ws-c", "mallory", 300e6))
	theft := flows[len(flows)-60:]
	for i := range theft[1:] {
		theft[1+i].Time = monday.AddDate(-20, 0, 0).UnixNano()
	}
	for _, c := range crossing(t, run(t, newDetector(t, twoRules()), flows, 100)).Contributors {
		for i, v := range c.Values {
			assert.GreaterOrEqual(t, c.FirstSeen[i], monday, v)
		}
	}
}

// Given a flood of names, then those met lately are known, and no more are remembered than there is room for.
func TestWhoIsMetAgainAndAgainOutlivesAFlood(t *testing.T) {
	k := newKeyer(twoRules())
	var m met
	regular := k.contributorHash(flow.Host, "regular")
	for hour := range int32(40) {
		m.note(acquaintance{regular, hour, hour})
		for i := range 10_000 {
			m.note(acquaintance{k.contributorHash(flow.Host, fmt.Sprint("flood ", hour, i)), hour, hour})
		}
	}
	first, ok := m.first(regular)
	assert.True(t, ok)
	assert.EqualValues(t, 0, first)
	_, ok = m.first(k.contributorHash(flow.User, "regular"))
	assert.False(t, ok, "a user of that name is somebody else")
	_, ok = m.first(k.contributorHash(flow.Host, "flood 00"))
	assert.False(t, ok, "forgotten")
	count := 0
	for b := range m.buckets {
		for _, a := range m.buckets[b] {
			if a.hash != 0 {
				count++
			}
		}
	}
	assert.LessOrEqual(t, count, metBuckets*metWays)
	assert.Greater(t, count, metBuckets*metWays*9/10)
}

// Given a tally as the first version wrote it, then it is read, and its kinds came when their window began.
func TestATallyOfTheFirstVersionIsRead(t *testing.T) {
	var w codec.Writer
	w.Uint(1)
	w.Int(4200)
	w.Address(netip.MustParseAddr("10.1.2.3"))
	w.Address(netip.MustParseAddr("203.0.113.9"))
	for _, v := range []string{"ws-17", "alice", "rclone", "Victoria"} {
		w.Text(v)
	}
	w.Uint(4444)
	k := newKeyer(twoRules())
	var old, again tally
	r := codec.NewReader(w.Data)
	old.load(r, k, 7)
	require.NoError(t, r.End())
	assert.Equal(t, 1, old.n)
	assert.EqualValues(t, 4200, old.bytes[0])
	assert.EqualValues(t, 7, old.first[0])
	assert.Equal(t, "ws-17", old.kind[0].host)

	old.ids, old.id[0], old.idBytes[0], old.kind[0].country = 1, flow.ID{Text: "CAbc"}, 9, ""
	w.Data = nil
	old.save(&w)
	k.ids = MaxFlowIDs
	r = codec.NewReader(w.Data)
	again.load(r, k, 8)
	require.NoError(t, r.End())
	assert.Equal(t, old, again)

	w.Data = nil
	w.Uint(tallyVersion + 1)
	r = codec.NewReader(w.Data)
	again.load(r, k, 8)
	assert.ErrorContains(t, r.Err(), "version 3; up to 2 can be read")
}

func TestMetPagesThatCannotBeReadChangeNothing(t *testing.T) {
	var m met
	m.note(acquaintance{hash: 5, first: 1, last: 2})
	var w codec.Writer
	m.save(&w, 0)
	for name, data := range map[string][]byte{
		"another version": {9},
		"cut":             w.Data[:len(w.Data)-1],
		"no hash":         append(slices.Clone(w.Data), make([]byte, 10)...),
	} {
		var fresh met
		assert.ErrorIs(t, fresh.load(codec.NewReader(data)), codec.ErrMalformed, name)
		assert.Nil(t, fresh.buckets, name)
	}
	var fresh met
	require.NoError(t, fresh.load(codec.NewReader(w.Data)))
	assert.Equal(t, m.buckets, fresh.buckets)
}

// The path of a record allocates nothing, be it near a threshold, with ids and whatever is kept.
// Kinds that share a value of a field are met under one hash, and where they share none, under two.
func TestKindsShareWhatIsTheSame(t *testing.T) {
	a := kind{
		source: netip.MustParseAddr("10.0.0.1"), destination: netip.MustParseAddr("198.51.100.7"), port: 443,
		host: "ws-a", user: "alice", process: "firefox", region: "Hesse", country: "DE",
	}
	b := kind{
		source: netip.MustParseAddr("10.0.0.2"), destination: netip.MustParseAddr("198.51.100.8"), port: 80,
		host: "ws-b", user: "bob", process: "curl", region: "Ireland", country: "IE",
	}
	k := newKeyer(twoRules())
	for i := range flow.FieldCount {
		field := flow.Field(i)
		for _, other := range []kind{a, b, {}} {
			assert.Equal(t, a.value(field) == other.value(field), a.shares(&other, field), "%s", field)
			assert.Equal(t, a.shares(&other, field), k.kindHash(&a, field) == k.kindHash(&other, field), "%s", field)
		}
		assert.Zero(t, k.kindHash(&kind{}, field))
	}
}

// Given more names than are remembered, and another salt, then the hash of each is that by which a finding asks since when it is known.
func TestRememberedHashesAreThoseOfTheSalt(t *testing.T) {
	k := newKeyer(twoRules())
	for range 2 {
		for i := range 2 * knownHashes {
			of := kind{
				host: fmt.Sprint("ws-", i%700), user: fmt.Sprint("ws-", i%700), port: uint16(i),
				destination: netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}),
			}
			for _, field := range ContributorFields() {
				want := uint64(0)
				if v := of.value(field); v != "" {
					want = k.contributorHash(field, v)
				}
				if got := k.kindHash(&of, field); got != want {
					t.Fatalf("%s of %v: %x, not %x", field, of, got, want)
				}
			}
		}
		k.lasting = newLastingSalt()
	}
}

// Given whatever is kept, then a flow's hash is that of its kind, and tells it from any that differs in what is kept.
func TestAFlowIsHashedAsItsKind(t *testing.T) {
	all := flow.Flow{
		Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr("198.51.100.7"), Port: 443,
		Host: "ws-a", User: "al", Process: "firefox", Place: flow.Place{Region: "North Rhine-Westphalia", Country: "DE"},
	}
	flows := []flow.Flow{{}, all}
	for i := range flow.FieldCount {
		less := all
		switch flow.Field(i) {
		case flow.SourceAddress:
			less.Source = netip.Addr{}
		case flow.DestinationAddress:
			less.Destination = netip.Addr{}
		case flow.DestinationPort:
			less.Port = 0
		case flow.Host:
			less.Host = ""
		case flow.User:
			less.User = ""
		case flow.Process:
			less.Process = ""
		case flow.DestinationRegion:
			less.Destination, less.Place.Region = netip.Addr{}, ""
		case flow.DestinationCountry:
			less.Destination, less.Place.Country = netip.Addr{}, ""
		}
		flows = append(flows, less)
	}
	for _, fields := range [][]flow.Field{nil, {flow.Host}, {flow.User, flow.Process}, append(ContributorFields(), flow.DestinationCountry)} {
		s := twoRules()
		s.Contributors.Fields = fields
		k := newKeyer(s)
		seen := map[uint64]kind{}
		for i := range flows {
			var of kind
			k.describe(&of, &flows[i])
			hash := k.tupleOf(&flows[i])
			assert.Equal(t, k.tuple(&of), hash)
			if other, known := seen[hash]; known {
				assert.Equal(t, other, of)
			}
			seen[hash] = of
		}
	}
}

func TestNoAllocationsWhileContributorsAreCounted(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector pools forget at random")
	}
	s := twoRules()
	s.Contributors = Contributors{Fields: append(ContributorFields(), flow.DestinationCountry), FlowIDs: MaxFlowIDs}
	d := newDetector(t, s)
	run(t, d, office(8, monday, 15), 100)
	theft := named(monday.AddDate(0, 0, 15).Add(13*time.Hour), "ws-c", "mallory", 300e6)
	run(t, d, theft, 100)
	var found []Finding
	assert.Zero(t, testing.AllocsPerRun(50, func() { found = d.Observe(theft, farAhead, found[:0]) }))
}
