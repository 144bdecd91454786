package alert

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/rule"
)

// ocsfFacts is what testdata/schema/ocsf.yaml knows of the published schema.
type ocsfFacts struct {
	Version string
	AnyOf   map[string][]string `yaml:"any_of"`
	Objects map[string]map[string]ocsfAttribute
}

type ocsfAttribute struct {
	Type        string
	List        bool
	Required    bool
	Recommended bool
	Deprecated  bool
	Enum        map[int64]string
}

// classes names the objects that events are, by class_uid.
var classes = map[int64]string{ocsfDetectionFinding: "detection_finding", ocsfBaseEvent: "base_event"}

// faults says what of an event its class does not allow.
func (o *ocsfFacts) faults(event map[string]any) []string {
	uid, _ := event["class_uid"].(int64)
	category, _ := event["category_uid"].(int64)
	activity, _ := event["activity_id"].(int64)
	faults := o.check("", classes[uid], event)
	if event["type_uid"] != uid*100+activity {
		faults = append(faults, "type_uid is not that of class and activity")
	}
	if uid/1000 != category {
		faults = append(faults, "category_uid is not the class's")
	}
	for path := range paths("", event) {
		if path == "" {
			faults = append(faults, "a key is empty")
		}
	}
	return append(faults, o.dangling(event)...)
}

// check says what of an object its definition does not allow.
func (o *ocsfFacts) check(path, name string, object map[string]any) []string {
	definition, known := o.Objects[name]
	if !known {
		return []string{path + " is of an object that is not in the table: " + name}
	}
	var faults []string
	for key, attribute := range definition {
		if _, ok := object[key]; attribute.Required && !ok {
			faults = append(faults, path+"."+key+" is missing")
		}
	}
	if any := o.AnyOf[name]; any != nil && !slices.ContainsFunc(any, func(key string) bool { return object[key] != nil }) {
		faults = append(faults, path+" has none of "+strings.Join(any, ", "))
	}
	for key, v := range object {
		at := path + "." + key
		attribute, known := definition[key]
		switch {
		case !known:
			faults = append(faults, at+" is no attribute")
			continue
		case attribute.Deprecated:
			faults = append(faults, at+" is deprecated")
		}
		values, isList := v.([]any)
		if isList != attribute.List {
			faults = append(faults, at+" is a list or should be one")
			continue
		}
		if !isList {
			values = []any{v}
		}
		for _, v := range values {
			faults = append(faults, o.checkValue(at, attribute, v)...)
		}
		faults = append(faults, checkCaption(at, key, attribute, object)...)
	}
	return faults
}

func (o *ocsfFacts) checkValue(at string, attribute ocsfAttribute, v any) []string {
	if !strings.HasSuffix(attribute.Type, "_t") {
		object, ok := v.(map[string]any)
		switch {
		case !ok:
			return []string{at + " is no object"}
		case attribute.Type == "object": // anything
			return nil
		}
		return o.check(at, attribute.Type, object)
	}
	if !ofOCSFType(attribute.Type, v) {
		return []string{at + " is no " + attribute.Type}
	}
	if number, ok := v.(int64); ok && attribute.Enum != nil {
		if _, ok := attribute.Enum[number]; !ok {
			return []string{fmt.Sprintf("%s may not be %d", at, number)}
		}
	}
	return nil
}

// checkCaption holds the text beside a number (severity beside severity_id) against the number's caption. 99 stands
// for what the schema has no caption for.
func checkCaption(at, key string, attribute ocsfAttribute, object map[string]any) []string {
	if attribute.Enum == nil {
		return nil
	}
	base := strings.TrimSuffix(strings.TrimSuffix(key, "_id"), "_uid")
	for _, sibling := range []string{base, base + "_name"} {
		number, _ := object[key].(int64)
		text, ok := object[sibling].(string)
		if ok && sibling != key && number != ocsfOther && text != attribute.Enum[number] || ok && key == "type_uid" && text != attribute.Enum[number] {
			return []string{at + " and " + sibling + " disagree"}
		}
	}
	return nil
}

func ofOCSFType(kind string, v any) bool {
	number, isNumber := v.(int64)
	text, isText := v.(string)
	switch kind {
	case "string_t", "hostname_t", "username_t", "url_t", "resource_uid_t":
		return isText
	case "ip_t":
		_, err := netip.ParseAddr(text)
		return err == nil && len(text) <= 40
	case "integer_t", "long_t", "timestamp_t":
		return isNumber
	case "port_t":
		return isNumber && number >= 0 && number <= 65535
	case "boolean_t":
		_, ok := v.(bool)
		return ok
	case "json_t":
		return true
	}
	return false
}

