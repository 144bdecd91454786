package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer/consumertest"

	"github.com/otel-exfil/exfil/exfilconnector"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// Given the running totals of a day that is one window, when the collector is killed at random moments, then no byte counts
// twice, and no more is missing than what was sent since the last checkpoint before each kill. Given that it is stopped
// instead, then every byte counts once.
func TestCountersThroughKillsAndStops(t *testing.T) {
	t.Parallel()
	random := seed(t)
	const days = 2 // one to learn, one to count
	s := newStream(t, days, 24*hour, newWitness(t)).asTotals()
	s.live(t, perDay)
	stopped := s.branch(t, newWitness(t))
	sent := int64(0)
	for n := perDay; n < days*perDay; n++ {
		sent += bytesOf(n)
	}

	stopped.disturbed(t, random, days*perDay)
	assert.Equal(t, sent, stateIn(t, stopped.storage).counted(t, days))

	s.pace = pace
	_, costs := s.killed(t, moments(random, kills()/4, perDay))
	s.live(t, days*perDay)
	missing := int64(0)
	for _, c := range costs {
		missing += c.bytes()
	}
	counted := stateIn(t, s.storage).counted(t, days)
	report(t, s, costs)
	t.Logf("of %d bytes %d were counted", sent, counted)
	assert.LessOrEqual(t, counted, sent, "nothing twice")
	assert.GreaterOrEqual(t, counted, sent-missing)
	require.Less(t, missing, sent, "or that says nothing")
}

// bytes is all that the collector was killed in or had acknowledged, and that it does not know of.
func (l loss) bytes() (sum int64) {
	for _, r := range l.tries {
		sum += bytesOf(r.delivery)
	}
	return sum
}

// counted is what a state has counted in the last of so many days, to all ports: what a connector in this process says that goes
// on from it when the day's window closes.
func (s *state) counted(t *testing.T, days int) (sum int64) {
	t.Helper()
	f := exfilconnector.NewFactory()
	cfg := f.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{
		"windows": []any{"24h"}, "warm_up": "24h", "max_clock_skew": "87600h", "storage": storageID.String(),
	}).Unmarshal(cfg))
	sink := &consumertest.MetricsSink{}
	c, err := f.CreateLogsToMetrics(t.Context(), connectortest.NewNopSettings(f.Type()), cfg, sink)
	require.NoError(t, err)
	require.NoError(t, c.Start(t.Context(), &shelf{client: s.client.Clone()}))
	end := enginetest.AfterDays(days)
	require.NoError(t, c.ConsumeLogs(t.Context(), enginetest.ECS(enginetest.Sent{At: end, Host: "ws-11", Port: 443, Bytes: 1})))
	require.NoError(t, c.Shutdown(t.Context()))
	for _, md := range sink.AllMetrics() {
		for _, metric := range md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() != "exfil.window.bytes" {
				continue
			}
			for _, p := range metric.Gauge().DataPoints().All() {
				rule, _ := p.Attributes().Get("exfil.rule.id")
				if rule.Str() == "unusual_destination_port" {
					sum += p.IntValue()
				}
			}
		}
	}
	return sum
}
