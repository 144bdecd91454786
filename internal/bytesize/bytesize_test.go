package bytesize

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestParseReadsWhatPeopleWrite(t *testing.T) {
	for text, want := range map[string]Size{
		"0":                   0,
		"1048576":             1 << 20,
		"17B":                 17,
		"1MiB":                1 << 20,
		"1 MiB":               1 << 20,
		" 500GiB ":            500 << 30,
		"4.2 GB":              4_200_000_000,
		"1.5kib":              1536,
		"3kb":                 3000,
		"2TB":                 2e12,
		"9223372036854775807": math.MaxInt64,
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "write a number",
		"-1MiB":                  "not negative",
		"MiB":                    "write a number",
		"1 parsec":               `the unit "parsec"`,
		"1e6":                    `the unit "e6"`,
		"1.2.3MB":                `the number "1.2.3"`,
		".":                      `the number "."`,
		"0.5B":                   "whole number of bytes",
		"8EiB":                   `the unit "EiB"`,
		"9223372036854775808":    "too large",
		"9999999PiB":             "too large",
		strings.Repeat("9", 5e3): "5000 characters",
		"1/2MB":                  `the unit "/2MB"`,
	} {
		_, err := Parse(text)
		require.ErrorIs(t, err, ErrSyntax, text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestStringIsExactAndReadsBack(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0B", 17: "17B", 1 << 20: "1MiB", 1536: "1536B", 500 << 30: "500GiB", 4_200_000_000: "4200MB",
		math.MaxInt64: "9223372036854775807B",
	} {
		assert.Equal(t, want, size.String())
		back, err := Parse(size.String())
		require.NoError(t, err)
		assert.Equal(t, size, back)
	}
}

func TestHumanRoundsToTwoDigits(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0 B", 7: "7 B", 999: "999 B", 1000: "1.0 kB", 12_345_678: "12 MB", 4_215_000_000: "4.2 GB",
		9_960_000: "10 MB", 999_700: "1.0 MB", 123_456: "123 kB", -1500: "-1.5 kB", math.MaxInt64: "9223 PB",
	} {
		assert.Equal(t, want, size.Human())
	}
}

func TestConfigurationTakesTextAndNumbers(t *testing.T) {
	type config struct {
		Least *Size `mapstructure:"least"`
		Most  Size  `mapstructure:"most"`
	}
	var c config
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"least": "1 MiB", "most": 4096}).Unmarshal(&c))
	assert.Equal(t, Size(1<<20), *c.Least)
	assert.Equal(t, Size(4096), c.Most)
	assert.ErrorIs(t, confmap.NewFromStringMap(map[string]any{"most": "lots"}).Unmarshal(&c), ErrSyntax)

	text, err := c.Most.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, "4KiB", string(text))
}
