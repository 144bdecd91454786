package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otel-exfil/exfil/internal/engine/enginetest"
	"github.com/otel-exfil/exfil/internal/engine/internal/metadatatest"
	"github.com/otel-exfil/exfil/internal/rule"
)

// named is a data point of something that has a name and an owner.
func named(n int64, key, name, owner string, more ...attribute.KeyValue) metricdata.DataPoint[int64] {
	all := append(office[:2:2], attribute.String(key, name), attribute.String("owner", owner))
	return metricdata.DataPoint[int64]{Attributes: attribute.NewSet(append(all, more...)...), Value: n}
}

func outcome(value string) attribute.KeyValue { return attribute.String("outcome", value) }

// allDays is a window that is always open.
func allDays(t *testing.T) rule.WhenConfig {
	t.Helper()
	w := rule.WhenConfig{RRule: "FREQ=DAILY", Duration: 24 * time.Hour}
	require.NoError(t, w.Start.UnmarshalText([]byte("2020-01-01")))
	return w
}

// Given a calendar that is over by the clock and one that is open, then what fell under each is told, and how they stand by the clock.
func TestCalendarsAreTold(t *testing.T) {
	var during rule.WhenConfig
	require.NoError(t, during.Start.UnmarshalText([]byte(enginetest.AfterDays(3).Format(time.DateOnly))))
	require.NoError(t, during.End.UnmarshalText([]byte(enginetest.AfterDays(4).Format(time.DateOnly))))
	cfg := enginetest.Quick()
	cfg.Calendars = []rule.CalendarConfig{
		{Name: "migration", Owner: "storage team", When: []rule.WhenConfig{during}},
		{Name: "audit", Match: rule.ExceptionMatchConfig{Ports: []any{9}}, When: []rule.WhenConfig{allDays(t)}},
	}
	w := newWorld(t, cfg)
	for _, hour := range enginetest.Ordinary(3) {
		w.consume(hour)
	}
	w.consume(enginetest.ECS(enginetest.Theft(3)))
	metadatatest.AssertEqualExfilCalendarFlows(t, w.telemetry, []metricdata.DataPoint[int64]{
		named(1, "calendar", "migration", "storage team", outcome("excepted")),
		named(0, "calendar", "migration", "storage team", outcome("above_ceiling")),
		named(0, "calendar", "audit", "", outcome("excepted")),
		named(0, "calendar", "audit", "", outcome("above_ceiling")),
	}, metricdatatest.IgnoreTimestamp())
	assert.Equal(t, map[string]int64{"excepted": 800_000_000}, nonZero(t, w, "otelcol_exfil_calendar_bytes"))
	metadatatest.AssertEqualExfilCalendars(t, w.telemetry, []metricdata.DataPoint[int64]{
		point("status", "open", 1), point("status", "waiting", 0), point("status", "ended", 1), point("status", "idle", 0),
	}, metricdatatest.IgnoreTimestamp())
	assert.Empty(t, w.instance.Stats().Alerts["unusual_destination_port"])
	w.shutdown()
}

// Given conditions that take a text for a map, then it is told of which exception or calendar they are, and what has none is
// not mentioned.
func TestConditionsThatCannotBeEvaluatedAreTold(t *testing.T) {
	wrong := rule.ExceptionMatchConfig{Conditions: []string{`log.attributes["destination.ip"]["name"] == "x"`}}
	fine := rule.ExceptionMatchConfig{Conditions: []string{`log.attributes["app"] == "backup"`}}
	cfg := enginetest.Quick()
	cfg.Exceptions = []rule.ExceptionConfig{
		{Name: "wrong", Owner: "ana", Match: wrong}, {Name: "fine", Match: fine}, {Name: "ports", Match: rule.ExceptionMatchConfig{Ports: []any{873}}},
	}
	cfg.Calendars = []rule.CalendarConfig{{Name: "wrong", Match: wrong, When: []rule.WhenConfig{allDays(t)}}}
	w := newWorld(t, cfg)
	w.consume(enginetest.ECS(enginetest.Theft(0)))
	w.consume(enginetest.ECS(enginetest.Theft(0)))
	metadatatest.AssertEqualExfilConditionFailures(t, w.telemetry, []metricdata.DataPoint[int64]{
		named(2, "exception", "wrong", "ana"), named(0, "exception", "fine", ""), named(2, "calendar", "wrong", ""),
	}, metricdatatest.IgnoreTimestamp())
	w.shutdown()
}
