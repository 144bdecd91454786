package rule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loaded resolves the rules of files as a configuration that names them would.
func loaded(t *testing.T, globs ...string) []Rule {
	t.Helper()
	overrides, err := LoadFiles(globs)
	require.NoError(t, err)
	rules, err := Resolve(overrides)
	require.NoError(t, err)
	return rules
}

func TestATeamKeepsItsForkOfThePrebuiltRules(t *testing.T) {
	rules := loaded(t, "testdata/prebuilt/*.toml")
	builtIn := builtins(t)

	port := find(t, rules, "unusual_destination_port")
	assert.True(t, port.Enabled)
	assert.Equal(t, builtIn[port.ID].By, port.By, "what is watched is the built-in rule's")
	assert.Equal(t, builtIn[port.ID].Details, port.Details)
	assert.Equal(t, builtIn[port.ID].Related, port.Related)
	assert.Equal(t, 80.0, port.Threshold)
	assert.Equal(t, Medium, port.Severity)
	assert.Equal(t, 47, port.RiskScore)
	assert.Equal(t, "Potential Data Exfiltration Activity to an Unusual Destination Port", port.Name)
	assert.Equal(t, "ef8cc01c-fc49-4954-a175-98569c646740", port.UUID)
	assert.Equal(t, "More bytes than ever go to a port of the outside world that this organisation hardly uses. "+
		"Our servers speak 443 and 22 to partners; everything else deserves a look.", port.Description, "in one line")
	assert.Equal(t, "Apache-2.0", port.License)
	assert.Equal(t, "custom", port.RulesetName)
	assert.Equal(t, "https://wiki.example/exfiltration", port.Reference)
	assert.Equal(t, []string{"Team: Network", "Tactic: Exfiltration"}, port.Tags)
	require.Len(t, port.Threat, 2)
	assert.Equal(t, "TA0010", port.Threat[0].Tactic.ID)
	assert.Equal(t, []Behaviour{
		{"T1048", "Exfiltration Over Alternative Protocol", "https://attack.mitre.org/techniques/T1048/"},
		{"T1048.003", "Exfiltration Over Unencrypted Non-C2 Protocol", "https://attack.mitre.org/techniques/T1048/003/"},
	}, port.Threat[0].Technique)
	assert.Equal(t, "TA0011", port.Threat[1].Tactic.ID)

	region := find(t, rules, "unusual_region")
	assert.Equal(t, 75.0, region.Threshold)
	assert.Equal(t, "bfba5158-1fd6-4937-a205-77d96213b341", region.UUID)
	assert.Equal(t, builtIn[region.ID].Guide, region.Guide, "a file without a note keeps the built-in guide")
	assert.Empty(t, region.License, "whose words they are is not known")
	assert.Equal(t, "https://wiki.example/exfiltration", region.Reference)

	assert.Equal(t, builtIn["unusual_country"], find(t, rules, "unusual_country"))
}

func TestANoteIsPartedAtItsHeadings(t *testing.T) {
	guide := find(t, loaded(t, "testdata/prebuilt/*.toml"), "unusual_destination_port").Guide
	assert.Equal(t, `## Triage

Ask the owner of the sending host.

### First steps

- Look at the port, then at who listens there.

`+"```\n# not a heading\nss -tnp\n```"+`

References:

- https://wiki.example/ports`, guide.Investigation)
	assert.Equal(t, `- The quarterly copy to the archive, which uses a port of its own.
- Tests of the video conference.

- Backups in their first run.

#### Of the labs

- The labs try every port there is.`, guide.FalsePositives)
	assert.Equal(t, "- Cut the host off.", guide.Response)
}

// A part ends with the next heading of its level or above.
func TestAPartOfANoteEndsWithTheNextHeading(t *testing.T) {
	investigation, falsePositives, response := parts(
		"# Title\n## Response\na\n### Of the night shift\nb\n## Afterwards\nc\n## False positives\nd\n# Appendix\ne\n####### no heading\n#neither\n")
	assert.Equal(t, "# Title\n## Afterwards\nc\n# Appendix\ne\n####### no heading\n#neither", investigation)
	assert.Equal(t, "d", falsePositives)
	assert.Equal(t, "a\n### Of the night shift\nb", response)
}

