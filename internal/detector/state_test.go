package detector

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/flow"
)

// shards are where a test keeps a snapshot.
type shards map[string][]byte

// load lets d take over the shards, but for those that are lost.
func (s shards) load(d *Detector, lost ...string) (Restored, error) {
	ld := d.Loader()
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(lost, name) {
			errs = append(errs, ld.Visit(name, s[name]))
		}
	}
	return ld.Finish(), errors.Join(errs...)
}

// snapshot saves what d knows into s. Between any two shards something may happen.
func (s shards) snapshot(d *Detector, between func()) (unchanged int) {
	n := d.Snapshot()
	defer n.Release(true)
	names := map[string]bool{}
	for {
		between()
		var w codec.Writer
		name, same, ok := n.Next(&w)
		if !ok {
			break
		}
		names[name] = true
		if same {
			unchanged++
			continue
		}
		s[name] = w.Data
	}
	maps.DeleteFunc(s, func(name string, _ []byte) bool { return !names[name] })
	return unchanged
}

// differences names the shards that two snapshots do not have in common.
func (s shards) differences(o shards) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if !bytes.Equal(s[name], o[name]) {
			names = append(names, name)
		}
	}
	for name := range o {
		if s[name] == nil {
			names = append(names, name)
		}
	}
	return names
}

func nothing() {}

func saved(d *Detector) shards {
	s := shards{}
	s.snapshot(d, nothing)
	return s
}

func load(t testing.TB, settings Settings, s shards, lost ...string) (*Detector, Restored) {
	t.Helper()
	d := newDetector(t, settings)
	restored, err := s.load(d, lost...)
	require.NoError(t, err)
	return d, restored
}

// eventful is a month of an office in which something is stolen, by a host and by a machine without a name.
func eventful() []flow.Flow {
	flows := slices.Concat(office(8, monday, 24),
		within(monday.AddDate(0, 0, 16).Add(13*time.Hour), 5*time.Hour, 300, "ws-c", 4444, "California", 300e6),
		within(monday.AddDate(0, 0, 20).Add(2*time.Hour), 4*time.Hour, 80, "", 22, "Oslo", 900e6),
		ramp(200e3, 3, "ws-b"))
	sortByTime(flows)
	return flows
}

// Given traffic that is interrupted at any moment by a restart, then all that follows is as without it: what is found,
// what is learned and what is saved next, to the bit.
func TestARestartChangesNothing(t *testing.T) {
	flows := eventful()
	straight := newDetector(t, twoRules())
	want := run(t, straight, flows, 100)
	require.NotEmpty(t, want)

	random := rand.New(rand.NewPCG(9, 9))
	for range 3 {
		d, kept := newDetector(t, twoRules()), shards{}
		var got []Finding
		for rest := flows; len(rest) > 0; {
			n := min(len(rest), 100*(1+random.IntN(400)))
			got = append(got, run(t, d, rest[:n], 100)...)
			rest = rest[n:]
			kept.snapshot(d, nothing)
			var restored Restored
			d, restored = load(t, twoRules(), kept)
			assert.Empty(t, restored.Anew)
			assert.Empty(t, restored.Unused)
			again := saved(d)
			require.Empty(t, kept.differences(again))
			kept = again
		}
		require.Equal(t, straight.Fingerprint(), d.Fingerprint())
		require.Equal(t, want, got)
		require.Equal(t, straight.Stats(), d.Stats())
	}
}

// flood makes flows to many ports, regions and hosts, which need several shards.
func flood(from time.Time, n int, seed uint64) []flow.Flow {
	r := rand.New(rand.NewPCG(seed, 3))
	var flows []flow.Flow
	for i := range n {
		f := one(from.Add(time.Duration(i)*time.Second/4), fmt.Sprint("ws-", r.IntN(3000)), uint16(1+r.IntN(9000)), fmt.Sprint("region ", r.IntN(50)), 1000+r.Int64N(1e6))
		f.Source = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		if r.IntN(5) == 0 {
			f.Host = ""
		}
		flows = append(flows, f)
	}
	return flows
}

