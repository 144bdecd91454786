package enginetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
)

// alertOf is an alert on an entity.
func alertOf(entity string) plog.Logs {
	ld := plog.NewLogs()
	scope := ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty()
	scope.Scope().SetName(alert.ScopeName)
	lr := scope.LogRecords().AppendEmpty()
	lr.SetEventName(alert.EventAnomaly)
	lr.Attributes().PutStr("exfil.entity.value", entity)
	return ld
}

func TestADownstreamKeepsDataAndAlertsApart(t *testing.T) {
	var d Downstream
	require.NoError(t, d.ConsumeLogs(t.Context(), ECS(Theft(0))))
	require.NoError(t, d.ConsumeLogs(t.Context(), alertOf("443")))
	assert.Len(t, d.Data(), 1)
	assert.Equal(t, []string{"443"}, d.Anomalies())
	assert.Empty(t, d.Statuses())
}

func TestADownstreamRefusesWhatItIsTold(t *testing.T) {
	d := Downstream{RefuseAlerts: ErrRefused, Vandal: true}
	data, refused := ECS(Theft(0)), alertOf("443")
	require.NoError(t, d.ConsumeLogs(t.Context(), data))
	require.ErrorIs(t, d.ConsumeLogs(t.Context(), refused), ErrRefused)
	assert.Zero(t, data.LogRecordCount()+refused.LogRecordCount(), "both are spoilt")
	assert.Equal(t, []plog.Logs{alertOf("443")}, d.Refused())

	d.Set(func(d *Downstream) { d.RefuseAlerts, d.RefuseData = nil, ErrRefused })
	require.NoError(t, d.ConsumeLogs(t.Context(), alertOf("443")))
	require.ErrorIs(t, d.ConsumeLogs(t.Context(), ECS(Theft(0))), ErrRefused)
	assert.True(t, d.Capabilities().MutatesData)
}

func TestADownstreamHangsUntilItsContextEnds(t *testing.T) {
	d := Downstream{Hang: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.ConsumeLogs(ctx, alertOf("443")) }()
	<-d.Hang
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	assert.Empty(t, d.Alerts())
}

func TestTheClockGoesWhenItIsMoved(t *testing.T) {
	c := NewClock()
	before := c.Now()
	assert.True(t, before.After(AfterDays(30)), "no traffic of a test is from the future")
	c.Advance(time.Hour)
	assert.Equal(t, before.Add(time.Hour), c.Now())
	ticks, stop := c.Every(time.Second)
	assert.Nil(t, ticks)
	stop()
}

// Whichever way they are told, the connections are the same.
func TestLogsAndCountersTellTheSameBytes(t *testing.T) {
	var sent int64
	for _, c := range Connections(1)[0] {
		sent += c.Bytes
	}
	var told int64
	records := Ordinary(1)[0].ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
	for _, lr := range records.All() {
		bytes, _ := lr.Attributes().Get("source.bytes")
		told += bytes.Int()
	}
	assert.Equal(t, sent, told)

	for _, meter := range []*Meter{{}, {Cumulative: true}} {
		var counted, before int64
		for range 2 {
			last := map[string]int64{}
			points := meter.Export(Connections(1)[0]...).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints()
			counted = 0
			for _, p := range points.All() {
				source, _ := p.Attributes().Get("src.address")
				last[source.Str()] = p.IntValue()
			}
			for _, n := range last {
				counted += n
			}
			if meter.Cumulative {
				counted, before = counted-before, counted
			}
			assert.Equal(t, sent, counted)
		}
	}
}
