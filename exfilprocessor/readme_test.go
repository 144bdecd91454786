package exfilprocessor

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/config"
)

// row is a line of the README's table of options.
var row = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| (.+?) \\|")

func TestTheReadmeNamesEveryOptionAndItsDefault(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	told := map[string]string{}
	for _, match := range row.FindAllStringSubmatch(string(text), -1) {
		told[match[1]] = strings.Trim(match[2], "`")
	}
	want := map[string]string{}
	defaults(reflect.ValueOf(*config.Default()), "", want)
	assert.Equal(t, want, told)
}

// defaults notes the values below v as one would write them, by path.
func defaults(v reflect.Value, path string, to map[string]string) {
	for i := range v.NumField() {
		key := path + v.Type().Field(i).Tag.Get("mapstructure")
		if field := v.Field(i); field.Kind() == reflect.Struct {
			defaults(field, key+".", to)
		} else {
			to[key] = written(field.Interface())
		}
	}
}

func written(value any) string {
	switch value := value.(type) {
	case string:
		if value == "" {
			return `""`
		}
		return value
	case time.Duration:
		return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(value.String())
	case []time.Duration:
		var spans []string
		for _, span := range value {
			spans = append(spans, written(span))
		}
		return "[" + strings.Join(spans, ", ") + "]"
	case []config.Input:
		var names []string
		for _, in := range value {
			names = append(names, in.Name)
		}
		return "[" + strings.Join(names, ", ") + "]"
	case configopaque.String:
		return written(string(value))
	case []string:
		return "[" + strings.Join(value, ", ") + "]"
	case bytesize.Size:
		return value.String()
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Slice:
		return fmt.Sprint(value)
	case reflect.Map:
		return "{}"
	case reflect.Pointer:
		return "none"
	}
	return fmt.Sprint(value)
}

// TestTheChapterOfEveryOptionNamesEveryKey holds the README of the repository against all keys that there are, those of lists and of
// rules too.
func TestTheChapterOfEveryOptionNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, chapter, found := strings.Cut(string(text), "\n## Every option\n")
	require.True(t, found)
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	for key := range keysOf(reflect.TypeFor[config.Config](), map[string]bool{}) {
		named := regexp.MustCompile("`(\\w+[.])*" + regexp.QuoteMeta(key) + "([.]<id>|\\[\\])?`")
		assert.True(t, named.MatchString(chapter), "nothing is said of %s", key)
	}
}

// keysOf adds the names of all keys of a configuration to seen, and those below them.
func keysOf(of reflect.Type, seen map[string]bool) map[string]bool {
	switch of.Kind() {
	case reflect.Slice, reflect.Pointer, reflect.Map:
		return keysOf(of.Elem(), seen)
	case reflect.Struct:
		for i := range of.NumField() {
			field := of.Field(i)
			if key := field.Tag.Get("mapstructure"); key != "" && key != "-" {
				if field.Type.Kind() != reflect.Struct { // its keys stand for it
					seen[key] = true
				}
				keysOf(field.Type, seen)
			}
		}
	}
	return seen
}
