package config

import "strings"

// mostTenants is bounded by how many parts a checkpoint may have: a tenant that knows little takes some twenty of 16,384.
const mostTenants = 500

// PartitionBy says by what tenants are told apart; one of the two.
type PartitionBy struct {
	// ResourceAttribute is the key of an attribute of resources whose value names the tenant.
	ResourceAttribute string `mapstructure:"resource_attribute"`
	// ClientMetadata is the key of the metadata of clients whose value names the tenant, such as an HTTP header.
	ClientMetadata string `mapstructure:"client_metadata"`
}

// Key is what tenants are told apart by, whichever it is.
func (p *PartitionBy) Key() string { return p.ResourceAttribute + p.ClientMetadata }

func (c *Config) checkTenants(p *problems) {
	if c.MaxTenants < 1 || c.MaxTenants > mostTenants {
		p.add("max_tenants", "%d is out of range; 1 to %d tenants, 100 is the usual", c.MaxTenants, mostTenants)
	}
	by := c.PartitionBy
	if by == nil {
		return
	}
	switch {
	case by.ResourceAttribute != "" && by.ClientMetadata != "":
		p.add("partition_by", "resource_attribute %q and client_metadata %q are one too many; keep the one that names the tenant",
			by.ResourceAttribute, by.ClientMetadata)
	case by.Key() == "":
		p.add("partition_by", "it names nothing to tell tenants apart by; write resource_attribute or client_metadata, or remove it")
	}
	checkTenantKey(p, "partition_by.resource_attribute", by.ResourceAttribute, "tenant.id")
	checkTenantKey(p, "partition_by.client_metadata", by.ClientMetadata, "x-scope-orgid")
}

func checkTenantKey(p *problems, path, key, such string) {
	if key != strings.TrimSpace(key) {
		p.add(path, "%q begins or ends with a space; write the key as it is, such as %s", key, such)
	}
}