// prebuilt is a rule of which a test changes lines: those of the keys that it names.
func prebuilt(lines ...string) string {
	all := []string{
		`type = "machine_learning"`, `machine_learning_job_id = "ded_high_sent_bytes_destination_ip"`,
		`name = "Much to one address"`, `rule_id = "cc653d77-ddd2-45b1-9197-c75ad19df66c"`,
	}
	for _, line := range lines {
		key, _, _ := strings.Cut(line, " ")
		replaced := false
		for i := range all {
			if strings.HasPrefix(all[i], key+" =") {
				all[i], replaced = line, true
			}
		}
		if !replaced {
			all = append(all, line)
		}
	}
	return "[metadata]\nmaturity = \"production\"\n[rule]\n" + strings.Join(all, "\n") + "\n"
}

func TestAFileInAFoldersOfRulesTurnsItsRuleOn(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "ip.toml", prebuilt())
	address := find(t, loaded(t, path), "unusual_destination_ip")
	assert.True(t, address.Enabled, "it is off unless somebody asks for it")
	assert.Equal(t, builtins(t)[address.ID].Threshold, address.Threshold, "what a file does not say stays")
	assert.Equal(t, builtins(t)[address.ID].Tags, address.Tags)

	write(t, dir, "ip.toml", prebuilt("enabled = false", "version = 7", "anomaly_threshold = 82.5"))
	address = find(t, loaded(t, path), "unusual_destination_ip")
	assert.False(t, address.Enabled)
	assert.Equal(t, "7", address.Version)
	assert.Equal(t, 82.5, address.Threshold)

	overrides, err := LoadFiles([]string{path})
	require.NoError(t, err)
	rules, err := Resolve(overrides, configured(t, "rules: {unusual_destination_ip: {threshold: 60}}"))
	require.NoError(t, err)
	assert.Equal(t, 60.0, find(t, rules, "unusual_destination_ip").Threshold, "the configuration wins")
}

func TestARuleOverTwoJobsIsTwoRules(t *testing.T) {
	path := write(t, t.TempDir(), "both.TOML", prebuilt(
		`machine_learning_job_id = ["ded_high_sent_bytes_destination_ip", "ded_high_sent_bytes_destination_geo_country_iso_code", "ded_high_sent_bytes_destination_ip"]`,
		`anomaly_threshold = 90`, `references = ["https://a.example", "https://b.example"]`))
	rules := loaded(t, path)
	for id, field := range map[string]string{"unusual_destination_ip": "address", "unusual_country": "country"} {
		r := find(t, rules, id)
		assert.True(t, r.Enabled, id)
		assert.Equal(t, 90.0, r.Threshold, id)
		assert.Equal(t, "Much to one address", r.Name, id)
		assert.Contains(t, r.Guide.Investigation, builtins(t)[id].Guide.Investigation[:100], "%s keeps the guide that speaks of its %s", id, field)
		assert.True(t, strings.HasSuffix(r.Guide.Investigation, "References:\n\n- https://b.example"), id)
	}
}

