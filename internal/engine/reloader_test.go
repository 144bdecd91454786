package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
	"github.com/otel-exfil/exfil/internal/rule"
)

// ruleFile is a rule file that a test changes.
type ruleFile struct {
	t    *testing.T
	path string
}

// says puts a file with that content in the file's place.
func (f *ruleFile) says(text string) {
	f.t.Helper()
	fresh := f.path + ".new"
	require.NoError(f.t, os.WriteFile(fresh, []byte(text), 0o600))
	require.NoError(f.t, os.Rename(fresh, f.path))
}

// following is a configuration that follows a rule file, which says text so far.
func following(t *testing.T, text string) (*config.Config, *ruleFile) {
	t.Helper()
	f := &ruleFile{t, filepath.Join(t.TempDir(), "rules.yaml")}
	f.says(text)
	cfg := enginetest.Quick()
	cfg.RuleFiles = []string{f.path}
	cfg.Geo.ReloadInterval = time.Minute
	return cfg, f
}

// reload lets so much time pass that what rule files say holds.
func (w *world) reload() {
	w.minute()
	w.minute()
}

// text is an attribute of an alert; "": it has none.
func text(lr plog.LogRecord, key string) string {
	v, ok := lr.Attributes().Get(key)
	if !ok {
		return ""
	}
	return v.AsString()
}

// Given a rule file that changes while the collector runs, then the next alert is of the rule as it is now, by baselines that
// know what they knew: the same bytes are usual.
func TestARuleFileThatChangesIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, file := following(t, "unusual_destination_port: {name: Before}")
		w := newWorld(t, cfg)
		defer w.shutdown()
		w.learn()
		before := w.instance.Stats()
		file.says("unusual_destination_port: {name: After, threshold: 60, severity: high}\nunusual_region: {enabled: false}")
		w.minute()
		assert.Contains(t, w.instance.Stats().Entities, "unusual_region", "not before the file has settled")
		w.minute()

		after := w.instance.Stats()
		assert.Equal(t, before.Entities["unusual_destination_port"], after.Entities["unusual_destination_port"])
		assert.NotContains(t, after.Entities, "unusual_region")
		w.consume(enginetest.ECS(enginetest.Theft(3)))
		require.Equal(t, []string{"4444"}, w.next.Anomalies())
		alert := w.next.Alerts()[len(w.next.Alerts())-1]
		assert.Equal(t, "After", text(alert, "security_rule.name"))
		assert.Equal(t, "60", text(alert, "exfil.rule.threshold"))
		assert.Equal(t, "high", alert.SeverityText())
		assert.Empty(t, w.log.All())
		assert.EqualValues(t, 0, ruleFileFailures(t, w))
	})
}

// Given a rule file in whose place garbage comes, or that goes away, then the rules stay as they were, each look is counted and
// logged, and a file that is right again is followed.
func TestAWrongRuleFileIsNotFollowed(t *testing.T) {
	for name, wrong := range map[string]string{
		"no YAML":             "\x00\x01{{{",
		"a rule of a name":    "unusual_destination_port: {thresold: 3}",
		"no score":            "unusual_destination_port: {threshold: 300}",
		"nothing":             "",
		"nothing to watch":    "unusual_destination_port: {enabled: false}\nunusual_region: {enabled: false}",
		"a window too short":  "unusual_destination_port: {windows: [1m]}",
		"a rule without a by": "mine: {threshold: 3}",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg, file := following(t, "unusual_destination_port: {name: Before}")
				w := newWorld(t, cfg)
				defer w.shutdown()
				w.learn()
				file.says(wrong)
				w.reload()
				assert.EqualValues(t, 2, ruleFileFailures(t, w))
				assert.Equal(t, 2, w.log.FilterMessageSnippet("the rules before stay in force").Len())
				w.consume(enginetest.ECS(enginetest.Theft(3)))
				require.NotEmpty(t, w.next.Anomalies())
				assert.Equal(t, "Before", text(w.next.Alerts()[len(w.next.Alerts())-1], "security_rule.name"))

				file.says("unusual_destination_port: {name: After, suppress_for: 0s}")
				w.reload()
				w.consume(enginetest.ECS(enginetest.Sent{At: enginetest.AfterDays(3).Add(time.Hour), Host: "ws-2", Port: 4445, Bytes: 900_000_000}))
				assert.Equal(t, "After", text(w.next.Alerts()[len(w.next.Alerts())-1], "security_rule.name"))
			})
		})
	}
}

// Given a file that is caught half way, valid but without most of its rules, when it is whole at the second look, then
// nothing was lost by it.
func TestAFileThatIsBeingWrittenCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := "people: {by: [host.name], min_bytes: 1kB}\nunusual_region: {threshold: 70}"
		cfg, file := following(t, whole)
		w := newWorld(t, cfg)
		defer w.shutdown()
		w.learn()
		before := w.instance.Stats().Entities["people"]
		require.Positive(t, before)
		file.says("unusual_region: {threshold: 70}")
		w.minute()
		file.says(whole)
		w.reload()
		assert.Equal(t, before, w.instance.Stats().Entities["people"])
		assert.EqualValues(t, 0, ruleFileFailures(t, w))
	})
}

