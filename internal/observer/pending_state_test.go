package observer

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/codec"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/geo"
	"github.com/otel-exfil/exfil/internal/rule"
)

// saver is what writes a state, loader what reads it.
type saver interface {
	note() (save func(w *codec.Writer))
}
type loader interface{ load(r *codec.Reader) error }

func bytesOf(s saver) []byte {
	var w codec.Writer
	s.note()(&w)
	return w.Data
}

func restore(t testing.TB, from saver, to loader) {
	t.Helper()
	r := codec.NewReader(bytesOf(from))
	require.NoError(t, to.load(r))
	require.NoError(t, r.End())
}

// refuses says that nothing but the whole of a state is read, and leaves what it was to be read into as new.
func refuses(t *testing.T, whole []byte, to interface {
	saver
	loader
}) {
	t.Helper()
	fresh := bytesOf(to)
	for n := range whole {
		require.ErrorIs(t, to.load(codec.NewReader(whole[:n])), codec.ErrMalformed, "%d bytes", n)
	}
	later := append([]byte{whole[0] + 1}, whole[1:]...)
	require.ErrorContains(t, to.load(codec.NewReader(later)), fmt.Sprintf("of version %d; version", later[0]))
	assert.Equal(t, fresh, bytesOf(to))
}

// newPending is a queue whose alerts can be written.
func newPending(t testing.TB) *pending {
	t.Helper()
	w, err := alert.NewWriter(nil, alert.Options{})
	require.NoError(t, err)
	return &pending{writer: w}
}

// news is the n-th thing to tell.
func news(n int) alert.Alert {
	return alert.Health{Time: monday, Status: alert.DatabaseOld, Subject: strconv.Itoa(n)}
}

// subjects are what waits, in order.
func subjects(p *pending) (all []int) {
	for _, a := range p.queue {
		n, _ := strconv.Atoi(a.Alert.(alert.Health).Subject)
		all = append(all, n)
	}
	return all
}

func TestAlertsThatWaitAreDeliveredAfterARestart(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	b.days(3)
	b.deliver(outbound(b.now, 4444, 900_000_000))
	before, n := b.Alerts()
	require.Greater(t, n, 2)

	next := newBench(t, func(*config.Config) {})
	restore(t, &b.tenants.rest.pending, &next.tenants.rest.pending)
	after, m := next.Alerts()
	assert.Equal(t, n, m)
	assert.Equal(t, before, after, "the same records, as observed then")
	assert.EqualValues(t, n, next.Pending())
	next.Delivered(m)
	assert.Zero(t, next.Pending())
}

func TestWaitingAlertsKeepTheirOrderAndTheirBound(t *testing.T) {
	p := newPending(t)
	for n := range maxPending + 7 {
		p.push(news(n), monday)
	}
	next := newPending(t)
	next.push(news(5000), monday)
	restore(t, p, next)
	waiting := subjects(next)
	require.Len(t, waiting, maxPending)
	for n := range maxPending {
		assert.Equal(t, n, waiting[n], "the oldest stay, in their order")
	}
	assert.EqualValues(t, 7+1, next.dropped.Load())
	assert.EqualValues(t, maxPending, next.waiting.Load())

	few := newPending(t)
	few.push(news(1), monday)
	other := newPending(t)
	other.push(news(2), monday)
	restore(t, few, other)
	assert.Equal(t, []int{1, 2}, subjects(other), "what waited before the restart comes first")

	nobody := newPending(t)
	nobody.discards = true
	restore(t, p, nobody)
	assert.Zero(t, nobody.waiting.Load())
}

func TestWaitingAlertsThatCannotBeRead(t *testing.T) {
	p := newPending(t)
	p.push(news(1), monday)
	refuses(t, bytesOf(p), newPending(t))
	var w codec.Writer
	w.Uint(1)
	w.Int(-1)
	w.Uint(0)
	require.ErrorContains(t, newPending(t).load(codec.NewReader(w.Data)), "-1 where a count belongs")
}

func FuzzLoadPending(f *testing.F) {
	p := newPending(f)
	p.push(news(1), monday)
	p.push(alert.Overflow{Start: monday, End: monday.Add(time.Hour), Alerts: 3}, monday)
	p.push(alert.Suppression{Rule: "unusual_region", Windows: 3, DryRun: true}, monday)
	f.Add(bytesOf(p))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := newPending(t)
		if p.load(codec.NewReader(data)) != nil {
			return
		}
		p.push(news(1), monday)
		if ld, n := p.logs(); ld.LogRecordCount() != n {
			t.Fatalf("%d records of %d alerts", ld.LogRecordCount(), n)
		}
		restore(t, p, newPending(t))
	})
}

func TestWhatWasDecidedIsRememberedAfterARestart(t *testing.T) {
	b := newBench(t, func(*config.Config) {})
	b.days(3)
	theft := outbound(b.now, 4444, 900_000_000)
	b.deliver(theft)
	require.Positive(t, b.Stats().Alerts["unusual_destination_port"])

	next := newBench(t, func(*config.Config) {})
	next.now = b.now
	restore(t, b.tenants.rest.judge, next.tenants.rest.judge)
	assert.Equal(t, b.Stats().Alerts, next.Stats().Alerts)
	assert.Equal(t, bytesOf(b.tenants.rest.judge), bytesOf(next.tenants.rest.judge))

	// A rule that is no more has no place for its count.
	off := false
	without := newBench(t, func(cfg *config.Config) {
		cfg.Rules = map[string]rule.Override{"unusual_destination_port": {Enabled: &off}}
	})
	restore(t, b.tenants.rest.judge, without.tenants.rest.judge)
	assert.NotContains(t, without.Stats().Alerts, "unusual_destination_port")
	refuses(t, bytesOf(b.tenants.rest.judge), newBench(t, func(*config.Config) {}).tenants.rest.judge)
}

