package config_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What the processor's README shows of exceptions can be copied as it stands.
func TestTheExceptionsOfTheReadmeAreValid(t *testing.T) {
	cfg, err := load(t, "geo: {asn_database: /var/lib/geoip/asn.mmdb}\n"+exampleOf(t, "### Exceptions\n"))
	require.NoError(t, err)
	assert.Len(t, cfg.Exceptions, 6)
	assert.Equal(t, "2027-06-30", cfg.Exceptions[0].Expires.String())
}

func TestTheCalendarsOfTheReadmeAreValid(t *testing.T) {
	cfg, err := load(t, exampleOf(t, "### Calendars\n"))
	require.NoError(t, err)
	assert.Len(t, cfg.Calendars, 4)
	assert.Len(t, cfg.Calendars[2].When, 2)
}

// exampleOf returns the first YAML of a chapter of the processor's README.
func exampleOf(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../../exfilprocessor/README.md")
	require.NoError(t, err)
	_, chapter, ok := strings.Cut(string(text), heading)
	require.True(t, ok)
	_, example, ok := strings.Cut(chapter, "```yaml\n")
	require.True(t, ok)
	example, _, _ = strings.Cut(example, "```")
	return example
}
