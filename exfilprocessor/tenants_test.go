package exfilprocessor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// Given clients that name their tenant, when one is robbed, then the records pass under the name of whoever sent them, and each alert
// under that of the tenant that it is about.
func TestAlertsLeaveInTheNameOfTheirTenant(t *testing.T) {
	const key = "x-scope-orgid"
	cfg := enginetest.Quick()
	cfg.PartitionBy = &config.PartitionBy{ClientMetadata: key}
	from := func(tenant string) context.Context {
		return client.NewContext(t.Context(), client.Info{Metadata: client.NewMetadata(map[string][]string{key: {tenant}})})
	}
	passed, found := map[string]int{}, map[string][]string{}
	next, err := consumer.NewLogs(func(ctx context.Context, ld plog.Logs) error {
		tenant := client.FromContext(ctx).Metadata.Get(key)
		require.Len(t, tenant, 1)
		scope := ld.ResourceLogs().At(0).ScopeLogs().At(0)
		if scope.Scope().Name() != alert.ScopeName {
			passed[tenant[0]] += scope.LogRecords().Len()
			return nil
		}
		for _, lr := range scope.LogRecords().All() {
			told, _ := lr.Attributes().Get("exfil.tenant")
			assert.Equal(t, tenant[0], told.Str())
			if v, ok := lr.Attributes().Get("exfil.entity.value"); ok {
				found[tenant[0]] = append(found[tenant[0]], v.Str())
			}
		}
		return nil
	})
	require.NoError(t, err)
	w := emptyWorld(t)
	w.processor = w.instance(cfg, next)
	w.start(w.processor)
	for _, hour := range enginetest.Ordinary(3) {
		for _, tenant := range []string{"red", "blue"} {
			require.NoError(t, w.processor.ConsumeLogs(from(tenant), hour))
		}
	}
	require.NoError(t, w.processor.ConsumeLogs(from("red"), enginetest.ECS(enginetest.Theft(3))))
	w.shutdown()
	assert.Equal(t, map[string]int{"red": 3*24*8 + 1, "blue": 3 * 24 * 8}, passed)
	assert.Contains(t, found["red"], "4444")
	assert.Empty(t, found["blue"])
}
