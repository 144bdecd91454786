package observer

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/geo/geotest"
	"github.com/otel-exfil/exfil/internal/rule"
)

// benchWith is a bench with one exception.
func benchWith(t *testing.T, x rule.ExceptionConfig) *bench {
	t.Helper()
	if x.Name == "" {
		x.Name = "known"
	}
	return newBench(t, func(cfg *config.Config) { cfg.Exceptions = []rule.ExceptionConfig{x} })
}

// theft is what every one of these tests is alarmed by as a rule.
func (b *bench) theft() flow.Record { return outbound(b.now, 4444, 800_000_000) }

// anomalies are the entities that alerts were about.
func anomalies(told []string) (subjects []string) {
	for _, event := range told {
		if rest, ok := strings.CutPrefix(event, "exfil.anomaly "); ok {
			subjects = append(subjects, rest)
		}
	}
	return subjects
}

func TestWhatSkipsAlertsIsWatchedAndSilent(t *testing.T) {
	b := benchWith(t, rule.ExceptionConfig{Match: rule.ExceptionMatchConfig{Ports: []any{"4000-4999"}}, Action: []string{rule.SkipAlert}})
	b.days(3)
	before := b.Stats()
	b.deliver(b.theft())
	assert.Empty(t, anomalies(b.told()))
	after := b.Stats()
	assert.Zero(t, after.Flows[Excepted], "it is learned from")
	assert.EqualValues(t, 800_000_000, after.Bytes-before.Bytes)
	assert.Greater(t, after.Entities["unusual_destination_port"], before.Entities["unusual_destination_port"])
	report := b.Exceptions()[0]
	assert.EqualValues(t, 1, report.Flows)
	assert.EqualValues(t, 800_000_000, report.Bytes)
}

func TestWhatSkipsLearningAlertsAsEver(t *testing.T) {
	b := benchWith(t, rule.ExceptionConfig{Match: rule.ExceptionMatchConfig{Ports: []any{4444}}, Action: []string{rule.SkipLearning}})
	b.days(3)
	b.deliver(b.theft())
	assert.Contains(t, anomalies(b.told()), "4444")
}

func TestAnExceptionOfOneRuleLeavesTheOthers(t *testing.T) {
	b := benchWith(t, rule.ExceptionConfig{
		Match: rule.ExceptionMatchConfig{Ports: []any{4444}}, Rules: []string{"unusual_destination_port"},
	})
	b.days(3)
	stolen := b.theft()
	stolen.DestinationPlace = flow.Place{Region: "Oslo", Country: "NO"}
	b.deliver(stolen)
	assert.Equal(t, []string{"Oslo"}, anomalies(b.told()))
	assert.Zero(t, b.Stats().Flows[Excepted], "a rule still watches it")
}

func TestExceptionsByAutonomousSystem(t *testing.T) {
	asn := t.TempDir() + "/asn.mmdb"
	require.NoError(t, geotest.WriteASN(asn, []geotest.Entry{{Network: "198.51.100.0/24", ASN: 64500, Organization: "Example Hosting"}}))
	for number, want := range map[any]int{64500: 0, "AS64501": 2} {
		b := newBench(t, func(cfg *config.Config) {
			cfg.Geo.ASNDatabase = asn
			cfg.Exceptions = []rule.ExceptionConfig{{Name: "host", Match: rule.ExceptionMatchConfig{ASNs: []any{number}}}}
		})
		b.days(3)
		stolen := b.theft()
		stolen.Destination, stolen.DestinationPlace = netip.MustParseAddr("198.51.100.9"), flow.Place{Region: "Oslo", Country: "NO"}
		b.deliver(stolen)
		assert.Len(t, anomalies(b.told()), want, "%v", number)
	}
}

func TestConditionsAskTheRecordThatAFlowIsOf(t *testing.T) {
	b := benchWith(t, rule.ExceptionConfig{Match: rule.ExceptionMatchConfig{Conditions: []string{`log.attributes["app"] == "backup"`}}})
	deliver := func(app string) {
		ld := b.logs(outbound(b.now, 443, 1000), outbound(b.now, 443, 2000))
		records := ld.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		records.At(1).Attributes().PutStr("app", app)
		b.Commit(b.Decode(ld))
	}
	deliver("browser")
	assert.Zero(t, b.Stats().Flows[Excepted])
	deliver("backup")
	assert.EqualValues(t, 1, b.Stats().Flows[Excepted])
	assert.EqualValues(t, 2000, b.Exceptions()[0].Bytes, "the second record of the batch")
}

