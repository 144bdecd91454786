package alert

import (
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// PutEntity names an entity, one value a field, by the attributes by which alerts of the schema otel name it:
// exfil.entity.field and .value, and under its fields' own names. So what else is told of an
// entity can be joined with its alerts. The lists that an alert on a key of several fields has besides
// are left out: they are nothing to tell time series apart by.
func PutEntity(m pcommon.Map, fields []flow.Field, values []string) {
	putEntity(m, m, &detector.Finding{Fields: fields, Values: values})
	m.Remove("exfil.entity.fields")
	m.Remove("exfil.entity.values")
}
