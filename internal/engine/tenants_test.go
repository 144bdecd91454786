package engine_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
	"github.com/otel-exfil/exfil/internal/engine/internal/metadatatest"
)

// byTenant tells tenants apart.
func byTenant(cfg *config.Config) *config.Config {
	cfg.PartitionBy = &config.PartitionBy{ResourceAttribute: "tenant.id"}
	cfg.MaxTenants = 2
	return cfg
}

// ofTenants is each delivery once of each tenant, "" being the records that name none.
func ofTenants(deliveries []plog.Logs, tenants ...string) (all []plog.Logs) {
	for _, ld := range deliveries {
		for _, tenant := range tenants {
			own := plog.NewLogs()
			ld.CopyTo(own)
			if tenant != "" {
				own.ResourceLogs().At(0).Resource().Attributes().PutStr("tenant.id", tenant)
			}
			all = append(all, own)
		}
	}
	return all
}

// Given a collector of three tenants that is stopped and started again at any point, then the alerts of each are those of one that was
// not, to the last attribute, and no tenant has another's.
func TestARestartIsNotNoticedByTenants(t *testing.T) {
	traffic := func() []plog.Logs { return ofTenants(month(), "red", "blue", "") }
	straight := newWorld(t, byTenant(kept0()))
	for _, ld := range traffic() {
		straight.consume(ld)
		straight.tick()
	}
	want := attributes(straight.next.Alerts())
	thefts := map[any]int{}
	for _, lr := range straight.next.Alerts() {
		if v, ok := lr.Attributes().Get("exfil.entity.value"); ok && v.Str() == "4444" {
			tenant, _ := lr.Attributes().Get("exfil.tenant")
			thefts[tenant.Str()]++
		}
	}
	assert.Equal(t, map[any]int{"red": 1, "blue": 1, "": 1}, thefts)
	straight.shutdown()

	synctest.Test(t, func(t *testing.T) {
		s, got := newShelf(), [][]plog.LogRecord{}
		for part := range slices.Chunk(traffic(), 50) {
			w := life(t, byTenant(kept()), s)
			for _, ld := range part {
				w.consume(ld)
				w.tick()
			}
			w.shutdown()
			assert.Empty(t, w.log.All())
			got = append(got, w.next.Alerts())
			s = &shelf{client: s.client.Clone()}
		}
		assert.Equal(t, want, attributes(got...))
		assert.Len(t, slices.Concat(got...), len(want), "once each")
	})
}

// What is told of itself is summed up: one more tenant is not one more series.
func TestTenantsAreCounted(t *testing.T) {
	w := newWorld(t, byTenant(enginetest.Quick()))
	for _, ld := range ofTenants(enginetest.Ordinary(1)[:2], "red", "blue", "green", "") {
		w.consume(ld)
	}
	metadatatest.AssertEqualExfilTenants(t, w.telemetry, single(2), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilOverflowTenantFlows(t, w.telemetry, single(2*8), metricdatatest.IgnoreTimestamp())
	metadatatest.AssertEqualExfilBytes(t, w.telemetry, single(w.instance.Stats().Bytes), metricdatatest.IgnoreTimestamp())
	assert.EqualValues(t, 4*2*8, w.instance.Stats().Flows["leaves"])
	require.Len(t, w.log.FilterMessageSnippet("more tenants than max_tenants").All(), 1)
	w.shutdown()

	alone := newWorld(t, enginetest.Quick())
	_, err := alone.telemetry.GetMetric("otelcol_exfil_tenants")
	assert.Error(t, err, "where nobody is told apart there is nothing to count")
	alone.shutdown()
}
