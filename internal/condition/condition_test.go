package condition

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
)

func backup() *Record {
	r := plog.NewResourceLogs()
	r.Resource().Attributes().PutStr("deployment.environment.name", "prod")
	s := r.ScopeLogs().AppendEmpty()
	s.Scope().SetName("collector/conn")
	l := s.LogRecords().AppendEmpty()
	l.Attributes().PutStr("app", "backup-agent")
	l.Attributes().PutInt("vlan", 120)
	l.Body().SetStr("done")
	return &Record{r, s, l}
}

func TestConditionsAreAskedAboutTheRecord(t *testing.T) {
	for text, want := range map[string]bool{
		`log.attributes["app"] == "backup-agent"`:                               true,
		`log.attributes["app"] == "browser"`:                                    false,
		`log.attributes["nobody"] == "x"`:                                       false,
		`log.attributes["vlan"] >= 100 and log.attributes["vlan"] < 200`:        true,
		`resource.attributes["deployment.environment.name"] == "prod"`:          true,
		`not (resource.attributes["deployment.environment.name"] == "prod")`:    false,
		`instrumentation_scope.name == "collector/conn" and log.body == "done"`: true,
		`IsMatch(log.attributes["app"], "^backup-.*")`:                          true,
		`IsMatch(log.attributes["nobody"], ".*")`:                               false,
		`HasPrefix(log.attributes["app"], "backup")`:                            true,
		`HasSuffix(log.attributes["app"], "backup")`:                            false,
		`HasPrefix(log.attributes["vlan"], "12")`:                               true,
	} {
		condition, err := Parse([]string{text})
		require.NoError(t, err, text)
		assert.Equal(t, want, condition.Holds(backup()), text)
		assert.Zero(t, condition.Failures(), text)
	}
}

func TestOneOfSeveralConditionsSuffices(t *testing.T) {
	any, err := Parse([]string{`log.attributes["app"] == "browser"`, `log.attributes["vlan"] == 120`})
	require.NoError(t, err)
	assert.True(t, any.Holds(backup()))
}

// A condition that takes a text for a map neither holds nor stops the others.
func TestAConditionThatCannotBeEvaluatedDoesNotHold(t *testing.T) {
	any, err := Parse([]string{`log.attributes["app"]["name"] == "x"`, `log.attributes["vlan"] == 120`})
	require.NoError(t, err)
	assert.True(t, any.Holds(backup()))
	assert.EqualValues(t, 1, any.Failures())
}

func TestWrongConditionsAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		`attributes["app"] == "x"`:                              `log.attributes`,
		`log.colour == "x"`:                                     `colour`,
		`log.attributes["app"] =`:                               `[0]`,
		`IsMatch(log.attributes["app"], "(")`:                   `missing closing )`,
		`HasPrefix(log.attributes["app"], log.attributes["a"])`: `text in quotes`,
		`Sideways(log.attributes["app"])`:                       `Sideways`,
		`set(log.attributes["app"], "x")`:                       `[0]`,
		`HasPrefix(log.attributes["app"])`:                      `HasPrefix`,
	} {
		_, err := Parse([]string{text})
		require.ErrorIs(t, err, ErrInvalid, text)
		assert.ErrorContains(t, err, want, text)
	}
	_, err := Parse([]string{"one", "two"})
	assert.ErrorContains(t, err, `[0] "one"`)
	assert.ErrorContains(t, err, `[1] "two"`)
}

func BenchmarkHolds(b *testing.B) {
	condition, err := Parse([]string{`log.attributes["app"] == "backup-agent"`})
	require.NoError(b, err)
	record := backup()
	b.ReportAllocs()
	for b.Loop() {
		if !condition.Holds(record) {
			b.Fatal("it does not hold")
		}
	}
}