// paths returns the texts and numbers of an event by the names of their attributes from the top, lists being passed through.
func paths(path string, v any) map[string][]string {
	all := map[string][]string{}
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			for at, values := range paths(strings.TrimPrefix(path+"."+key, "."), e) {
				all[at] = append(all[at], values...)
			}
		}
	case []any:
		for _, e := range v {
			for at, values := range paths(path, e) {
				all[at] = append(all[at], values...)
			}
		}
	default:
		all[path] = []string{fmt.Sprint(v)}
	}
	return all
}

// dangling lists observables that name an attribute which does not hold their value.
func (o *ocsfFacts) dangling(event map[string]any) []string {
	var faults []string
	at := paths("", event)
	observables, _ := event["observables"].([]any)
	for _, e := range observables {
		e := e.(map[string]any)
		if !slices.Contains(at[e["name"].(string)], e["value"].(string)) {
			faults = append(faults, fmt.Sprintf("%s does not hold %s", e["name"], e["value"]))
		}
	}
	return faults
}

func event(t *testing.T, a Alert) map[string]any {
	t.Helper()
	return record(t, newWriterOf(t, SchemaOCSF), a).Body().Map().AsRaw()
}

func TestEventsAreOfTheirClass(t *testing.T) {
	schema := facts[ocsfFacts](t, "ocsf")
	assert.Equal(t, schema.Version, ocsfVersion)
	for _, a := range slices.Concat(every(), slices.Collect(maps.Values(samples()))) {
		e := event(t, a)
		assert.Empty(t, schema.faults(e))
		assert.Empty(t, empty("", e), "nothing is there for nothing")
	}
	for _, a := range []Alert{misshapen(), Anomaly{}, Overflow{}, Health{}} {
		assert.Empty(t, schema.faults(event(t, a)))
	}
}

func TestAnEventThatIsNotOfItsClassIsSeen(t *testing.T) {
	schema := facts[ocsfFacts](t, "ocsf")
	for fault, spoil := range map[string]func(map[string]any){
		".finding_info is missing":                              func(e map[string]any) { delete(e, "finding_info") },
		".finding_info.uid is missing":                          func(e map[string]any) { delete(e["finding_info"].(map[string]any), "uid") },
		".metadata.product is missing":                          func(e map[string]any) { delete(e["metadata"].(map[string]any), "product") },
		".metadata.product has none of name, uid":               func(e map[string]any) { delete(e["metadata"].(map[string]any)["product"].(map[string]any), "name") },
		".status_id may not be 7":                               func(e map[string]any) { e["status_id"] = int64(7); delete(e, "status") },
		".severity_id and severity disagree":                    func(e map[string]any) { e["severity"] = "High" },
		".type_uid and type_name disagree":                      func(e map[string]any) { e["type_name"] = "Detection Finding: Close" },
		".time is no timestamp_t":                               func(e map[string]any) { e["time"] = "2026-03-03T12:40:00Z" },
		".colour is no attribute":                               func(e map[string]any) { e["colour"] = "red" },
		".observables is a list or should be one":               func(e map[string]any) { e["observables"] = "10.1.2.3" },
		".evidences is no object":                               func(e map[string]any) { e["evidences"] = []any{"10.1.2.3"}; delete(e, "observables") },
		".risk_score is no integer_t":                           func(e map[string]any) { e["risk_score"] = 21.5 },
		".metadata.extension is deprecated":                     func(e map[string]any) { e["metadata"].(map[string]any)["extension"] = map[string]any{} },
		"type_uid is not that of class and activity":            func(e map[string]any) { e["type_uid"] = int64(200403); delete(e, "type_name") },
		"evidences.src_endpoint.ip does not hold 192.0.2.99":    func(e map[string]any) { e["observables"].([]any)[0].(map[string]any)["value"] = "192.0.2.99" },
		".evidences.dst_endpoint.port is no port_t":             func(e map[string]any) { endpointOf(e)["port"] = int64(70000) },
		".evidences.dst_endpoint.ip is no ip_t":                 func(e map[string]any) { endpointOf(e)["ip"] = "here"; delete(e, "observables") },
		".evidences.dst_endpoint.location.land is no attribute": func(e map[string]any) { endpointOf(e)["location"] = map[string]any{"country": "AU", "land": "AU"} },
	} {
		f := portFinding()
		f.Fields, f.Values = append(f.Fields, flow.DestinationAddress), append(f.Values, "198.51.100.9")
		e := event(t, anomaly(f))
		require.Empty(t, schema.faults(e))
		spoil(e)
		found := schema.faults(e)
		if strings.Contains(fault, "extension") { // an empty object of a kind that the table leaves out
			assert.Contains(t, found, fault)
			continue
		}
		assert.Equal(t, []string{fault}, found)
	}
}

// endpointOf returns the destination of an event's first piece of evidence.
func endpointOf(event map[string]any) map[string]any {
	return event["evidences"].([]any)[0].(map[string]any)["dst_endpoint"].(map[string]any)
}

