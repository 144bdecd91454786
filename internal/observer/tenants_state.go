package observer

import (
	"errors"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/codec"
)

// Where tenants are told apart, the names of a tenant's shards begin with tenantsPrefix and five digits; the first of
// them has nothing else in its name, and says whose they are. Where they are not, nothing precedes the names.
const (
	tenantsPrefix = "tenants/"
	tenantDigits  = 5
)

// tenantVersion is that of the shard which says whose the others are, and the newest that can be read.
const tenantVersion = 1

// errNobodys is wrapped by the error about shards of which it is not known whose they are.
var errNobodys = errors.New("whose it is was lost")

// shardsOf returns what the names of the shards of the i-th tenant begin with.
func (p *partition) shardsOf(i int) string {
	if !p.apart() {
		return ""
	}
	return fmt.Sprintf("%s%0*d", tenantsPrefix, tenantDigits, i)
}

// shardName returns the name of a tenant's shard, of which own is what it would be without tenants.
func shardName(prefix, own string) string {
	if prefix == "" || own == "" {
		return prefix + own
	}
	return prefix + "/" + own
}

// cutTenant parts what the name of a shard begins with from what it would be without tenants.
func cutTenant(name string) (prefix, own string, ok bool) {
	const n = len(tenantsPrefix) + tenantDigits
	if !strings.HasPrefix(name, tenantsPrefix) || len(name) < n {
		return "", name, false
	}
	return name[:n], strings.TrimPrefix(name[n:], "/"), true
}

// tenant takes over whose the shards are whose names begin with prefix.
func (l *Loader) tenant(prefix string, data []byte) error {
	r := codec.NewReader(data)
	r.Version(tenantVersion, "a tenant")
	apart := partition{attribute: r.Text(), metadata: r.Text()}
	name := r.Text()
	if err := r.End(); err != nil {
		return err
	}
	if apart != l.observer.partition {
		l.misfit = "tenants by " + apart.String()
		l.loading[prefix] = nil
		return nil
	}
	return l.begin(prefix, name)
}

// stray is a shard that nobody takes: of a snapshot that tells others apart, of a later version, or of a tenant whose name was lost.
func (l *Loader) stray(prefix, own string) error {
	if prefix == "" {
		if own == alertsShard || strings.HasPrefix(own, totalsPrefix) { // which each snapshot has
			l.misfit = "all traffic as one"
		}
		return nil
	}
	if _, told := l.loading[prefix]; !told && l.observer.partition.apart() {
		return fmt.Errorf("%s: %w: %w", own, errNobodys, codec.ErrMalformed)
	}
	return nil
}

// String names what tenants are told apart by, as the configuration does.
func (p *partition) String() string {
	if p.metadata != "" {
		return "client_metadata " + p.metadata
	}
	return "resource_attribute " + p.attribute
}

// tellMisfits makes known what of a snapshot has no place any more.
func (l *Loader) tellMisfits() {
	o := l.observer
	if l.misfit != "" {
		now := "all traffic is one"
		if o.partition.apart() {
			now = "tenants are told apart by " + o.partition.String()
		}
		o.tellLost(fmt.Sprintf("The state is of %s, and now %s; what is usual is learned anew.", l.misfit, now))
	}
	if l.surplus > 0 {
		o.tellLost(fmt.Sprintf("max_tenants leaves no room for %d tenants of the state; what they share is learned anew.", l.surplus))
	}
}

// tellLost logs what is lost and tells it.
func (o *Observer) tellLost(detail string) {
	o.logger.Warn("A part of the state is not used", zap.String("detail", detail))
	o.TellLost(detail)
}
