package observer

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/pseudonym"
	"github.com/otel-exfil/exfil/internal/rule"
)

// stolen is a theft in which everything has a name.
func stolen(at time.Time) flow.Record {
	r := outbound(at, 4444, 800_000_000)
	r.Source, r.Destination = netip.MustParseAddr("10.9.8.7"), netip.MustParseAddr("203.0.113.77")
	r.Host, r.User, r.Process = "ws-mallory", "mallory", "rclone-copy"
	r.ID = flow.ID{Text: "1:LQU9qZlK+B5F3KDmev6m5PMibrg="}
	r.DestinationPlace = flow.Place{Region: "Victoria", Country: "AU"}
	return r
}

// text is all that waits to be told, as it leaves.
func (b *bench) text() string {
	b.t.Helper()
	ld, _ := b.Alerts()
	text, err := new(plog.JSONMarshaler).MarshalLogs(ld)
	require.NoError(b.t, err)
	return string(text)
}

// stored is all that is kept over a restart.
func (b *bench) stored() string {
	b.t.Helper()
	kept := shards{}
	kept.snapshot(b.t, b.Observer)
	var all strings.Builder
	for _, shard := range kept {
		all.Write(shard)
	}
	return all.String()
}

// everyName is what a stolen flow could be told by, the addresses also as they are stored.
func everyName() map[string][]string {
	return map[string][]string{
		"source.address":      {"10.9.8.7", "\x0a\x09\x08\x07"},
		"host.name":           {"ws-mallory"},
		"user.name":           {`"mallory"`, "\x07mallory"},
		"process.name":        {"rclone-copy"},
		"destination.address": {"203.0.113.77", "\xcb\x00\x71\x4d"},
		"country":             {`"AU"`, "\x02AU"},
		"flow_ids":            {"1:LQU9"},
	}
}

// Given a list of fields, then of all the names of a theft only those are told that are listed or the entity's own, in every
// schema, and only those are stored while the window is open and the alert waits.
func TestWhatIsNotListedIsNeitherToldNorStored(t *testing.T) {
	for _, schema := range alert.Schemas() {
		for _, c := range []struct {
			fields []string
			ids    int
			named  []string
		}{
			{[]string{"source.address", "host.name", "user.name", "process.name", "destination.address", "country"}, 5,
				[]string{"source.address", "host.name", "user.name", "process.name", "destination.address", "country", "flow_ids"}},
			{[]string{}, 0, []string{"host.name"}}, // host × port is a key that is watched, and so an entity
			{[]string{"host.name", "user.name"}, 0, []string{"host.name", "user.name"}},
			{[]string{"destination.address"}, 5, []string{"host.name", "destination.address"}}, // the id would tell the source
		} {
			b := newBench(t, func(cfg *config.Config) {
				cfg.Alerts.Schema = schema
				cfg.Contributors.Fields, cfg.Contributors.FlowIDs = c.fields, c.ids
			})
			b.days(2)
			b.deliver(stolen(b.now))
			require.Contains(t, b.text(), "4444")
			told, stored := b.text(), b.stored()
			for field, names := range everyName() {
				said := false
				for _, name := range names {
					said = said || strings.Contains(told, name) || strings.Contains(stored, name)
				}
				assert.Equal(t, slices.Contains(c.named, field), said, "%s of %v in %s", field, c.fields, schema)
			}
		}
	}
}

// Given a state of a time when all was kept, in which an alert waits, then what is not listed any more is gone from it.
func TestWhatIsNotListedAnyMoreIsForgotten(t *testing.T) {
	b := newBench(t, same)
	b.days(2)
	b.deliver(stolen(b.now))
	kept := shards{}
	kept.snapshot(t, b.Observer)
	require.Contains(t, string(bytes.Join(slices.Collect(maps.Values(kept)), nil)), "rclone-copy")

	next := newBench(t, func(cfg *config.Config) { cfg.Contributors.Fields, cfg.Contributors.FlowIDs = []string{}, 0 })
	next.now = b.now
	_, err := kept.load(t, next.Observer, true)
	require.NoError(t, err)
	require.Contains(t, next.text(), "4444", "the alert still waits")
	told, stored := next.text(), next.stored()
	for _, name := range []string{"rclone-copy", `"mallory"`, "10.9.8.7", "203.0.113.77", "\xcb\x00\x71\x4d", "1:LQU9"} {
		assert.NotContains(t, told, name)
		assert.NotContains(t, stored, name)
	}
}

const salt = "a salt that is long enough"

