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
			s = nested{c, names{}}
		case isFlat(fields):
			s = flat{c, names{}}
		}
		return s != nil
	})
	return s, err
}

// names has each name of a region or city of a database once, made fit to be shown. Thousands of places share a region's: where
// they share its memory, too, it is in the processor's cache when the next one is asked for.
type names map[string]string

func (n names) once(text string) string {
	name, known := n[text]
	if !known {
		name = flow.Name(text)
		n[text] = name
	}
	return name
}