func manyEntities(limit int) Settings {
	s := twoRules()
	for i := range s.Watches {
		s.Watches[i].MaxEntities = limit
	}
	return s
}

// Given a detector that goes on while its snapshot is written, with new entities, evictions and windows that
// close, then the snapshot is of the moment at which it was taken.
func TestASnapshotIsOfOneMoment(t *testing.T) {
	for name, c := range map[string]struct {
		limit int
		from  time.Duration // when the flows begin that come while the snapshot is written
	}{
		"the same window goes on":           {100_000, 0},
		"flows come for the next window":    {100_000, time.Hour},
		"the window closes":                 {100_000, 2*time.Hour + 50*time.Minute},
		"entities are evicted":              {6_000, 0},
		"entities are evicted in the next":  {6_000, 3 * time.Hour},
		"several windows close in one step": {100_000, 30 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDetector(t, manyEntities(c.limit))
			run(t, d, flood(monday, 20_000, 1), 500)
			run(t, d, flood(monday.Add(9*time.Hour), 15_000, 2), 500)
			moment := d.Fingerprint()

			kept := shards{}
			meanwhile := flood(monday.Add(10*time.Hour+c.from), 20_000, 3)
			kept.snapshot(d, func() {
				n := min(900, len(meanwhile))
				run(t, d, meanwhile[:n], 300)
				meanwhile = meanwhile[n:]
			})
			assert.Greater(t, len(kept), 15, "it takes several shards")
			require.NotEqual(t, moment, d.Fingerprint())
			resumed, restored := load(t, manyEntities(c.limit), kept)
			assert.Empty(t, restored.Anew)
			assert.Equal(t, moment, resumed.Fingerprint())

			// Whatever has changed meanwhile is in the next one.
			now := d.Fingerprint()
			kept.snapshot(d, nothing)
			resumed, _ = load(t, manyEntities(c.limit), kept)
			assert.Equal(t, now, resumed.Fingerprint())
		})
	}
}

func TestWhatHasNotChangedIsNotWrittenAgain(t *testing.T) {
	d := newDetector(t, manyEntities(100_000))
	run(t, d, flood(monday, 30_000, 1), 500)
	kept := shards{}
	assert.Zero(t, kept.snapshot(d, nothing))
	pages := 0
	for name := range kept {
		if strings.HasPrefix(name, entitiesPrefix) {
			pages++
		}
	}
	assert.Equal(t, pages, kept.snapshot(d, nothing), "entities change when they are met and when windows close")

	before := d.Fingerprint()
	n := d.Snapshot()
	n.Release(false)
	assert.Zero(t, kept.snapshot(d, nothing), "what was not kept is written again")
	resumed, _ := load(t, manyEntities(100_000), kept)
	assert.Equal(t, before, resumed.Fingerprint())
}

func TestADetectorThatHasSeenNothingIsSaved(t *testing.T) {
	d, restored := load(t, twoRules(), saved(newDetector(t, twoRules())))
	assert.Zero(t, restored)
	assert.Equal(t, newDetector(t, twoRules()).Fingerprint(), d.Fingerprint())
	assert.Equal(t, run(t, newDetector(t, twoRules()), eventful(), 100), run(t, d, eventful(), 100))

	d, restored = load(t, twoRules(), shards{})
	assert.Zero(t, restored)
	assert.Equal(t, run(t, newDetector(t, twoRules()), eventful(), 100), run(t, d, eventful(), 100))
}

// resumeWith runs the office for two weeks, loads what it has learned with other settings, and goes on with
// a week in which something happens.
func resumeWith(t *testing.T, settings Settings, lost []string, happens ...flow.Flow) (*Detector, Restored, []Finding) {
	t.Helper()
	d := newDetector(t, twoRules())
	run(t, d, office(8, monday, 14), 100)
	d, restored := load(t, settings, saved(d), lost...)
	flows := append(office(9, monday.AddDate(0, 0, 14), 6), happens...)
	sortByTime(flows)
	return d, restored, run(t, d, flows, 100)
}