// hashAll hashes whatever can be.
func hashAll(cfg *config.Config) {
	cfg.Contributors.Hash = config.Hash{
		Fields: []string{"source.address", "host.name", "user.name", "process.name", "destination.address"}, Salt: salt,
	}
}

// Given hashes of names, then nothing is told or stored in clear, entities included, in every schema; who has the salt finds
// the hashes of those he looks for.
func TestWhatIsHashedIsNeitherToldNorStoredInClear(t *testing.T) {
	on := true
	for _, schema := range alert.Schemas() {
		b := newBench(t, func(cfg *config.Config) {
			hashAll(cfg)
			cfg.Alerts.Schema = schema
			cfg.Rules = map[string]rule.Override{
				"unusual_destination_ip": {Enabled: &on},
				"by_host":                {By: []string{"host.name"}},
				"by_user_and_program":    {By: []string{"user.name", "process.name"}},
			}
		})
		b.days(2)
		b.deliver(stolen(b.now))
		told, stored := b.text(), b.stored()
		for field, names := range everyName() {
			for _, name := range names {
				assert.NotContains(t, told+stored, name, "%s in %s", field, schema)
			}
		}
		for _, name := range []string{"ws-1", "10.1.2.3", "198.51.100.7", "\x0a\x01\x02\x03", "\xc6\x33\x64\x07"} {
			assert.NotContains(t, stored, name, "of the days before")
		}
		hashes := pseudonym.New(pseudonym.Fields(), salt)
		for _, name := range []string{"ws-mallory", "mallory", "rclone-copy", "10.9.8.7", "203.0.113.77"} {
			assert.Contains(t, told, hashes.Name(flow.User, name), "%s in %s", name, schema)
		}
		assert.NotContains(t, stored, salt)
	}
}

// Given a state in clear, in which an alert waits, when hashing begins, then all of it is hashed: what was learned goes on, and what
// has alerted is held back as before.
func TestAStateInClearIsHashedWhenHashingBegins(t *testing.T) {
	byHost := func(cfg *config.Config) { cfg.Rules = map[string]rule.Override{"by_host": {By: []string{"host.name"}}} }
	b := newBench(t, byHost)
	b.days(2)
	theft := stolen(b.now)
	nameless := outbound(b.now, 443, 3000)
	nameless.Host, nameless.Source = "", netip.MustParseAddr("10.77.77.77")
	b.deliver(nameless, theft)
	kept := shards{}
	kept.snapshot(t, b.Observer)
	alerts := b.Pending()
	require.NotZero(t, alerts)

	next := newBench(t, func(cfg *config.Config) { byHost(cfg); hashAll(cfg) })
	next.now = b.now
	restored, err := kept.load(t, next.Observer, true)
	require.NoError(t, err)
	assert.Empty(t, restored.Anew)
	assert.Equal(t, b.Stats().Detector.Keys, next.Stats().Detector.Keys)
	assert.Equal(t, alerts, next.Pending())

	again, otherNameless := theft, nameless
	again.Time += int64(time.Minute)
	otherNameless.Time += int64(time.Minute)
	next.deliver(again, otherNameless)
	assert.Equal(t, b.Stats().Detector.Keys, next.Stats().Detector.Keys, "nobody is new under his hash")
	assert.Equal(t, alerts, next.Pending(), "and nothing is told twice")
	told, stored := next.text(), next.stored()
	for _, name := range []string{
		"ws-mallory", "ws-1", `"mallory"`, "\x07mallory", "rclone-copy", "10.9.8.7", "10.77.77.77", "203.0.113.77", "\xcb\x00\x71\x4d",
		"\x0a\x09\x08\x07", "\x0a\x4d\x4d\x4d", "1:LQU9",
	} {
		assert.NotContains(t, told, name)
		assert.NotContains(t, stored, name)
	}
	assert.Contains(t, told, pseudonym.New(pseudonym.Fields(), salt).Name(flow.Host, "ws-mallory"))
}

func TestHashingAllocatesNothingInTheSteadyState(t *testing.T) {
	b := newBench(t, func(cfg *config.Config) { hashAll(cfg); cfg.MinBytes = 1 << 60 })
	var records []flow.Record
	for i := range 200 {
		r := outbound(b.now, uint16(1+i%40), 1000)
		r.Host, r.User = fmt.Sprint("ws-", i%7), fmt.Sprint("user-", i%5)
		records = append(records, r)
	}
	ld := b.logs(records...)
	step := func() { b.Commit(b.Decode(ld)) }
	step()
	// A pool may let go of what it holds at any time, and under the race detector does so on purpose.
	assert.Less(t, testing.AllocsPerRun(100, step)/float64(len(records)), 0.1)
}
