package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
)

// The states of an anomaly within its window.
const (
	stateNew    = "new"
	stateUpdate = "update"
)

// findingUID identifies a finding of a rule, entity and window in a state, wherever and in
// whatever order it was found.
func findingUID(f *detector.Finding, state string) string {
	parts := make([]string, 0, 5+2*len(f.Values))
	parts = append(parts, "anomaly", f.Rule)
	for i, field := range f.Fields {
		parts = append(parts, field.String(), f.Values[i])
	}
	return uid(append(parts, f.WindowStart.UTC().Format(time.RFC3339Nano), f.Span.String(), state)...)
}

// uid hashes the parts, each preceded by its length so that no two lists run into the same
// bytes, to 32 hexadecimal digits: 128 bits, as many as a UUID has.
func uid(parts ...string) string {
	var text []byte
	for _, part := range parts {
		text = binary.AppendUvarint(text, uint64(len(part)))
		text = append(text, part...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

func decimal(n int) string { return strconv.Itoa(n) }