// Consumers ask for what is recommended; what an alert cannot know is named here, with the reason.
func TestWhatIsRecommendedIsThere(t *testing.T) {
	e := event(t, full())
	var absent []string
	for key, attribute := range facts[ocsfFacts](t, "ocsf").Objects["detection_finding"] {
		if attribute.Recommended && e[key] == nil {
			absent = append(absent, key)
		}
	}
	assert.ElementsMatch(t, []string{
		"status_code", "status_detail", // a finding that is new has no more of a status
		"timezone_offset", // flows come from everywhere; all times are UTC
		"status_id",       // full is an update, which leaves what an analyst has set
	}, absent)
	assert.EqualValues(t, ocsfNew, event(t, anomaly(portFinding()))["status_id"])
}

// dig returns what is in an event at a path of keys and positions.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

func TestAFindingTellsWhoSentWhatWhere(t *testing.T) {
	port := anomaly(portFinding())
	e := event(t, port)
	for _, c := range []struct {
		want any
		path []any
	}{
		{int64(2004), []any{"class_uid"}},
		{int64(200401), []any{"type_uid"}},
		{"1.6.0", []any{"metadata", "version"}},
		{"0.1.0", []any{"metadata", "product", "version"}},
		{port.UID, []any{"metadata", "uid"}},
		{now.UnixMilli(), []any{"metadata", "logged_time"}},
		{port.UID, []any{"finding_info", "uid"}},
		{port.Finding.Time.UnixMilli(), []any{"time"}},
		{int64(2), []any{"severity_id"}},
		{int64(91), []any{"confidence_score"}},
		{"High", []any{"confidence"}},
		{int64(21), []any{"risk_score"}},
		{"Low", []any{"risk_level"}},
		{"Unusual volume sent to a destination port", []any{"finding_info", "title"}},
		{[]any{"Data Exfiltration"}, []any{"finding_info", "types"}},
		{"Statistical", []any{"finding_info", "analytic", "type"}},
		{"TA0011", []any{"finding_info", "attacks", 1, "tactic", "uid"}},
		{"T1571", []any{"finding_info", "attacks", 1, "technique", "uid"}},
		{"4444", []any{"anomaly_analyses", 0, "analysis_targets", 0, "name"}},
		{"4200000000", []any{"anomaly_analyses", 0, "anomalies", 0, "observations", 0, "value"}},
		{"25000", []any{"anomaly_analyses", 0, "baselines", 0, "observations", 0, "value"}},
		{"Outbound", []any{"evidences", 0, "connection_info", "direction"}},
		{"10.1.2.3", []any{"evidences", 0, "src_endpoint", "ip"}},
		{"rclone", []any{"evidences", 0, "actor", "app_name"}},
		{nil, []any{"evidences", 0, "dst_endpoint"}}, // no one address took it
		{int64(4_200_000_000), []any{"evidences", 0, "data", "bytes"}},
		{"10.1.2.9", []any{"evidences", 2, "src_endpoint", "ip"}},
		{"bob", []any{"evidences", 5, "actor", "user", "name"}},
		{"198.51.100.7", []any{"evidences", 7, "dst_endpoint", "ip"}},
		{int64(4444), []any{"evidences", 7, "dst_endpoint", "port"}},
		{int64(64496), []any{"evidences", 7, "dst_endpoint", "autonomous_system", "number"}},
		{nil, []any{"evidences", 10}}, // ports and regions are nobody
		{int64(4_200_000_000), []any{"unmapped", "exfil.bytes.actual"}},
		{nil, []any{"resources"}},
	} {
		assert.Equal(t, c.want, dig(e, c.path...), c.path)
	}

	region := event(t, anomaly(regionFinding()))
	assert.Equal(t, "ws-17", dig(region, "evidences", 0, "src_endpoint", "hostname"))
	assert.Equal(t, "ws-17", dig(region, "resources", 0, "name"))
	address := addressFinding()
	address.Fields, address.Values = append(address.Fields, flow.DestinationCountry, flow.DestinationRegion), append(address.Values, "AU", "Victoria")
	assert.Equal(t, map[string]any{"country": "AU", "region": "Victoria"}, dig(event(t, anomaly(address)), "evidences", 0, "dst_endpoint", "location"))

	bad := event(t, misshapen())
	assert.Equal(t, "no address", dig(bad, "evidences", 0, "dst_endpoint", "name"))
	assert.Nil(t, dig(bad, "evidences", 0, "dst_endpoint", "port"))
	assert.Nil(t, dig(bad, "evidences", 0, "dst_endpoint", "location", "country"), "Australia is no code")
}

