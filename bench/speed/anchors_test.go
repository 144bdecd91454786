package speed

import (
	"context"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/cumulativetodeltaprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/groupbyattrsprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
)

// rival is a processor that others run on the same records, with a configuration that does one thing.
type rival struct {
	name    string
	factory processor.Factory
	config  map[string]any
}

func rivals() []rival {
	return []rival{
		{"filter", filterprocessor.NewFactory(), map[string]any{
			"error_mode": "ignore", "logs": map[string]any{"log_record": []any{`attributes["destination.port"] == 99999`}},
		}},
		{"attributes", attributesprocessor.NewFactory(), map[string]any{
			"actions": []any{map[string]any{"key": "team", "value": "blue", "action": "upsert"}},
		}},
		{"transform", transformprocessor.NewFactory(), map[string]any{
			"error_mode": "ignore", "log_statements": []any{map[string]any{"context": "log", "statements": []any{`set(attributes["team"], "blue")`}}},
		}},
		{"group_by_attrs", groupbyattrsprocessor.NewFactory(), map[string]any{"keys": []any{"destination.port"}}},
	}
}

// start makes the rival and starts it before a consumer that does nothing.
func (r *rival) start(b *testing.B) processor.Logs {
	b.Helper()
	return started(b, r.factory, configured(b, r.factory, r.config))
}

func cumulativeToDelta(b *testing.B) processor.Metrics {
	b.Helper()
	f := cumulativetodeltaprocessor.NewFactory()
	p, err := f.CreateMetrics(context.Background(), processortest.NewNopSettings(f.Type()), configured(b, f, nil), consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, p.Start(context.Background(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, p.Shutdown(context.Background())) })
	return p
}

func configured(b *testing.B, f component.Factory, settings map[string]any) component.Config {
	b.Helper()
	cfg := f.CreateDefaultConfig()
	require.NoError(b, confmap.NewFromStringMap(settings).Unmarshal(cfg))
	return cfg
}

// pass reads every attribute of a batch once and does nothing with them.
func pass(ld plog.Logs) (length int) {
	resources := ld.ResourceLogs()
	for i := range resources.Len() {
		scopes := resources.At(i).ScopeLogs()
		for j := range scopes.Len() {
			records := scopes.At(j).LogRecords()
			for k := range records.Len() {
				length += passMap(records.At(k).Attributes())
				if body := records.At(k).Body(); body.Type() == pcommon.ValueTypeMap {
					length += passMap(body.Map())
				}
			}
		}
	}
	return length
}

func passMap(m pcommon.Map) (length int) {
	m.Range(func(key string, v pcommon.Value) bool {
		length += len(key)
		switch v.Type() {
		case pcommon.ValueTypeStr:
			length += len(v.Str())
		case pcommon.ValueTypeInt:
			length += int(v.Int() & 1)
		}
		return true
	})
	return length
}
