package rule

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

func TestARuleFileSaysAllThatThereIsOfARule(t *testing.T) {
	rules := loaded(t, "testdata/rules.yaml")

	upload := find(t, rules, "large_upload_by_user")
	assert.Equal(t, Rule{
		ID: "large_upload_by_user", Enabled: true,
		By: []flow.Field{flow.User, flow.DestinationPort}, Details: [][]flow.Field{{flow.User, flow.DestinationPort, flow.Host}},
		Threshold: 80, Budget: 0.5, MinBytes: 50 << 20, MaxEntities: 20_000,
		Spans: []time.Duration{time.Hour, 6 * time.Hour}, SuppressFor: 12 * time.Hour,
		Severity: High, RiskScore: 70,
		Name: "A user uploads far more than ever", Version: "3", UUID: "6f0a4b0e-6b5c-4c0b-9d0e-0c1a52d8f6f1",
		Description: "One person sends more to a port than they ever did.", Category: "Insider",
		Reference: "https://wiki.example/uploads", License: "Apache-2.0", RulesetName: "our own",
		Tags:    []string{"Team: Network"},
		Guide:   Guide{Investigation: "Ask the user first.", FalsePositives: "Moves between projects.", Response: "Lock the account.\n"},
		Related: []Related{{ID: "42", Name: "Their rule", Note: "of the old product"}},
		Threat: []Threat{{
			Framework: "MITRE ATT&CK",
			Tactic:    Behaviour{ID: "TA0010", Name: "Exfiltration", Reference: "https://attack.mitre.org/tactics/TA0010/"},
			Technique: []Behaviour{{ID: "T1567", Name: "Exfiltration Over Web Service"}},
		}},
	}, upload)

	assert.Equal(t, 85.0, find(t, rules, "unusual_region").Threshold)
	assert.Equal(t, []flow.Field{flow.Process}, find(t, rules, "upload_by_process").By, "a second document is read, too")
}

func TestAnErrorNamesItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"# ours\n\nunusual_region:\n  # eager\n  threshold: 101\n":         "line 5: unusual_region.threshold: 101 is out of 0..100",
		"unusual_region:\n  severity: low\n  treshold: 80\n":               "line 3: unusual_region.treshold: there is no such key; correct it or remove it",
		"a: {by: [user.name]}\nb:\n  by:\n    - user.name\n    - planet\n": `line 5: b.by[1]: unknown field "planet"`,
		"a:\n  by: [user.name]\n  guide:\n    first: x\n":                  "line 4: a.guide.first: there is no such key",
		"a:\n  by: [user.name]\n  threat:\n    - framework: x\n":           "line 4: a.threat[0]: it needs a framework",
		"a:\n  by: [user.name]\n  threat:\n    - tactic: {colour: x}\n":    "line 4: a.threat[0].tactic.colour: there is no such key",
		"a:\n  by: [user.name]\n\n  threshold: much\n":                     "line 4: a.threshold: expected type 'float64', got unconvertible type 'string'",
		"a:\n  by: [user.name]\n  min_bytes: 1 furlong\n":                  `line 3: a.min_bytes: not a size in bytes: "1 furlong" has the unit`,
		"unusual_region: 5\n": "line 1: unusual_region: expected a map or struct",
		"a: {by: [user.name]}\n---\nb: {by: [host.name]}\n---\na: {threshold: 80}": "line 5: invalid setting: a: defined twice; keep one of them",
		"a: {by: [user.name]}\nb: {}\na: {}\n":                                     `line 3: mapping key "a" already defined at line 1`,
		"a:\n\tb\n":                                                                "line 2: found character",
		"a: {}\n---\nb: [\n":                                                       "line 3:",
		"x: &x\n  threshold: -5\nunusual_region: *x\n":                             "line 2: unusual_region.threshold: -5 is out of 0..100",
		"a:\n  by: [user.name]\n  windows: [3h, 5h]\n":                             "line 3: a.windows: 5h0m0s does not divide a day",
	} {
		path := write(t, t.TempDir(), "rules.yaml", text)
		_, err := LoadFiles([]string{path})
		require.ErrorIs(t, err, ErrInvalid, text)
		assert.ErrorContains(t, err, path+": ", text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestAllThatIsWrongWithAFileOfSeveralRulesIsTold(t *testing.T) {
	path := write(t, t.TempDir(), "rules.yaml", "a:\n  by: [planet]\n  threshold: -1\nb:\n  by: [user.name]\n  colour: red\n  size: 5\n---\nC: {}\n")
	_, err := LoadFiles([]string{path})
	require.ErrorIs(t, err, flow.ErrUnknownField)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 5, "%v", err)
	for i, want := range []string{"line 2: a.by[0]:", "line 3: a.threshold:", "line 6: b.colour:", "line 7: b.size:", `line 9: C: "C" is not a rule id`} {
		assert.Contains(t, lines[i], path+": "+want)
	}
}

// What shows only when all layers lie upon each other still names the file, if it is one file's fault.
func TestErrorsOfWhatFilesMakeTogetherNameTheFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "rules.yaml", "mine: {threshold: 80}\nyours: {by: [user.name], details: [[host.name]]}\n")
	overrides, err := LoadFiles([]string{filepath.Join(dir, "*")})
	require.NoError(t, err)
	_, err = Resolve(overrides)
	require.ErrorIs(t, err, ErrUnknownRule)
	assert.ErrorContains(t, err, path+`: mine: no such rule "mine"`)
	assert.ErrorContains(t, err, path+": yours.details[0]: [host.name] lacks user.name")

	_, err = Resolve(overrides, configured(t, "rules: {mine: {by: [host.name]}, yours: {details: [[process.name]]}}"))
	require.Error(t, err)
	assert.ErrorContains(t, err, "rules.yours.details[0]: [process.name] lacks user.name")
	assert.NotErrorIs(t, err, ErrUnknownRule)
	assert.True(t, errors.Is(err, ErrInvalid))
}
