package observer

import (
	"context"
	"strings"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/flow"
)

// partition says whose a record is. The zero partition tells nobody apart.
type partition struct {
	attribute string // of the resource that names the tenant; "": resources do not
	metadata  string // of the client that names the tenant; "": clients do not
}

func partitionOf(cfg *config.Config) partition {
	if cfg.PartitionBy == nil {
		return partition{}
	}
	return partition{attribute: cfg.PartitionBy.ResourceAttribute, metadata: cfg.PartitionBy.ClientMetadata}
}

// apart says whether tenants are told apart.
func (p *partition) apart() bool { return p.attribute != "" || p.metadata != "" }

// ofResource returns the name of the tenant that a resource's records are of, "" if it names none. Nothing is allocated for
// a name that can be shown as it is.
func (p *partition) ofResource(r pcommon.Resource) string {
	v, ok := r.Attributes().Get(p.attribute)
	if !ok {
		return ""
	}
	if v.Type() == pcommon.ValueTypeStr {
		return flow.Name(v.Str())
	}
	return flow.Name(v.AsString())
}

// ofClient returns the name of the tenant that a delivery is of, "" if its client names none. Of several values the first counts.
func (p *partition) ofClient(ctx context.Context) string {
	values := client.FromContext(ctx).Metadata.Get(p.metadata)
	if len(values) == 0 {
		return ""
	}
	return flow.Name(values[0])
}

// deliver returns the context in which what is told of a tenant is delivered: where clients name it, the tenant's is the
// only metadata there is, for whoever's delivery brought it about. Those that no client names have none.
func (p *partition) deliver(ctx context.Context, t *alert.Tenant) context.Context {
	if p.metadata == "" {
		return ctx
	}
	var info client.Info
	if t.Attribute != "" {
		info.Metadata = client.NewMetadata(map[string][]string{p.metadata: {t.Name}})
	}
	return client.NewContext(ctx, info)
}

// identity returns what alerts tell of the tenant of a name; nil where tenants are not told apart. Those that records do not name,
// or not by their name, have no attribute of the resource.
func (p *partition) identity(name string) *alert.Tenant {
	if !p.apart() {
		return nil
	}
	t := &alert.Tenant{Name: strings.Clone(name)}
	if name != "" && name != flow.OverflowName {
		t.Attribute = p.attribute + p.metadata // one of them
	}
	return t
}
