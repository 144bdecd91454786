package geo

import (
	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/otel-exfil/exfil/internal/flow"
)

// system is an autonomous system. The zero number stands for none.
type system struct {
	number       uint32
	organization string
}

// systems is the schema of autonomous systems, which MaxMind's ASN and ISP databases
// and ip-location-db's share.
type systems struct{}

func systemSchema(reader *maxminddb.Reader) (schema[system], error) {
	err := probe(reader, func(fields map[string]any) bool {
		_, ok := fields["autonomous_system_number"]
		return ok
	})
	return systems{}, err
}

func (systems) decode(r maxminddb.Result) (system, error) {
	var asn geoip2.ASN
	if err := r.Decode(&asn); err != nil {
		return system{}, err
	}
	return system{number: uint32(asn.AutonomousSystemNumber), organization: flow.Name(asn.AutonomousSystemOrganization)}, nil
}
