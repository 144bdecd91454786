package observer

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
)

// resumed is another bench of a configuration that goes on from what one knows, at the same time.
func resumed(t *testing.T, b *bench, change func(cfg *config.Config), lost ...string) *bench {
	t.Helper()
	kept := shards{}
	kept.snapshot(t, b.Observer)
	next := newBench(t, change)
	next.now = b.now
	_, err := kept.load(t, next.Observer, true, lost...)
	require.NoError(t, err)
	return next
}

// health are the events about the detection that wait of the tenant without a name.
func (b *bench) health() []string { return b.told() }

// Given three tenants, one of whom has no name, with alerts that wait, connections and suppressions, when they are saved and loaded,
// at any time, then they go on as if nothing had happened.
func TestTenantsGoOnWhereTheyWere(t *testing.T) {
	names := []string{"red", "blue", ""}
	straight, restarted := newBench(t, byResource), newBench(t, byResource)
	step := func(work func(b *bench)) {
		t.Helper()
		work(straight)
		work(restarted)
		restarted = resumed(t, restarted, byResource)
		require.EqualValues(t, 2, restarted.Stats().Tenants)
		require.Equal(t, straight.Pending(), restarted.Pending())
		for _, name := range names {
			was, is := straight.tenant(name), restarted.tenant(name)
			require.Equal(t, was.detector.Fingerprint(), is.detector.Fingerprint(), name)
			require.Equal(t, bytesOf(was.judge), bytesOf(is.judge), name)
			require.Equal(t, bytesOf(&was.pending), bytesOf(&is.pending), name)
			require.Equal(t, bytesOf(&was.health), bytesOf(&is.health), name)
			require.Equal(t, was.totals.size(), is.totals.size(), name)
		}
	}
	connection := func(b *bench, bytes int64) {
		for i, name := range names {
			r := outbound(b.now, 443, bytes*int64(1+i))
			r.Total = 7
			b.hear(name, r)
		}
	}
	step(func(b *bench) { b.live(2, nil, names...) })
	step(func(b *bench) { connection(b, 5_000) })
	step(func(b *bench) { connection(b, 6_000) })
	step(func(b *bench) { b.hear("red", outbound(b.now, 4444, 800_000_000)) })
	step(func(b *bench) { b.hear("blue", outbound(b.now, 5555, 700_000_000)) })
	assert.Equal(t, straight.collected(), restarted.collected())
	step(func(b *bench) { b.hear("red", outbound(b.now, 4444, 800_000_000)) })
	step(func(b *bench) { b.live(1, nil, names...) })
	assert.Equal(t, straight.collected(), restarted.collected())
}

// Given a state of all traffic as one, when tenants are told apart from then on, or the other way round, or by something else, then
// what it says fits nobody: that is told, and everybody begins to learn.
func TestAStateThatTellsOthersApartIsLearnedAnew(t *testing.T) {
	byClient := func(cfg *config.Config) { cfg.PartitionBy = &config.PartitionBy{ClientMetadata: tenantKey} }
	for name, c := range map[string]struct {
		before, after func(cfg *config.Config)
		says          string
	}{
		"tenants from now on":  {same, byResource, "The state is of all traffic as one, and now tenants are told apart by resource_attribute tenant.id; what is usual is learned anew."},
		"no tenants any more":  {byResource, same, "The state is of tenants by resource_attribute tenant.id, and now all traffic is one; what is usual is learned anew."},
		"tenants by something": {byResource, byClient, "The state is of tenants by resource_attribute tenant.id, and now tenants are told apart by client_metadata tenant.id; what is usual is learned anew."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.before)
			b.live(2, nil, "red")
			next := resumed(t, b, c.after)
			assert.Zero(t, next.Stats().Detector.Keys)
			assert.Zero(t, next.Stats().Tenants)
			assert.Equal(t, []string{"exfil.health state_lost"}, next.health())
			ld, _ := next.Alerts()
			detail, _ := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Attributes().Get("exfil.health.detail")
			assert.Equal(t, c.says, detail.Str())
			again := resumed(t, next, c.after)
			assert.Len(t, again.health(), 1, "and once")
		})
	}
}