// Event time that a clock once ran ahead with neither fills intervals to come nor ends them.
func TestEventTimeIsNoFurtherThanTheClockAllows(t *testing.T) {
	cfg := config.Default()
	cfg.Alerts.MaxPerInterval = 1
	rules, err := cfg.EnabledRules()
	require.NoError(t, err)
	j := newJudge(cfg, rules, newPending(t), beginning)
	j.pass(monday.AddDate(1, 0, 0), monday)
	var found []detector.Finding
	for k := range 2 {
		f := finding(k)
		f.Time = monday.Add(cfg.MaxClockSkew)
		found = append(found, f)
	}
	j.findings(found, monday)
	require.Len(t, j.queue.queue, 1)
	later := monday.Add(cfg.Alerts.Interval)
	j.pass(later, later)
	require.Len(t, j.queue.queue, 2, "the interval ends as ever")
	assert.IsType(t, alert.Overflow{}, j.queue.queue[1].Alert)
}

func TestARuleThatGoesLiveIsCountedOn(t *testing.T) {
	on := true
	cfg := config.Default()
	cfg.Rules = map[string]rule.Override{"unusual_destination_port": {DryRun: &on}}
	rules, err := cfg.EnabledRules()
	require.NoError(t, err)
	j := newJudge(cfg, rules, newPending(t), beginning)
	f := finding(1)
	f.Rule = "unusual_destination_port"
	j.findings([]detector.Finding{f}, monday)
	live, dryRun := j.stats()
	assert.Equal(t, decisions{"unusual_destination_port": 0, "unusual_region": 0}, live.alerts)
	assert.Equal(t, decisions{"unusual_destination_port": 1}, dryRun.alerts)

	cfg.Rules = nil
	rules, err = cfg.EnabledRules()
	require.NoError(t, err)
	j.follow(cfg, rules)
	j.findings([]detector.Finding{f}, monday)
	live, dryRun = j.stats()
	assert.EqualValues(t, 1, live.alerts["unusual_destination_port"], "what was told in the dry run holds nothing back")
	assert.EqualValues(t, 1, dryRun.alerts["unusual_destination_port"], "a counter does not fall")

	next := newJudge(cfg, rules, newPending(t), beginning)
	restore(t, j, next)
	again, _ := next.stats()
	assert.Equal(t, live, again)
}

// beginning is a clock that stands still.
func beginning() time.Time { return monday }

func FuzzLoadJudge(f *testing.F) {
	cfg := config.Default()
	rules, err := cfg.EnabledRules()
	require.NoError(f, err)
	f.Add(bytesOf(newJudge(cfg, rules, newPending(f), beginning)))
	f.Fuzz(func(t *testing.T, data []byte) {
		j := newJudge(cfg, rules, newPending(t), beginning)
		if j.load(codec.NewReader(data)) == nil {
			restore(t, j, newJudge(cfg, rules, newPending(t), beginning))
		}
		j.pass(monday, monday)
	})
}

// What was told of the detection's health is not told again, and event time runs on as if there had been no restart.
func TestHealthIsNotToldAgainAfterARestart(t *testing.T) {
	old := []geo.Source{{Key: "geo.database", Path: "/a.mmdb", Built: monday.Add(-2 * staleAfter)}}
	stats := detector.Stats{Newest: monday, Began: monday, State: detector.Learning}
	never, restarted := &health{lasts: time.Hour}, &health{lasts: time.Hour}
	ask := func(h *health, now time.Time) (told []alert.Health, eventTime time.Time) {
		told = append(h.warmUp(&stats), h.databases(old, now)...)
		return told, h.eventTime(stats.Newest, now)
	}
	total := 0
	for life := range 5 {
		now := monday.Add(time.Duration(life) * 40 * time.Minute)
		if life == 2 {
			stats.State, stats.ReadyAt = detector.Ready, monday.Add(time.Hour)
		}
		if life == 3 {
			stats.Newest = monday.Add(90 * time.Minute)
		}
		told, at := ask(never, now)
		again, atAgain := ask(restarted, now)
		assert.Equal(t, told, again, "life %d", life)
		assert.Equal(t, at, atAgain)
		total += len(told)
		next := &health{lasts: time.Hour}
		restore(t, restarted, next)
		restarted = next
		assert.Equal(t, bytesOf(never), bytesOf(restarted))
	}
	assert.Equal(t, 3, total, "warming up, an old database, ready")
	refuses(t, bytesOf(never), &health{})
}

func FuzzLoadHealth(f *testing.F) {
	f.Add(bytesOf(&health{}))
	f.Add(bytesOf(&health{warming: true, newest: monday, since: monday, stale: map[string]time.Time{"/a": monday}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &health{}
		if h.load(codec.NewReader(data)) == nil {
			restore(t, h, &health{})
		}
		h.eventTime(monday, monday)
	})
}