func TestWhatCannotBeTakenOverIsRefusedWithTheReason(t *testing.T) {
	const jobs = "ded_high_sent_bytes_destination_geo_country_iso_code, ded_high_sent_bytes_destination_ip, " +
		"ded_high_sent_bytes_destination_port, ded_high_sent_bytes_destination_region_name"
	const types = "exfil runs rules of type machine_learning over jobs that it has an equivalent of, and no others; leave this file out of rule_files"
	for text, want := range map[string]string{
		"":                             "rule: it is missing, so that this is no detection rule; write [rule] and its keys below, or end the name of a file of YAML in .yaml",
		"unusual_region: {}":           "line 1, column 15: invalid setting: toml:",
		"rule = 5":                     "rule: it is a whole number; write a table",
		"[[rule]]\nname = 'a'":         "rule: it is a list; write a table",
		"[rule]\nname = \"a":           "line 2, column",
		"metadata = 'x'\n[rule]":       "metadata: it is a text; write a table",
		"[rule]\nquery = 'any'":        "rule.type: it is missing; " + types,
		prebuilt(`type = "query"`):     `rule.type: "query" cannot be taken over; ` + types,
		prebuilt(`type = "eql"`):       `rule.type: "eql" cannot be taken over; ` + types,
		prebuilt(`type = "new_terms"`): `rule.type: "new_terms" cannot be taken over; ` + types,
		prebuilt(`type = 5`):           "rule.type: it is a whole number; write a text",
		prebuilt(`machine_learning_job_id = "ded_rare_process_writing_to_external_device"`): `rule.machine_learning_job_id: there is no equivalent of the job "ded_rare_process_writing_to_external_device"; there is one of ` +
			jobs + "; leave the job or the file out, or write a rule of your own in YAML",
		prebuilt(`machine_learning_job_id = ["ded_high_sent_bytes_destination_ip", "dga_high_sum_probability"]`): `rule.machine_learning_job_id[1]: there is no equivalent of the job "dga_high_sum_probability"; there is one of ` + jobs,
		prebuilt(`machine_learning_job_id = []`):                 "rule.machine_learning_job_id: it names no job; write one of " + jobs + ", or several as a list",
		prebuilt(`machine_learning_job_id = 7`):                  "rule.machine_learning_job_id: it is a whole number; write a list of texts",
		"[rule]\ntype = 'machine_learning'":                      "rule.machine_learning_job_id: it names no job; write one of " + jobs + ", or several as a list",
		"[rule]\ntype = 'machine_learning'\nname = 'a'":          "rule.rule_id: it is missing; write the UUID that alerts are to name the rule by",
		"[rule]\ntype = 'machine_learning'\nrule_id = 'a'":       "rule.name: it is missing; alerts tell it",
		prebuilt(`rule_id = "seven"`):                            `rule.rule_id: "seven" is not a UUID; write it as 01234567-89ab-4cde-8f01-23456789abcd`,
		prebuilt(`rule_id = 7`):                                  "rule.rule_id: it is a whole number; write a text",
		prebuilt(`name = "  "`):                                  "rule.name: it is missing; alerts tell it",
		prebuilt(`anomaly_threshold = 101`):                      "rule.anomaly_threshold: 101 is out of 0..100",
		prebuilt(`anomaly_threshold = nan`):                      "rule.anomaly_threshold: NaN is out of 0..100",
		prebuilt(`anomaly_threshold = "75"`):                     "rule.anomaly_threshold: it is a text; write a number",
		prebuilt(`risk_score = 9223372036854775807`):             "is out of 0..100",
		prebuilt(`risk_score = 21.5`):                            "rule.risk_score: it is a number; write a whole number",
		prebuilt(`severity = "urgent"`):                          `rule.severity: "urgent" is none of low, medium, high, critical`,
		prebuilt(`enabled = "yes"`):                              "rule.enabled: it is a text; write true or false",
		prebuilt(`description = ["a"]`):                          "rule.description: it is a list; write a text",
		prebuilt(`tags = "Tactic: Exfiltration"`):                "rule.tags: it is a text; write a list of texts",
		prebuilt(`tags = ["a", 5]`):                              "rule.tags[1]: it is a whole number; write a text",
		prebuilt(`references = ["https://a.example", "b"]`):      `rule.references[1]: "b" is not an address; write it with https://`,
		prebuilt(`false_positives = {a = "b"}`):                  "rule.false_positives: it is a table; write a list of texts",
		prebuilt(`note = 2026-02-11`):                            "rule.note: it is a date or time; write a text",
		prebuilt(`interval = 15`):                                "rule.interval: it is a whole number; write a text",
		prebuilt(`author = "us"`):                                "rule.author: it is a text; write a list of texts",
		prebuilt(`license = true`):                               "rule.license: it is true or false; write a text",
		prebuilt(`version = 1.5`):                                "rule.version: it is a number; write a text",
		prebuilt(`threat = {framework = "MITRE ATT&CK"}`):        "rule.threat: it is a table; write a list of tables, as [[rule.threat]]",
		prebuilt(`threat = ["TA0010"]`):                          "rule.threat[0]: it is a text; write a table",
		prebuilt(`threat = [{framework = "MITRE ATT&CK"}]`):      "rule.threat[0]: it needs a framework and a tactic.id, such as MITRE ATT&CK and TA0010",
		prebuilt(`threat = [{tactic = "TA0010"}]`):               "rule.threat[0].tactic: it is a text; write a table",
		prebuilt(`threat = [{technique = [{id = 1041}]}]`):       "rule.threat[0].technique[0].id: it is a whole number; write a text",
		"a = " + strings.Repeat("[", 100_000):                    "nested more than",
		"[rule]\nname = 'a'\nname = 'b'":                         "invalid setting: toml:",
		"[rule]\nname = \"\xff\"":                                "invalid setting: toml:",
		"[" + strings.Repeat("a.", 100_000) + "b]\n[rule]\nx=1 ": "rule.type: it is missing",
	} {
		path := write(t, t.TempDir(), "rule.toml", text)
		_, err := LoadFiles([]string{path})
		require.ErrorIs(t, err, ErrInvalid, "%.80q", text)
		assert.ErrorContains(t, err, want, "%.200q", text)
		for _, line := range strings.Split(err.Error(), "\n") {
			assert.True(t, strings.HasPrefix(line, path+": "), "every error names the file: %s", line)
		}
	}
}