// Given a state of more tenants than there may be now, then those who came first stay, and it is said that others are lost.
func TestOfMoreTenantsThanThereMayBeTheFirstStay(t *testing.T) {
	b := newBench(t, byResource)
	b.live(1, nil, "red", "blue", "green")
	next := resumed(t, b, func(cfg *config.Config) {
		byResource(cfg)
		cfg.MaxTenants = 1
	})
	assert.EqualValues(t, 1, next.Stats().Tenants)
	assert.Equal(t, b.tenant("red").detector.Fingerprint(), next.tenant("red").detector.Fingerprint())
	assert.Zero(t, next.tenant(flow.OverflowName).detector.Stats().Keys)
	ld, n := next.Alerts()
	require.Equal(t, 1, n)
	assert.Contains(t, ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().Str(),
		"max_tenants leaves no room for 2 tenants of the state")
}

// Where a shard that says whose the others are is lost, they are lost with it, and nobody else is.
func TestShardsOfNobodyAreLost(t *testing.T) {
	b := newBench(t, byResource)
	b.live(1, nil, "red", "blue")
	kept := shards{}
	kept.snapshot(t, b.Observer)
	next := newBench(t, byResource)
	_, err := kept.load(t, next.Observer, true, "tenants/00002")
	require.ErrorIs(t, err, codec.ErrMalformed)
	require.ErrorIs(t, err, errNobodys)
	assert.EqualValues(t, 1, next.Stats().Tenants)
	assert.Equal(t, b.tenant("blue").detector.Fingerprint(), next.tenant("blue").detector.Fingerprint())

	for name := range kept {
		broken := maps.Clone(kept)
		broken[name] = []byte("\xffgarbage")
		_, err := broken.load(t, newBench(t, byResource).Observer, true)
		require.ErrorIs(t, err, codec.ErrMalformed, name)
	}
	kept["tenants/0000"], kept["tenants/00001/of a later version"], kept["of one, too"] = nil, nil, nil
	last := newBench(t, byResource)
	_, err = kept.load(t, last.Observer, true)
	require.NoError(t, err, "what is not known is left alone")
	assert.Empty(t, last.health())
}

// Given an observer at work, when what an earlier one knew can be loaded at last, then it takes the place of what the tenants that it
// knows have learned; who came meanwhile stays.
func TestTenantsLoadedLateTakeTheirPlace(t *testing.T) {
	before := newBench(t, byResource)
	before.live(2, nil, "red", "blue")
	kept := shards{}
	kept.snapshot(t, before.Observer)

	b := newBench(t, byResource)
	b.now = before.now
	b.hear("green", outbound(b.now, 443, 5))
	b.hear("blue", outbound(b.now, 443, 5))
	green := b.tenant("green").detector.Fingerprint()
	batch := b.Decode(b.of("red", outbound(b.now, 443, 200_000))) // on its way meanwhile
	_, err := kept.load(t, b.Observer, false)
	require.NoError(t, err)
	for _, name := range []string{"red", "blue"} {
		assert.Equal(t, before.tenant(name).detector.Fingerprint(), b.tenant(name).detector.Fingerprint(), name)
	}
	assert.Equal(t, green, b.tenant("green").detector.Fingerprint())
	b.Commit(batch)
	before.hear("red", outbound(b.now, 443, 200_000))
	assert.Equal(t, before.tenant("red").detector.Fingerprint(), b.tenant("red").detector.Fingerprint())
}

// A tenant's shards stand together, and the name that says whose they are comes first.
func TestTheShardsOfTenants(t *testing.T) {
	b := newBench(t, byResource)
	b.live(1, nil, "red")
	kept := shards{}
	kept.snapshot(t, b.Observer)
	names := slices.Sorted(maps.Keys(kept))
	assert.Equal(t, "identity", names[0])
	for _, name := range names[1:] {
		assert.True(t, strings.HasPrefix(name, "tenants/0000"), name)
	}
	assert.Equal(t, []string{"tenants/00000", "tenants/00000/alerts"}, names[1:3])
	assert.Contains(t, names, "tenants/00002/detector/0")
}

func FuzzLoadTenant(f *testing.F) {
	var w codec.Writer
	(&tenant{shared: &shared{partition: partition{attribute: tenantKey}}}).saveName(&w)
	f.Add(w.Data)
	cfg := quick(byResource)
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := New(cfg, Settings{})
		require.NoError(t, err)
		l, err := o.Loader()
		require.NoError(t, err)
		if err := l.Visit("tenants/00007", data); err != nil {
			require.ErrorIs(t, err, codec.ErrMalformed)
		}
		_ = l.Visit("tenants/00007/alerts", data)
		l.Finish(true)
	})
}
