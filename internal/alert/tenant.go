package alert

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

// TenantAttribute names the tenant that an alert is about, in every schema.
const TenantAttribute = "exfil.tenant"

// Tenant is whose traffic alerts are about, where several are told apart. A nil one is nobody in particular.
type Tenant struct {
	Name string
	// Attribute is the key under which the resource of the alerts has the name, too, as that of the tenant's records has; "": the
	// records name nobody, and so does the resource of the alerts.
	Attribute string
}

// PutResource names the tenant on the resource of its alerts or gauges.
func (t *Tenant) PutResource(r pcommon.Resource) {
	if t != nil && t.Attribute != "" {
		r.Attributes().PutStr(t.Attribute, t.Name)
	}
}

// Put names the tenant among the attributes of an alert or a data point.
func (t *Tenant) Put(m pcommon.Map) {
	if t != nil {
		m.PutStr(TenantAttribute, t.Name)
	}
}

// For returns a writer of a tenant's alerts, which shares with w what all have in common. A uid is one tenant's only: the same rule,
// entity and window are another alert elsewhere.
func (w *Writer) For(t *Tenant) *Writer {
	own := *w
	own.tenant = t
	return &own
}

// uid returns what a uid is of the tenant's. Of nobody, and of the tenant without a name, it is what it is; "" is none.
func (t *Tenant) uid(id string) string {
	if t == nil || t.Name == "" || id == "" {
		return id
	}
	return uid("tenant", t.Name, id)
}

// owned makes the uids that an alert refers to the tenant's own.
func (t *Tenant) owned(a Alert) Alert {
	switch a := a.(type) {
	case Anomaly:
		a.UID, a.UpdateOf = t.uid(a.UID), t.uid(a.UpdateOf)
		return a
	case Suppression:
		a.Alert = t.uid(a.Alert)
		return a
	}
	return a
}

// sign makes a record that is written the tenant's own, id being its uid anywhere.
func (t *Tenant) sign(lr plog.LogRecord, s schema, id string) {
	if t == nil {
		return
	}
	s.identify(lr, t.uid(id))
	t.Put(s.own(lr))
	s.tenant(lr, t.Name)
}

func (*otel) identify(lr plog.LogRecord, id string) { lr.Attributes().PutStr("log.record.uid", id) }
func (*otel) tenant(plog.LogRecord, string)         {}

func (*ecs) identify(lr plog.LogRecord, id string) { lr.Attributes().PutStr("event.id", id) }
func (*ecs) tenant(plog.LogRecord, string)         {}

func (*ocsf) identify(lr plog.LogRecord, id string) {
	lr.Attributes().PutStr("log.record.uid", id)
	if metadata, ok := lr.Body().Map().Get("metadata"); ok {
		metadata.Map().PutStr("uid", id)
	}
}

func (*ocsf) tenant(lr plog.LogRecord, name string) {
	if metadata, ok := lr.Body().Map().Get("metadata"); ok {
		putText(metadata.Map(), "tenant_uid", name)
	}
}
