package rule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// equivalents maps anomaly-detection jobs to the built-in rules that look for the same: high sums of bytes sent over the same
// field. The ids are those of the machine-learning module of Elastic's package Data Exfiltration Detection.
var equivalents = map[string]string{
	"ded_high_sent_bytes_destination_port":                 "unusual_destination_port",
	"ded_high_sent_bytes_destination_region_name":          "unusual_region",
	"ded_high_sent_bytes_destination_geo_country_iso_code": "unusual_country",
	"ded_high_sent_bytes_destination_ip":                   "unusual_destination_ip",
}

// machineLearning is the type of the rules that can be taken over.
const machineLearning = "machine_learning"

// readPrebuilt reads a rule in the layout that detection-rules repositories keep their rules in: TOML with a table rule
// and, beside it, one of metadata. It must be of the type machine_learning over jobs that a built-in rule is the
// equivalent of, and changes and enables that rule, or those:
//
//	name, description, license, version   the same; without a license, none is told
//	rule_id                               uuid
//	severity, risk_score, tags, threat    the same; sub-techniques become techniques
//	anomaly_threshold                     threshold
//	enabled                               the same; true where it is not said
//	references                            reference is the first, the others end the guide's investigation
//	note                                  guide, parted at its headings, see parts
//	false_positives                       guide.false_positives, before those of the note
//
// All else has no meaning here (interval and from, as nothing is queried; setup, as no job is needed) and is accepted, as forks
// have keys of their own; what is known must be of the right type. The errors are all that is wrong.
func readPrebuilt(text []byte) (map[string]Override, []error) {
	var file map[string]any
	if err := toml.Unmarshal(text, &file); err != nil {
		return nil, []error{syntaxError(err)}
	}
	p := &problems{}
	if metadata, ok := file["metadata"]; ok {
		tableOf(p, "metadata", metadata)
	}
	if _, ok := file["rule"]; !ok {
		p.add("rule", "it is missing, so that this is no detection rule; write [rule] and its keys below, or end the name of a file of YAML in .yaml")
		return nil, p.errs
	}
	rule := tableOf(p, "rule", file["rule"])
	if kind := rule.text("type"); len(p.errs) == 0 && (kind == nil || *kind != machineLearning) {
		rule.refuseType(kind)
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	ids := rule.ids()
	o := rule.override()
	rule.checkTypes()
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	overrides := make(map[string]Override, len(ids))
	for _, id := range ids {
		guided, err := rule.guide(id, o)
		if err != nil {
			return nil, []error{err}
		}
		overrides[id] = guided
	}
	return overrides, nil
}

func syntaxError(err error) error {
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, column := at.Position()
		return fmt.Errorf("line %d, column %d: %w: %w", line, column, ErrInvalid, err)
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

func (t table) refuseType(kind *string) {
	const remedy = "exfil runs rules of type " + machineLearning + " over jobs that it has an equivalent of, and no others; leave this file out of rule_files"
	if kind == nil {
		t.add("type", "it is missing; "+remedy)
		return
	}
	t.add("type", "%q cannot be taken over; "+remedy, *kind)
}

// ids returns those of the built-in rules that do what the rule's jobs do.
func (t table) ids() []string {
	const key = "machine_learning_job_id"
	known := strings.Join(slices.Sorted(maps.Keys(equivalents)), ", ")
	var jobs []string
	job, single := t.values[key].(string)
	if single {
		jobs = []string{job}
	} else {
		jobs = t.texts(key)
	}
	if len(jobs) == 0 && !t.refused(key) {
		t.add(key, "it names no job; write one of %s, or several as a list", known)
	}
	var ids []string
	for i, job := range jobs {
		id, ok := equivalents[job]
		if !ok {
			path := key
			if !single {
				path = fmt.Sprintf("%s[%d]", key, i)
			}
			t.add(path, "there is no equivalent of the job %q; there is one of %s; leave the job or the file out, or write a rule of your own in YAML",
				job, known)
			continue
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// override reads what the rule says but for its guide.
func (t table) override() Override {
	o := Override{
		Enabled: cmp.Or(t.flag("enabled"), new(true)), RulesetName: new("custom"), License: cmp.Or(t.text("license"), new("")),
		Threshold: t.number("anomaly_threshold"), Severity: t.text("severity"), RiskScore: t.whole("risk_score"),
		Name: t.text("name"), Version: t.version(), UUID: t.text("rule_id"), Description: t.text("description"),
		Tags: t.texts("tags"), Threat: t.threats(),
	}
	if o.Description != nil {
		*o.Description = strings.Join(strings.Fields(*o.Description), " ") // its lines end where the file's do
	}
	for i, reference := range t.texts("references") {
		if !isAddress(reference) {
			t.add(fmt.Sprintf("references[%d]", i), "%q is not an address; write it with https://", reference)
		}
		if i == 0 {
			o.Reference = &reference
		}
	}
	t.check(&o)
	return o
}

func (t table) check(o *Override) {
	if (o.Name == nil || strings.TrimSpace(*o.Name) == "") && !t.refused("name") {
		t.add("name", "it is missing; alerts tell it")
	}
	if o.UUID == nil && !t.refused("rule_id") {
		t.add("rule_id", "it is missing; write the UUID that alerts are to name the rule by")
	}
	p := &problems{path: t.path}
	checkUUID(p, "rule_id", o.UUID)
	checkScore(p, "anomaly_threshold", o.Threshold)
	checkRiskScore(p, "risk_score", o.RiskScore)
	checkSeverity(p, "severity", o.Severity)
	checkThreats(p, "threat", o.Threat)
	t.problems.errs = append(t.problems.errs, p.errs...)
}

// checkTypes holds what is read only later, or not at all, against its types.
func (t table) checkTypes() {
	for _, key := range []string{"note", "setup", "interval", "from", "to"} {
		t.text(key)
	}
	for _, key := range []string{"false_positives", "author"} {
		t.texts(key)
	}
}

// version is a number or a text.
func (t table) version() *string {
	if n, ok := t.values["version"].(int64); ok {
		return new(strconv.FormatInt(n, 10))
	}
	return t.text("version")
}

func (t table) threats() []Threat {
	var threats []Threat
	for _, entry := range t.tables("threat") {
		threat := Threat{Framework: deref(entry.text("framework"))}
		if tactic, ok := entry.values["tactic"]; ok {
			threat.Tactic = tableOf(t.problems, entry.key("tactic"), tactic).behaviour()
		}
		for _, technique := range entry.tables("technique") {
			threat.Technique = append(threat.Technique, technique.behaviour())
			for _, sub := range technique.tables("subtechnique") {
				threat.Technique = append(threat.Technique, sub.behaviour())
			}
		}
		threats = append(threats, threat)
	}
	return threats
}

func (t table) behaviour() Behaviour {
	return Behaviour{ID: deref(t.text("id")), Name: deref(t.text("name")), Reference: deref(t.text("reference"))}
}