// Given running totals, of which a record that repeats one brings nothing, then the exceptions of the flows behind it are
// theirs and not their neighbours'.
func TestExceptionsStayWithTheirFlows(t *testing.T) {
	b := benchWith(t, rule.ExceptionConfig{Match: rule.ExceptionMatchConfig{Ports: []any{873}}})
	total := outbound(b.now, 873, 5000)
	total.Total = 7
	b.deliver(total)
	b.deliver(total, outbound(b.now, 443, 100), outbound(b.now, 873, 200), outbound(b.now, 443, 300))
	report := b.Exceptions()[0]
	assert.EqualValues(t, 2, report.Flows)
	assert.EqualValues(t, 5200, report.Bytes)
	assert.EqualValues(t, 400, b.Stats().Bytes)
}

func TestAFileOfNetworksThatIsMissingStopsTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "partners.txt")
	cfg := quick(func(cfg *config.Config) {
		cfg.Exceptions = []rule.ExceptionConfig{{Name: "partners", Match: rule.ExceptionMatchConfig{NetworkFiles: []string{path}}}}
	})
	require.NoError(t, cfg.Validate(), "it may be validated elsewhere")
	o, err := New(cfg, Settings{Now: func() time.Time { return monday }})
	require.NoError(t, err)
	err = o.Start(t.Context())
	require.ErrorIs(t, err, rule.ErrNetworkFile)
	assert.ErrorContains(t, err, path)

	require.NoError(t, os.WriteFile(path, []byte("198.51.100.0/24\n"), 0o600))
	require.NoError(t, o.Start(t.Context()))
	require.NoError(t, o.Close())
}

// Given an exception that nobody uses and that ends in April, then its owner is warned as the days go by, once of each.
func TestExceptionsAreReviewedAsTimePasses(t *testing.T) {
	var april rule.Date
	require.NoError(t, april.UnmarshalText([]byte("2026-04-20")))
	b := benchWith(t, rule.ExceptionConfig{
		Name: "move", Owner: "ana", Reason: "the office moves", Expires: april, Match: rule.ExceptionMatchConfig{Ports: []any{873}},
	})
	var warned []string
	for range 24 * 60 {
		b.now = b.now.Add(time.Hour)
		b.Tick()
		for _, e := range b.log.TakeAll() {
			if e.Level == zap.WarnLevel {
				warned = append(warned, b.now.Format(time.DateOnly)+" "+e.Message)
				assert.Equal(t, "ana", e.ContextMap()["owner"])
				assert.Equal(t, "the office moves", e.ContextMap()["reason"])
			}
		}
	}
	assert.Equal(t, []string{
		"2026-04-01 An exception has matched nothing for 30 days; correct it or remove it",
		"2026-04-21 An exception has expired and matches nothing any more; renew it or remove it",
	}, warned)
}

// loads makes an observer know what another does, as after a restart.
func (b *bench) loads(before *bench) *Loader {
	b.t.Helper()
	l, err := b.Loader()
	require.NoError(b.t, err)
	snapshot := before.Snapshot()
	for {
		var w codec.Writer
		name, _, ok := snapshot.Next(&w)
		if !ok {
			break
		}
		require.NoError(b.t, l.Visit(name, w.Data))
	}
	snapshot.Release(true)
	l.Finish(true)
	return l
}

// Given a ceiling that is spent, then a restart does not renew it.
func TestARestartRenewsNoCeiling(t *testing.T) {
	ceiling := bytesize.Size(900_000_000)
	known := rule.ExceptionConfig{Match: rule.ExceptionMatchConfig{Ports: []any{873}}, MaxBytes: &ceiling}
	before, after := benchWith(t, known), benchWith(t, known)
	before.deliver(outbound(before.now, 873, 800_000_000))
	l := after.loads(before)
	after.deliver(outbound(after.now, 873, 800_000_000))
	assert.Zero(t, after.Stats().Flows[Excepted])
	assert.EqualValues(t, 1, after.Exceptions()[0].AboveFlows)
	assert.Error(t, l.Visit("exceptions", []byte{9}))
}
