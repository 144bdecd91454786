package alert

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// ecsFacts is what testdata/schema/ecs.yaml knows of the published schema.
type ecsFacts struct {
	Version string
	Fields  map[string]struct {
		Type string
		List bool
	}
	Values map[string][]string
	Types  map[string][]string // event.type by event.category
}

// facts reads a table of testdata/schema.
func facts[T any](t testing.TB, name string) T {
	t.Helper()
	text, err := os.ReadFile("testdata/schema/" + name + ".yaml")
	require.NoError(t, err)
	var table T
	require.NoError(t, yaml.Unmarshal(text, &table))
	return table
}

// faults says what of a document the schema does not allow.
func (e *ecsFacts) faults(document map[string]any) []string {
	var faults []string
	for key, v := range document {
		if strings.HasPrefix(key, "exfil.") {
			continue // a namespace of one's own, which ECS leaves to everybody
		}
		field, known := e.Fields[key]
		if !known {
			faults = append(faults, key+" is no field")
			continue
		}
		values, isList := v.([]any)
		if isList != field.List {
			faults = append(faults, key+" is a list or should be one")
		}
		if !isList {
			values = []any{v}
		}
		for _, v := range values {
			if !ofECSType(field.Type, v) {
				faults = append(faults, key+" is no "+field.Type)
			}
			if allowed := e.Values[key]; allowed != nil && !slices.Contains(allowed, v.(string)) {
				faults = append(faults, key+" may not be "+v.(string))
			}
		}
	}
	categories, _ := document["event.category"].([]any)
	for _, category := range categories {
		types, _ := document["event.type"].([]any)
		for _, kind := range types {
			if !slices.Contains(e.Types[category.(string)], kind.(string)) {
				faults = append(faults, "event.type does not go with event.category")
			}
		}
	}
	for _, key := range []string{"@timestamp", "ecs.version"} {
		if document[key] == nil {
			faults = append(faults, key+" is missing")
		}
	}
	return faults
}

func ofECSType(kind string, v any) bool {
	text, isText := v.(string)
	switch kind {
	case "keyword", "match_only_text":
		return isText
	case "date":
		_, err := time.Parse(time.RFC3339, text)
		return isText && err == nil
	case "ip":
		address, err := netip.ParseAddr(text)
		return err == nil && address.Zone() == ""
	case "long":
		_, ok := v.(int64)
		return ok
	case "float":
		_, ok := v.(float64)
		return ok
	}
	return false
}

func TestDocumentsAreOfTheSchema(t *testing.T) {
	schema := facts[ecsFacts](t, "ecs")
	assert.Equal(t, schema.Version, ecsVersion)
	w := newWriterOf(t, SchemaECS)
	for _, a := range append(every(), misshapen()) {
		assert.Empty(t, schema.faults(record(t, w, a).Attributes().AsRaw()))
	}
}

func TestADocumentThatIsNotOfTheSchemaIsSeen(t *testing.T) {
	schema := facts[ecsFacts](t, "ecs")
	for fault, spoil := range map[string]func(map[string]any){
		"event.knd is no field":                       func(m map[string]any) { m["event.knd"] = "alert" },
		"event.kind may not be alarm":                 func(m map[string]any) { m["event.kind"] = "alarm" },
		"event.severity is no long":                   func(m map[string]any) { m["event.severity"] = "13" },
		"event.risk_score is no float":                func(m map[string]any) { m["event.risk_score"] = int64(21) },
		"@timestamp is missing":                       func(m map[string]any) { delete(m, "@timestamp") },
		"@timestamp is no date":                       func(m map[string]any) { m["@timestamp"] = "yesterday" },
		"source.ip is no ip":                          func(m map[string]any) { m["source.ip"] = "fe80::1%eth0" },
		"related.ip is a list or should be one":       func(m map[string]any) { m["related.ip"] = "10.1.2.3" },
		"event.type does not go with event.category":  func(m map[string]any) { m["event.type"] = []any{"start"} },
		"network.direction may not be out of the way": func(m map[string]any) { m["network.direction"] = "out of the way" },
	} {
		document := record(t, newWriterOf(t, SchemaECS), full()).Attributes().AsRaw()
		spoil(document)
		assert.Equal(t, []string{fault}, schema.faults(document))
	}
}

// misshapen is an anomaly whose names are what networks send, not what schemas hope for.
func misshapen() Anomaly {
	f := portFinding()
	f.Fields = []flow.Field{flow.DestinationPort, flow.DestinationAddress, flow.DestinationCountry, flow.DestinationRegion}
	f.Values = []string{"70000", "no address", "Australia", "\xff\xfe"}
	f.DetailFields, f.DetailValues = []flow.Field{flow.Host, flow.SourceAddress, flow.User}, []string{"_overflow", "fe80::1%eth0", ""}
	for i := range f.Contributors {
		f.Contributors[i].Values[0] = "\x00 not <what> it should be " + strings.Repeat("x", 500)
	}
	f.Rule = "a_rule_that_is_gone"
	return anomaly(f)
}

