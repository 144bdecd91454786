package scenario

import (
	"bytes"
	"context"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/bench/encode"
	"github.com/otel-exfil/exfil/exfilprocessor"
	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/flow"
)

var update = flag.Bool("update", false, "write the alerts that came as those expected; read the diff")

const folder = "../../testdata/scenarios"

// expectation is what of an alert a reader of alerts.yaml is told.
type expectation struct {
	Tenant   string            `yaml:"tenant,omitempty"`
	At       string            `yaml:"at"`
	Event    string            `yaml:"event,omitempty"` // where it is no alert
	Rule     string            `yaml:"rule"`
	Severity string            `yaml:"severity"`
	Entity   map[string]string `yaml:"entity"`
	Says     string            `yaml:"says"`
	Host     string            `yaml:"host,omitempty"`
	Early    bool              `yaml:"early"`
	New      bool              `yaml:"first_seen"`
	UpdateOf string            `yaml:"update_of,omitempty"`
	HeldBack int64             `yaml:"suppressed,omitempty"`
	DryRun   bool              `yaml:"dry_run,omitempty"`
	Score    int               `yaml:"score"`
	// Is is what the schema takes the alert for: event.kind of ECS, type_name of OCSF.
	Is string `yaml:"is,omitempty"`
	// Contributors and what follows are told where the configuration says something of contributors.
	Contributors map[string][]string `yaml:"contributors,omitempty"`
	FlowIDs      []string            `yaml:"flow_ids,omitempty"`
	Drilldown    string              `yaml:"drilldown,omitempty"`
}

func TestScenarios(t *testing.T) {
	folders, err := filepath.Glob(folder + "/*")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			in, err := ReadInput(filepath.Join(dir, "input.yaml"))
			require.NoError(t, err)
			config, err := os.ReadFile(filepath.Join(dir, "config.yaml"))
			require.NoError(t, err)
			alerts := run(t, config, in.Format, in.Deliveries(200))
			got := summaries(alerts)
			if bytes.Contains(config, []byte("contributors:")) {
				for i := range got {
					got[i].name(alerts[i])
				}
			}

			path := filepath.Join(dir, "alerts.yaml")
			if *update {
				text, err := yaml.Marshal(got)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(path, text, 0o644))
			}
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			want := []expectation{}
			require.NoError(t, yaml.Unmarshal(text, &want))
			assert.Equal(t, want, got)
		})
	}
}

// One scenario, written as every source would write it, gives the same alerts.
func TestTheSameFlowsInEveryFormat(t *testing.T) {
	in, err := ReadInput(folder + "/theft_to_a_new_region/input.yaml")
	require.NoError(t, err)
	records := in.Records()
	for i := range records {
		r := &records[i]
		// What not every format has words for: the detector falls back on the address, and on the
		// embedded table of countries.
		r.Host, r.User, r.Process, r.DestinationPlace = "", "", "", flow.Place{}
		r.Time = time.Unix(0, r.Time).Truncate(time.Second).UnixNano()
		if last := r.Destination.As4()[3]; last == 99 {
			r.Destination = netip.MustParseAddr("133.11.0.1") // the University of Tokyo
		} else { // Google, the University of Stuttgart, the University of Cambridge
			r.Destination = netip.MustParseAddr([]string{"8.8.8.8", "129.69.1.1", "131.111.8.1"}[last/10%3])
		}
	}
	var want []expectation
	for _, format := range encode.Formats() {
		t.Run(format, func(t *testing.T) {
			config := []byte("{}")
			if format == "custom" {
				config, err = yaml.Marshal(map[string]any{"inputs": []any{
					map[string]any{"name": "proxy", "fields": encode.CustomFields()},
				}})
				require.NoError(t, err)
			}
			got := summaries(run(t, config, format, []Delivery{{Records: records}}))
			require.NotEmpty(t, got)
			if want == nil {
				want = got
			}
			assert.Equal(t, want, got, "as in %s", encode.Formats()[0])
		})
	}
}

// run sends the records through a processor and returns its alerts.
func run(t *testing.T, config []byte, format string, deliveries []Delivery) []plog.LogRecord {
	t.Helper()
	var settings map[string]any
	require.NoError(t, yaml.Unmarshal(config, &settings))
	factory := exfilprocessor.NewFactory()
	cfg := factory.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(settings).Unmarshal(cfg))
	require.NoError(t, confmap.Validate(cfg))

	sink := new(consumertest.LogsSink)
	ctx := context.Background()
	p, err := factory.CreateLogs(ctx, processortest.NewNopSettings(factory.Type()), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, p.Start(ctx, componenttest.NewNopHost()))
	for _, d := range deliveries {
		for batch := range slices.Chunk(d.Records, 200) {
			ld, err := encode.Logs(format, batch)
			require.NoError(t, err)
			if d.Tenant != "" {
				for _, rl := range ld.ResourceLogs().All() {
					rl.Resource().Attributes().PutStr(TenantAttribute, d.Tenant)
				}
			}
			require.NoError(t, p.ConsumeLogs(ctx, ld))
		}
	}
	require.NoError(t, p.Shutdown(ctx))

	var alerts []plog.LogRecord
	for _, ld := range sink.AllLogs() {
		for _, rl := range ld.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				if sl.Scope().Name() != alert.ScopeName {
					continue
				}
				for _, lr := range sl.LogRecords().All() {
					if lr.EventName() != "exfil.health" {
						alerts = append(alerts, lr)
					}
				}
			}
		}
	}
	return alerts
}