// Given alerts that the next consumer refuses, when the rules change meanwhile, then those alerts tell of the rules by which they
// were decided.
func TestAlertsThatWaitTellOfTheirOwnRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, file := following(t, "unusual_destination_port: {name: Before}")
		w := newWorld(t, cfg)
		defer w.shutdown()
		w.learn()
		w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = enginetest.ErrRefused })
		w.consume(enginetest.ECS(enginetest.Theft(3)))
		file.says("unusual_destination_port: {name: After}")
		w.reload()
		file.says("unusual_destination_port: {name: Later}")
		w.reload()
		w.next.Set(func(d *enginetest.Downstream) { d.RefuseAlerts = nil })
		w.minute()
		var names []string
		for _, lr := range w.next.Alerts() {
			if text(lr, "exfil.rule.id") == "unusual_destination_port" {
				names = append(names, text(lr, "security_rule.name"))
			}
		}
		assert.Equal(t, []string{"Before"}, names)
	})
}

// Given a rule that comes while the collector runs, then it learns before it alerts, the others alert as before, and an exception for
// one of those holds for that one still.
func TestARuleThatComesLearnsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, file := following(t, "unusual_region: {threshold: 70}")
		cfg.Exceptions = []rule.ExceptionConfig{{Name: "known to one rule", Rules: []string{"unusual_region"}, Match: rule.ExceptionMatchConfig{Ports: []any{4444}}}}
		w := newWorld(t, cfg)
		defer w.shutdown()
		w.learn()
		file.says("a_rule_of_hosts: {by: [host.name]}\nunusual_region: {threshold: 70}")
		w.reload()
		w.consume(enginetest.ECS(enginetest.Theft(3)))
		assert.Equal(t, []string{"4444"}, w.next.Anomalies())
		assert.Positive(t, w.instance.Stats().Entities["a_rule_of_hosts"])
	})
}

// Given rules that change while batches come from all sides and checkpoints are written, then every byte is counted once, and
// what is stored is loaded again.
func TestRulesChangeUnderLoad(t *testing.T) {
	s := newShelf()
	cfg, file := following(t, "unusual_region: {threshold: 70}")
	cfg.Storage, cfg.CheckpointInterval = &storageID, time.Second
	cfg.Geo.ReloadInterval = time.Second
	w := life(t, cfg, s)
	w.learn()
	before := w.instance.Stats().Bytes

	const senders, batches = 4, 100
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for i := range batches {
				at := enginetest.AfterDays(3).Add(time.Duration(i) * 20 * time.Second)
				host := fmt.Sprintf("ws-%d", 1+sender)
				deliver(context.Background(), w.instance, enginetest.ECS(enginetest.Sent{At: at, Host: host, Port: 443, Bytes: 1000}))
			}
		})
	}
	changing, stop := context.WithCancel(context.Background())
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := 0; changing.Err() == nil; i++ {
			file.says(fmt.Sprintf("unusual_region: {threshold: %d}\npeople_%d: {by: [host.name]}", 60+i%30, i%3))
			for range 4 {
				w.clock.Advance(2 * time.Second)
				w.tick()
			}
		}
	})
	all.Wait()
	stop()
	changes.Wait()
	require.Eventually(t, func() bool { // the rules that the file names last
		w.clock.Advance(2 * time.Second)
		w.tick()
		_, ok := w.instance.Stats().Entities["unusual_region"]
		return ok
	}, 10*time.Second, time.Millisecond)
	assert.Equal(t, before+senders*batches*1000, w.instance.Stats().Bytes)
	known := w.instance.Stats().Entities["unusual_destination_port"]
	w.shutdown()
	assert.Empty(t, w.log.All())

	again := life(t, cfg, &shelf{client: s.client.Clone()})
	assert.Equal(t, known, again.instance.Stats().Entities["unusual_destination_port"])
	again.shutdown()
}

// Without an interval no file is looked at again.
func TestWithoutAnIntervalRuleFilesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, file := following(t, "unusual_destination_port: {name: Before}")
		cfg.Geo.ReloadInterval = 0
		w := newWorld(t, cfg)
		defer w.shutdown()
		w.learn()
		file.says("unusual_destination_port: {name: After}")
		w.reload()
		w.consume(enginetest.ECS(enginetest.Theft(3)))
		assert.Equal(t, "Before", text(w.next.Alerts()[len(w.next.Alerts())-1], "security_rule.name"))
	})
}

func ruleFileFailures(t *testing.T, w *world) int64 {
	t.Helper()
	return nonZero(t, w, "otelcol_exfil_rule_file_failures")[""]
}