func TestADocumentTellsWhatItsFieldsAreMadeFor(t *testing.T) {
	w := newWriterOf(t, SchemaECS)
	get := func(a Alert, key string) any { return record(t, w, a).Attributes().AsRaw()[key] }
	port := anomaly(portFinding())
	for key, want := range map[string]any{
		"@timestamp":          "2026-03-03T12:40:00.000Z",
		"event.created":       "2026-03-03T12:40:07.000Z",
		"event.start":         "2026-03-03T12:00:00.000Z",
		"event.end":           "2026-03-03T12:40:00.000Z",
		"event.kind":          "alert",
		"event.category":      []any{"intrusion_detection"},
		"event.type":          []any{"info"},
		"event.action":        "exfil.anomaly",
		"event.severity":      int64(plog.SeverityNumberWarn),
		"event.risk_score":    21.0,
		"event.id":            port.UID,
		"log.level":           "low",
		"rule.id":             "unusual_destination_port",
		"rule.ruleset":        "exfil built-in",
		"threat.tactic.id":    []any{"TA0010", "TA0011"},
		"threat.technique.id": []any{"T1041", "T1571"},
		"network.direction":   "outbound",
		"destination.port":    int64(4444),
		"source.address":      "10.1.2.3",
		"source.ip":           "10.1.2.3",
		"process.name":        "rclone",
		"user.name":           nil,
		"related.ip":          []any{"10.1.2.3", "10.1.2.9", "10.1.7.1", "198.51.100.7", "192.0.2.1", "198.51.100.8"},
		"related.user":        []any{"alice", "bob"},
		"exfil.bytes.actual":  int64(4_200_000_000),
		"exfil.explanation":   nil, // it is event.reason
		"log.record.uid":      nil, // it is event.id
		"source.bytes":        nil, // dashboards count the flows' already
	} {
		assert.Equal(t, want, get(port, key), key)
	}
	assert.Equal(t, explanation(&port.Finding), get(port, "event.reason"))
	assert.Equal(t, sentence(&port.Finding), get(port, "message"))
	assert.Equal(t, sentence(&port.Finding), record(t, w, port).Body().Str(), "as the exporter takes it")

	address := anomaly(addressFinding())
	assert.Equal(t, "198.51.100.7", get(address, "destination.ip"))
	assert.Equal(t, int64(64496), get(address, "destination.as.number"))
	assert.Equal(t, "Example Hosting", get(address, "destination.as.organization.name"))
	assert.Equal(t, []any{"ws-17"}, get(anomaly(regionFinding()), "related.hosts"))

	for _, h := range []Alert{misshapen(), Anomaly{}} {
		assert.Nil(t, get(h, "destination.ip"))
		assert.Nil(t, get(h, "destination.as.number"))
	}
	assert.Equal(t, "fe80::1", get(misshapen(), "source.ip"), "a zone means something on one machine only")
	assert.Equal(t, "a_rule_that_is_gone", get(misshapen(), "rule.id"))

	assert.Equal(t, "event", get(Overflow{}, "event.kind"))
	assert.Equal(t, "state", get(Health{Status: Ready}, "event.kind"))
	for _, a := range []Alert{Overflow{}, Health{}} {
		assert.Nil(t, get(a, "event.category"), "a detection of intrusions is something else")
	}
}

// What ECS has a field for is left out under exfil; the rest is as in the schema otel, to the type.
func TestWhatECSHasNoFieldForIsAsInOTel(t *testing.T) {
	elsewhere := []string{"exfil.rule.id", "exfil.explanation"}
	for _, a := range every() {
		want := record(t, newWriterOf(t, SchemaOTel), a).Attributes().AsRaw()
		got := record(t, newWriterOf(t, SchemaECS), a).Attributes().AsRaw()
		for key, v := range want {
			if strings.HasPrefix(key, "exfil.") && !slices.Contains(elsewhere, key) {
				assert.Equal(t, v, got[key], key)
			}
		}
	}
}

func TestTheScopeTellsTheExporterToWriteECS(t *testing.T) {
	for schema, want := range map[string]map[string]any{
		SchemaECS:  {"elastic.mapping.mode": "ecs"},
		SchemaOTel: {},
		SchemaOCSF: {},
	} {
		logs := plog.NewLogs()
		w := newWriterOf(t, schema)
		w.Append(logs, full(), now)
		w.Append(logs, Overflow{}, now)
		require.Equal(t, 1, logs.ResourceLogs().Len())
		assert.Equal(t, want, logs.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Attributes().AsRaw(), schema)
	}
}

func TestARuleWithoutMetadataHasNoEmptyFields(t *testing.T) {
	bare := []rule.Rule{{ID: "unusual_destination_port", Severity: rule.High, Threat: []rule.Threat{{
		Framework: "a framework of one's own", Tactic: rule.Behaviour{ID: "x1"},
	}, {Tactic: rule.Behaviour{ID: "x1"}}}}}
	for _, schema := range []string{SchemaECS, SchemaOCSF} {
		w, err := NewWriter(bare, Options{Schema: schema})
		require.NoError(t, err)
		lr := record(t, w, anomaly(portFinding()))
		assert.Empty(t, empty("", lr.Attributes().AsRaw()))
		if lr.Body().Type() == pcommon.ValueTypeMap {
			assert.Empty(t, empty("", lr.Body().Map().AsRaw()))
		} else {
			assert.Equal(t, []any{"x1"}, lr.Attributes().AsRaw()["threat.tactic.id"], "once")
		}
	}
}

// empty lists the paths of texts, lists and maps that hold nothing.
func empty(path string, v any) []string {
	var paths []string
	switch v := v.(type) {
	case string:
		if v == "" {
			paths = append(paths, path)
		}
	case []any:
		if len(v) == 0 {
			paths = append(paths, path)
		}
		for _, e := range v {
			paths = append(paths, empty(path+"[]", e)...)
		}
	case map[string]any:
		if len(v) == 0 && path != "" {
			paths = append(paths, path)
		}
		for key, e := range v {
			paths = append(paths, empty(path+"."+key, e)...)
		}
	}
	return paths
}