// theft is one to a new port, of a size that always alerts.
func theft() []flow.Flow {
	return within(monday.AddDate(0, 0, 15).Add(13*time.Hour), time.Hour, 60, "ws-c", 4444, "California", 900e6)
}

func TestASavedStateServesOtherSettings(t *testing.T) {
	t.Run("a rule less", func(t *testing.T) {
		s := twoRules()
		s.Watches = s.Watches[1:]
		_, restored, found := resumeWith(t, s, nil, within(monday.AddDate(0, 0, 15).Add(13*time.Hour), time.Hour, 60, "ws-c", 443, "Oslo", 900e6)...)
		assert.NotEmpty(t, found)
		assert.Len(t, restored.Unused, 2, "the port, and host × port: %v", restored.Unused)
		assert.Empty(t, restored.Anew)
	})
	t.Run("a rule more learns first, and the others go on", func(t *testing.T) {
		s := twoRules()
		s.Watches = append(s.Watches, Watch{Rule: "country", By: []flow.Field{flow.DestinationCountry}, Spans: s.Watches[0].Spans,
			Threshold: 75, Budget: 1, MinBytes: 1 << 20, MaxEntities: 1000})
		abroad := theft()
		for i := range abroad {
			abroad[i].Place.Country = "NO"
		}
		_, restored, found := resumeWith(t, s, nil, abroad...)
		assert.Equal(t, []string{"[destination.geo.country_iso_code] of country, 3h0m0s"}, restored.Anew)
		assert.Contains(t, rulesOf(found), "port")
		assert.NotContains(t, rulesOf(found), "country", "a country that is new to a rule that is new")
	})
	t.Run("a span more begins to learn, and the other goes on", func(t *testing.T) {
		s := twoRules()
		for i := range s.Watches {
			s.Watches[i].Spans = []time.Duration{3 * time.Hour, 24 * time.Hour}
		}
		_, _, found := resumeWith(t, s, nil, theft()...)
		require.NotEmpty(t, found)
		for _, f := range found {
			assert.Equal(t, 3*time.Hour, f.Span)
		}
	})
	t.Run("a span less", func(t *testing.T) {
		s := twoRules()
		for i := range s.Watches {
			s.Watches[i].Spans = []time.Duration{6 * time.Hour}
		}
		_, restored, found := resumeWith(t, s, nil, theft()...)
		assert.Equal(t, []string{"all of 3h0m0s"}, restored.Unused)
		assert.Empty(t, found, "all begins anew")
	})
	t.Run("another threshold holds from the open window on", func(t *testing.T) {
		s := twoRules()
		for i := range s.Watches {
			s.Watches[i].MinBytes = 1 << 50
		}
		_, _, found := resumeWith(t, s, nil, theft()...)
		assert.Empty(t, found)
	})
	t.Run("less room keeps what there is room for", func(t *testing.T) {
		s := manyEntities(5)
		d, restored, _ := resumeWith(t, s, nil, theft()...)
		assert.Empty(t, restored.Anew)
		assert.LessOrEqual(t, d.Stats().Keys, 5*(5+1))
		assert.Equal(t, 25, restored.Entities)
	})
}

func rulesOf(found []Finding) (rules []string) {
	for _, f := range found {
		rules = append(rules, f.Rule)
	}
	return rules
}