func TestAllThatIsWrongWithAFileIsTold(t *testing.T) {
	path := write(t, t.TempDir(), "rule.toml", prebuilt(
		`machine_learning_job_id = "other"`, "anomaly_threshold = -1", `severity = "grave"`, "note = 1", `name = 4`))
	_, err := LoadFiles([]string{path})
	require.Error(t, err)
	assert.Len(t, strings.Split(err.Error(), "\n"), 5, "%v", err)
}

func TestTwoFilesOfOneJobCollide(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.toml", prebuilt())
	write(t, dir, "b.yaml", "unusual_destination_ip: {threshold: 80}\n")
	_, err := LoadFiles([]string{filepath.Join(dir, "*")})
	require.ErrorIs(t, err, ErrDuplicate)
	assert.ErrorContains(t, err, filepath.Join(dir, "b.yaml")+": unusual_destination_ip: defined twice, first in "+filepath.Join(dir, "a.toml"))
}

// The equivalents are rules that are built in, by the field that the job sums over.
func TestEveryEquivalentIsBuiltIn(t *testing.T) {
	rules := builtins(t)
	for job, id := range equivalents {
		assert.Contains(t, rules, id, job)
	}
	assert.Len(t, equivalents, len(rules))
}

func FuzzPrebuiltRule(f *testing.F) {
	for _, name := range []string{"destination_port.toml", "destination_region_name.toml"} {
		text, err := os.ReadFile(filepath.Join("testdata/prebuilt", name))
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte(prebuilt(`threat = [{framework = "x", tactic = {id = "y"}, technique = [{subtechnique = [{}]}]}]`)))
	f.Add([]byte(prebuilt("note = '''\n# False positives\n```\n## Response\n####### x'''", `references = ["https://a", "https://b"]`)))
	f.Add([]byte("[rule]\ntype = 5"))
	f.Fuzz(func(t *testing.T, text []byte) {
		overrides, errs := readPrebuilt(text)
		if len(errs) > 0 {
			return
		}
		rules, err := Resolve(overrides)
		if err != nil {
			t.Fatalf("%q is accepted, but makes %v", text, err)
		}
		for _, r := range rules {
			if len(r.By) == 0 || !(r.Threshold >= 0 && r.Threshold <= 100) || r.UUID == "" || r.Name == "" || r.Severity.Rank() < 0 {
				t.Fatalf("%q made the rule %+v", text, r)
			}
		}
	})
}