func TestAnUpdateIsOfTheSameFinding(t *testing.T) {
	first := anomaly(countryFinding())
	update := Anomaly{Finding: first.Finding, UID: "b", UpdateOf: first.UID}
	before, after := event(t, first), event(t, update)
	assert.Equal(t, dig(before, "finding_info", "uid"), dig(after, "finding_info", "uid"))
	assert.Equal(t, int64(200402), after["type_uid"])
	assert.Equal(t, "b", dig(after, "metadata", "uid"))
	assert.Equal(t, dig(before, "metadata", "uid"), dig(after, "finding_info", "related_events", 0, "uid"))
	assert.Nil(t, after["status_id"], "an analyst may have closed it")
}

func TestConfidenceIsLowUntilTheTailIsFitted(t *testing.T) {
	for _, c := range []struct {
		score      float64
		calibrated bool
		want       string
	}{{74.9, true, "Low"}, {75, true, "Medium"}, {87.4, true, "Medium"}, {87.5, true, "High"}, {99, false, "Low"}} {
		f := portFinding()
		f.Score, f.Why.Calibrated = c.score, c.calibrated
		assert.Equal(t, c.want, event(t, anomaly(f))["confidence"], c.score)
	}
}

func TestAttacksAreOfTheMatricesThatTheSchemaKnows(t *testing.T) {
	threats := []rule.Threat{
		{Framework: "MITRE ATT&CK", Tactic: rule.Behaviour{ID: "TA0010"}, Technique: []rule.Behaviour{{ID: "T1048"}, {ID: "T1048.003"}}},
		{Framework: "MITRE ATT&CK", Tactic: rule.Behaviour{ID: "TA0011"}},
		{Framework: "of one's own", Tactic: rule.Behaviour{ID: "X"}},
	}
	w, err := NewWriter([]rule.Rule{{ID: "unusual_destination_port", Threat: threats}}, Options{Schema: SchemaOCSF})
	require.NoError(t, err)
	e := record(t, w, anomaly(portFinding())).Body().Map().AsRaw()
	assert.Equal(t, []any{
		map[string]any{"tactic": map[string]any{"uid": "TA0010"}, "technique": map[string]any{"uid": "T1048"}},
		map[string]any{"tactic": map[string]any{"uid": "TA0010"}, "sub_technique": map[string]any{"uid": "T1048.003"}},
		map[string]any{"tactic": map[string]any{"uid": "TA0011"}},
	}, dig(e, "finding_info", "attacks"))
	schema := facts[ocsfFacts](t, "ocsf")
	assert.Empty(t, schema.faults(e))
}

// What OCSF has no attribute for is under unmapped as in the schema otel, to the type.
func TestWhatOCSFHasNoAttributeForIsAsInOTel(t *testing.T) {
	for _, a := range every() {
		e := event(t, a)
		for key, v := range record(t, newWriter(t), a).Attributes().AsRaw() {
			if strings.HasPrefix(key, "exfil.") && key != "exfil.explanation" {
				assert.Equal(t, v, dig(e, "unmapped", key), key)
			}
		}
	}
}

func TestTheRecordOfAnEventNamesItToo(t *testing.T) {
	for _, a := range every() {
		lr := record(t, newWriterOf(t, SchemaOCSF), a)
		assert.Equal(t, map[string]any{"log.record.uid": a.ID()}, lr.Attributes().AsRaw())
		assert.Equal(t, lr.EventName(), dig(lr.Body().Map().AsRaw(), "metadata", "log_name"))
	}
}

func TestHowTheDetectionFaresIsABaseEvent(t *testing.T) {
	for status, severity := range map[Status]string{WarmingUp: "Informational", Ready: "Informational", StateLost: "Medium", DatabaseOld: "Medium"} {
		e := event(t, Health{Time: now, Status: status})
		assert.Equal(t, int64(0), e["class_uid"])
		assert.Equal(t, severity, e["severity"], status)
		assert.Equal(t, string(status), e["status"])
	}
	e := event(t, samples()["overflow"])
	assert.Equal(t, int64(0), e["class_uid"])
	assert.Equal(t, "Overflow", e["activity_name"])
	assert.Equal(t, int64(12), e["count"])
}

func TestEvidenceIsBoundedByTheContributors(t *testing.T) {
	f := portFinding()
	f.Contributors = nil
	for field := range flow.Field(flow.FieldCount) {
		c := detector.Contribution{Field: field}
		for i := range detector.MaxContributors {
			c.Values, c.Bytes = append(c.Values, fmt.Sprint("10.0.0.", i)), append(c.Bytes, 1)
		}
		f.Contributors = append(f.Contributors, c)
	}
	e := event(t, anomaly(f))
	assert.Len(t, e["evidences"], 1+5*detector.MaxContributors, "senders, hosts, users, processes, receivers")
	assert.Len(t, e["observables"], 1+5*detector.MaxContributors, "and the port")
}