func TestWhatIsLostBeginsToLearnAndTheRestGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		lost []string
		anew int // keys that begin to learn again
		// whether the theft to a new port is found, and whether a theft through a known one is
		unknown, known bool
	}{
		"nothing":             {nil, 0, true, true},
		"a page of ports":     {[]string{pageShard(entitiesPrefix, 0, 0)}, 1, false, false},
		"all about ports":     {[]string{spaceShard(0)}, 1, false, false},
		"all about regions":   {[]string{spaceShard(1)}, 1, true, true},
		"sums":                {[]string{pageShard(sumsPrefix[0], 0, 0), pageShard(sumsPrefix[0], 1, 0), pageShard(sumsPrefix[1], 0, 0)}, 0, true, true},
		"host × port":         {[]string{spaceShard(2), pageShard(entitiesPrefix, 3, 0)}, 2, true, true},
		"everything but that": {[]string{spaceShard(1), spaceShard(2), pageShard(entitiesPrefix, 3, 0), spaceShard(4), pageShard(sumsPrefix[0], 1, 0)}, 4, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			known := within(monday.AddDate(0, 0, 16).Add(13*time.Hour), time.Hour, 60, "ws-c", 8443, "California", 20e9)
			_, restored, found := resumeWith(t, twoRules(), c.lost, append(theft(), known...)...)
			assert.Len(t, restored.Anew, c.anew, "%v", restored.Anew)
			assert.Equal(t, c.unknown, slices.ContainsFunc(found, func(f Finding) bool { return f.Values[0] == "4444" && f.DetailFields == nil }))
			assert.Equal(t, c.known, slices.ContainsFunc(found, func(f Finding) bool { return f.Values[0] == "8443" && f.DetailFields == nil }))
			assert.LessOrEqual(t, len(found), 20, "what is lost raises no alarm when it is met again")
			for _, f := range found {
				assert.Contains(t, []string{"4444", "8443", "California"}, f.Values[0], "%v", f)
			}
		})
	}
}

func TestAStateThatCannotBeReadLeavesTheDetectorAsNew(t *testing.T) {
	d := newDetector(t, twoRules())
	run(t, d, office(8, monday, 3), 100)
	kept := saved(d)
	kept[detectorShard][0] = 2
	fresh := newDetector(t, twoRules())
	restored, err := kept.load(fresh)
	require.ErrorIs(t, err, codec.ErrMalformed)
	assert.Contains(t, err.Error(), "version 2")
	assert.Zero(t, restored)
	restored, err = kept.load(fresh, detectorShard)
	require.NoError(t, err)
	assert.Zero(t, restored)
	assert.Equal(t, newDetector(t, twoRules()).Fingerprint(), fresh.Fingerprint())
	assert.Equal(t, run(t, newDetector(t, twoRules()), eventful(), 100), run(t, fresh, eventful(), 100))
}

// Whatever is in the shards, a detector loads it or says that it cannot, and goes on.
func FuzzLoad(f *testing.F) {
	settings := manyEntities(40) // so few that there are ghosts
	d, err := New(settings)
	require.NoError(f, err)
	run(f, d, office(8, monday, 9), 100)
	run(f, d, within(monday.AddDate(0, 0, 9).Add(9*time.Hour), 2*time.Hour, 60, "", 4444, "Oslo", 900e6), 100)
	run(f, d, within(monday.AddDate(0, 0, 9).Add(time.Hour), time.Hour, 60, "", 5555, "Oslo", 900e6), 100) // a backlog
	require.NotZero(f, d.Stats().Ghosts)
	require.NotZero(f, d.Stats().Missed)
	kept := saved(d)
	names := slices.Sorted(maps.Keys(kept))
	for i, name := range names {
		f.Add(i, kept[name])
		f.Add(i, kept[name][:len(kept[name])/2])
	}
	after := within(monday.AddDate(0, 0, 10), 9*time.Hour, 90, "ws-c", 443, "Hesse", 900e6)
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		changed := maps.Clone(kept)
		changed[names[uint(which)%uint(len(names))]] = data
		d := newDetector(t, settings)
		if _, err := changed.load(d); err != nil {
			require.ErrorIs(t, err, codec.ErrMalformed)
		}
		run(t, d, after, 10)
		_, _ = load(t, settings, saved(d))
	})
}
