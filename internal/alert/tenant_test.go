package alert

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

// What alerts of a tenant look like is what they look like elsewhere, and whose they are.
func TestWhatAlertsOfATenantLookLike(t *testing.T) {
	for schema, dir := range map[string]string{SchemaOTel: "testdata", SchemaECS: "testdata/ecs", SchemaOCSF: "testdata/ocsf"} {
		logs := plog.NewLogs()
		w := newWriterOf(t, schema).For(&Tenant{Name: "acme", Attribute: "tenant.id"})
		w.Append(logs, samples()["unusual_country_updated"], now)
		w.Append(logs, samples()["overflow"], now)
		w.Append(logs, samples()["warming_up"], now)
		compact, err := new(plog.JSONMarshaler).MarshalLogs(logs)
		require.NoError(t, err)
		var got bytes.Buffer
		require.NoError(t, json.Indent(&got, compact, "", "  "))
		got.WriteByte('\n')

		path := filepath.Join(dir, "tenant.json")
		if *update {
			require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err, "run with -update to make it")
		assert.Equal(t, string(want), got.String())
	}
}

// uids are where a record of a schema says which alert it is, and which it updates.
func uids(lr plog.LogRecord) (all []string) {
	add := func(m map[string]any, keys ...string) {
		for i, key := range keys {
			if i < len(keys)-1 {
				m, _ = m[key].(map[string]any)
			} else if id, ok := m[key].(string); ok {
				all = append(all, id)
			}
		}
	}
	attributes := lr.Attributes().AsRaw()
	body, _ := lr.Body().AsRaw().(map[string]any)
	for _, key := range []string{"log.record.uid", "event.id", "exfil.update_of", "exfil.suppression.alert"} {
		add(attributes, key)
	}
	add(body, "metadata", "uid")
	add(body, "finding_info", "uid")
	add(body, "unmapped", "exfil.update_of")
	add(body, "unmapped", "exfil.suppression.alert")
	return all
}

// Given the same alerts of several tenants, in any schema, then no uid is of two of them, and each that is referred to is the tenant's own.
func TestNoUIDIsOfTwoTenants(t *testing.T) {
	for _, schema := range Schemas() {
		w := newWriterOf(t, schema)
		for kind, a := range samples() {
			seen := map[string]string{}
			for _, name := range []string{"", "acme", "zenith"} {
				for _, id := range uids(record(t, w.For(&Tenant{Name: name}), a)) {
					require.NotEmpty(t, id)
					of, known := seen[id]
					require.True(t, !known || of == name, "%s, %s: %s of %q is also of %q", schema, kind, id, name, of)
					seen[id] = name
				}
			}
			assert.Equal(t, uids(record(t, w, a)), uids(record(t, w.For(&Tenant{}), a)), "without a name nothing changes")
		}
	}
	w := newWriter(t).For(&Tenant{Name: "acme"})
	f := countryFinding()
	first := record(t, w, Anomaly{Finding: f, UID: findingUID(&f, stateNew)})
	updates := record(t, w, samples()["unusual_country_updated"])
	uid, _ := first.Attributes().Get("log.record.uid")
	refersTo, _ := updates.Attributes().Get("exfil.update_of")
	assert.Equal(t, uid.Str(), refersTo.Str())
}

// Whose an alert is, is text wherever it is told, and of nobody's there is nothing.
func TestTheTenantOfAnAlert(t *testing.T) {
	for _, schema := range Schemas() {
		w := newWriterOf(t, schema)
		for _, a := range samples() {
			_, told := w.schema.own(record(t, w, a)).Get(TenantAttribute)
			assert.False(t, told)
			v, told := w.schema.own(record(t, w.For(&Tenant{}), a)).Get(TenantAttribute)
			require.True(t, told, "that records name nobody is told")
			assert.Equal(t, text, v.Type())
			v, _ = w.schema.own(record(t, w.For(&Tenant{Name: "acme"}), a)).Get(TenantAttribute)
			assert.Equal(t, "acme", v.Str())
		}
	}
}
