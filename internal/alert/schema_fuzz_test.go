package alert

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// Whatever names the network sends, documents and events stay of their schemas.
func FuzzNamesInSchemas(f *testing.F) {
	for _, name := range []string{"10.1.2.3", "fe80::1%eth0", "ws-17", "443", "70000", "AU", "_overflow", "", "\xff", "\x00\u202e"} {
		f.Add(name, "10.1.2.3", 91.25)
	}
	elastic, framework := facts[ecsFacts](f, "ecs"), facts[ocsfFacts](f, "ocsf")
	documents, events := newWriterOf(f, SchemaECS), newWriterOf(f, SchemaOCSF)
	f.Fuzz(func(t *testing.T, name, other string, score float64) {
		found := portFinding()
		found.Score = score
		found.Fields, found.Values, found.Contributors = nil, nil, nil
		for field := range flow.Field(flow.FieldCount) {
			found.Fields, found.Values = append(found.Fields, field), append(found.Values, name)
			found.Contributors = append(found.Contributors, detector.Contribution{Field: field, Values: []string{other, name}, Bytes: []int64{2, 1}})
		}
		a := anomaly(found)
		document := record(t, documents, a).Attributes().AsRaw()
		require.Empty(t, elastic.faults(document))
		e := record(t, events, a).Body().Map().AsRaw()
		require.Empty(t, framework.faults(e))
		for path, texts := range paths("", []any{document, e}) {
			for _, text := range texts {
				require.True(t, utf8.ValidString(text), "%s: %q", path, text)
			}
		}
	})
}
