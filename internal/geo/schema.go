package geo

import (
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/otel-exfil/exfil/internal/flow"
)

// placeSchema tells by its records, not by the type it calls itself, how a database
// that places addresses is laid out: publishers name their types as they like.
func (c *countries) placeSchema(reader *maxminddb.Reader) (schema[flow.Place], error) {
	var s schema[flow.Place]
	err := probe(reader, func(fields map[string]any) bool {
		switch {
		case isNested(fields):
			s = nested{c}
		case isFlat(fields):
			s = flat{c}
		}
		return s != nil
	})
	return s, err
}