func summaries(alerts []plog.LogRecord) []expectation {
	all := []expectation{}
	for _, lr := range alerts {
		a := attributes(lr)
		text := func(keys ...string) string {
			for _, key := range keys {
				if v, ok := a.Get(key); ok {
					return v.AsString()
				}
			}
			return ""
		}
		e := expectation{
			Tenant:   text("exfil.tenant"),
			At:       lr.Timestamp().AsTime().Format(time.RFC3339),
			Rule:     text("exfil.rule.id", "rule.id"),
			Severity: lr.SeverityText(),
			Entity:   map[string]string{text("exfil.entity.field"): text("exfil.entity.value")},
			Says:     text("message"),
			Host:     text("host.name"),
			Early:    text("exfil.early") == "true",
			New:      text("exfil.first_seen") == "true",
			UpdateOf: text("exfil.update_of"),
			DryRun:   text("exfil.rule.dry_run") == "true",
			Is:       text("event.kind", "type_name"),
		}
		if v, ok := a.Get("exfil.suppressed"); ok {
			e.HeldBack = v.Int()
		}
		if lr.EventName() != alert.EventAnomaly {
			e.Event, e.Entity = lr.EventName(), nil
		}
		if v, ok := a.Get("exfil.suppression.windows"); ok {
			e.HeldBack, e.Entity = v.Int(), inCommon(a)
		}
		if v, ok := a.Get("exfil.suppression.score"); ok {
			e.Score = int(v.Double())
		}
		if v, ok := a.Get("exfil.score"); ok {
			e.Score = int(v.Double())
		}
		all = append(all, e)
	}
	return all
}

// name adds whom and what an alert names beside the entity.
func (e *expectation) name(lr plog.LogRecord) {
	e.Contributors = map[string][]string{}
	for key, v := range attributes(lr).All() {
		field, ok := strings.CutPrefix(key, "exfil.contributors.")
		switch field, values := strings.CutSuffix(field, ".values"); {
		case ok && values:
			e.Contributors[field] = texts(v)
		case key == "exfil.flow_ids":
			e.FlowIDs = texts(v)
		case key == "exfil.drilldown":
			e.Drilldown = v.Str()
		}
	}
}

func texts(list pcommon.Value) (all []string) {
	for _, v := range list.Slice().All() {
		all = append(all, v.Str())
	}
	return all
}

// inCommon is what the group has in common whose alerts were held back.
func inCommon(a pcommon.Map) map[string]string {
	all := make(map[string]string)
	fields, ok := a.Get("exfil.suppression.fields")
	if !ok {
		return all
	}
	values, _ := a.Get("exfil.suppression.values")
	for i, field := range texts(fields) {
		all[field] = texts(values)[i]
	}
	return all
}

// attributes returns what an alert tells in the words of the schema otel, where it has no others, whichever schema
// it is in, and the sentence as message.
func attributes(lr plog.LogRecord) pcommon.Map {
	all := pcommon.NewMap()
	lr.Attributes().CopyTo(all)
	if lr.Body().Type() != pcommon.ValueTypeMap {
		lr.Body().CopyTo(all.PutEmpty("message"))
		return all
	}
	for _, key := range []string{"message", "type_name"} {
		if v, ok := lr.Body().Map().Get(key); ok {
			v.CopyTo(all.PutEmpty(key))
		}
	}
	if unmapped, ok := lr.Body().Map().Get("unmapped"); ok {
		for key, v := range unmapped.Map().All() {
			v.CopyTo(all.PutEmpty(key))
		}
	}
	if resources, ok := lr.Body().Map().Get("resources"); ok {
		if host, ok := resources.Slice().At(0).Map().Get("name"); ok {
			host.CopyTo(all.PutEmpty("host.name"))
		}
	}
	return all
}

func TestInputsAreReadStrictly(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadInput(dir + "/none.yaml")
	assert.ErrorIs(t, err, os.ErrNotExist)
	path := dir + "/input.yaml"
	require.NoError(t, os.WriteFile(path, []byte("habbits: []\n"), 0o600))
	_, err = ReadInput(path)
	assert.ErrorContains(t, err, "habbits")
}
