package observer

import (
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/otel-exfil/exfil/internal/flow"
)

// unnamedTenants are those beside max_tenants: of the records that name none, and of those who found no room.
const unnamedTenants = 2

// tenants are those whose traffic is told apart. They come with their first delivered record and stay; beyond max_tenants, all who
// come share one more, named flow.OverflowName. They are safe for concurrent use.
type tenants struct {
	shared *shared
	rest   *tenant // of the records that name no tenant or, where none are told apart, of all
	over   *tenant // of those who found no room; nil where none are told apart

	mu    sync.RWMutex
	named map[string]*tenant
	all   []*tenant // in the order in which they came; appended to only

	overflowed atomic.Int64 // flows of those who found no room
	told       sync.Once    // that there are such
}

func newTenants(s *shared) (*tenants, error) {
	ts := &tenants{shared: s, named: make(map[string]*tenant)}
	var err error
	if ts.rest, err = newTenant(s, ""); err != nil {
		return nil, err
	}
	ts.all = []*tenant{ts.rest}
	if s.partition.apart() {
		if ts.over, err = newTenant(s, flow.OverflowName); err != nil {
			return nil, err
		}
		ts.all = append(ts.all, ts.over)
	}
	return ts, nil
}

// list returns all tenants there are.
func (ts *tenants) list() []*tenant {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	return ts.all
}

// count returns how many tenants have been told apart, by name.
func (ts *tenants) count() int {
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	return len(ts.named)
}

// find returns the tenant of a name: the one that there is, or the one whom it would share with; nil if it would get a place of
// its own, which it has room for beside as many others that wait for theirs.
func (ts *tenants) find(name string, waiting int) *tenant {
	switch name {
	case "":
		return ts.rest
	case flow.OverflowName: // which nobody can name himself
		return ts.over
	}
	ts.mu.RLock()
	defer ts.mu.RUnlock()
	if t := ts.named[name]; t != nil {
		return t
	}
	if len(ts.named)+waiting >= ts.shared.config.MaxTenants {
		return ts.over
	}
	return nil
}

// admit returns the tenant of a name, which gets its place if there is one left.
func (ts *tenants) admit(name string) *tenant {
	if t := ts.find(name, 0); t != nil {
		return t
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.named[name]; t != nil { // it has come meanwhile
		return t
	}
	if len(ts.named) >= ts.shared.config.MaxTenants {
		return ts.over
	}
	t, err := newTenant(ts.shared, name)
	if err != nil {
		// The same settings have made others.
		ts.shared.logger.Error("A tenant has no place of its own", zap.String("tenant", name), zap.Error(err))
		return ts.over
	}
	ts.named[t.name()] = t
	ts.all = append(ts.all, t)
	return t
}

// countOver counts flows of tenants that found no room, and warns of it once.
func (ts *tenants) countOver(flows int) {
	ts.overflowed.Add(int64(flows))
	ts.told.Do(func() {
		ts.shared.logger.Warn("There are more tenants than max_tenants; those that come from now on share one, and their alerts name "+
			flow.OverflowName+"; raise max_tenants if they are to be told apart", zap.Int("max_tenants", ts.shared.config.MaxTenants))
	})
}
