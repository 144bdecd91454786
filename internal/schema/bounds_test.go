package main

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/rule"
)

// subject is something that has bounds, and how to say one thing of it in a configuration.
type subject struct {
	of     reflect.Type
	bounds map[string]rule.Bound
	prefix string // of the keys' paths in errors
	within func(said map[string]any) map[string]any
}

func subjects() []subject {
	return []subject{
		{reflect.TypeFor[config.Config](), config.Bounds(), "", func(said map[string]any) map[string]any { return said }},
		{reflect.TypeFor[rule.Override](), rule.Bounds(), "rules.mine.", func(said map[string]any) map[string]any {
			return map[string]any{"rules": map[string]any{"mine": merge(map[string]any{"by": []any{"host.name"}}, said)}}
		}},
		{reflect.TypeFor[rule.ExceptionConfig](), rule.ExceptionBounds(), "exceptions[0].", excepted},
		{reflect.TypeFor[rule.ExceptionMatchConfig](), rule.MatchBounds(), "exceptions[0].match.", func(said map[string]any) map[string]any {
			return excepted(map[string]any{"match": said})
		}},
		{reflect.TypeFor[rule.CalendarConfig](), rule.CalendarBounds(), "calendars[0].", func(said map[string]any) map[string]any {
			least := map[string]any{"name": "a", "when": []any{map[string]any{"start": "2027-03-26", "end": "2027-03-27"}}}
			return map[string]any{"calendars": []any{merge(least, said)}}
		}},
	}
}

// excepted says of an exception what a test wants to, and the least besides that makes one.
func excepted(said map[string]any) map[string]any {
	least := map[string]any{"name": "a", "match": map[string]any{"hosts": []any{"a"}}}
	return map[string]any{
		"geo":        map[string]any{"asn_database": "/x.mmdb"},
		"exceptions": []any{merge(least, said)},
	}
}

func merge(least, said map[string]any) map[string]any {
	conf := confmap.NewFromStringMap(least)
	if err := conf.Merge(confmap.NewFromStringMap(said)); err != nil {
		panic(err)
	}
	return conf.ToStringMap()
}

// nest says a value at a path such as alerts.severity_by_score[].from.
func nest(path string, value any) any {
	key, rest, deeper := strings.Cut(path, ".")
	if deeper {
		value = nest(rest, value)
	}
	for strings.HasSuffix(key, "[]") {
		key = strings.TrimSuffix(key, "[]")
		value = []any{value}
	}
	return map[string]any{key: value}
}

// typeAt returns the type at a path, without pointers.
func typeAt(t *testing.T, of reflect.Type, path string) reflect.Type {
	t.Helper()
	for _, step := range strings.Split(strings.ReplaceAll(path, "[]", ".[]"), ".") {
		if step == "[]" {
			of = of.Elem()
			continue
		}
		at := -1
		for i := range of.NumField() {
			if key, _ := keyOf(of.Field(i)); key == step {
				at = i
			}
		}
		require.GreaterOrEqual(t, at, 0, "there is no key %s", path)
		of = of.Field(at).Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
	}
	return of
}

// complains says whether exfil refuses the value at a path for the value's own sake.
func (s subject) complains(t *testing.T, path string, value any) bool {
	t.Helper()
	text, err := yaml.Marshal(s.within(nest(path, value).(map[string]any)))
	require.NoError(t, err)
	err = load(t, string(text))
	if err == nil {
		return false
	}
	key, _, _ := strings.Cut(path, "[]")
	for _, line := range strings.Split(err.Error(), "\n") {
		if strings.HasPrefix(line, s.prefix+key) {
			return true
		}
	}
	return false
}

// related are keys of which another key has a say, too, so that their least or most alone is not yet right.
var related = map[string]bool{"allowed_lateness": true, "warm_up": true, "windows[]": true, "when[].duration": true, "alerts.severity_by_score[].from": true}

// What editors are told of the least and the most is what exfil holds values to.
func TestBoundsAreThoseOfTheValidation(t *testing.T) {
	tried := 0
	for _, s := range subjects() {
		for path, bound := range s.bounds {
			of := typeAt(t, s.of, path)
			if bound.From == 0 && bound.To == 0 {
				continue
			}
			say, step := sayer(of)
			if say == nil {
				continue
			}
			tried++
			least, below := bound.From, bound.From-step
			if bound.Above {
				least, below = bound.From+step/16, bound.From
			}
			if of.Kind() != reflect.Float64 {
				least = math.Ceil(least)
			}
			assert.True(t, s.complains(t, path, say(below)), "%s%s: %v is below", s.prefix, path, say(below))
			if !math.IsInf(bound.To, 1) {
				assert.True(t, s.complains(t, path, say(bound.To+step)), "%s%s: %v is above", s.prefix, path, say(bound.To+step))
			}
			if related[path] {
				continue
			}
			assert.False(t, s.complains(t, path, say(least)), "%s%s: %v is the least", s.prefix, path, say(least))
			if !math.IsInf(bound.To, 1) {
				assert.False(t, s.complains(t, path, say(bound.To)), "%s%s: %v is the most", s.prefix, path, say(bound.To))
			}
		}
	}
	assert.GreaterOrEqual(t, tried, 20)
}

// sayer returns how values of a type are written, and the step from one to the next; nil for what has no order.
func sayer(of reflect.Type) (say func(float64) any, step float64) {
	switch {
	case of == durationType:
		return func(v float64) any { return time.Duration(v).String() }, float64(time.Millisecond)
	case of.Kind() == reflect.Float64:
		return func(v float64) any { return v }, 1
	case of.Kind() == reflect.Int, of == sizeType, of.Kind() == reflect.Interface:
		return func(v float64) any { return int64(v) }, 1
	default:
		return nil, 0
	}
}

func TestListsAreAsLongAsTheValidationTakes(t *testing.T) {
	windows := []any{"15m", "30m", "1h", "3h", "6h"}
	fields := []any{"host.name", "user.name", "process.name", "source.address", "destination.port"}
	for path, elements := range map[string][]any{"windows": windows, "rules.mine.by": fields} {
		bound := config.Bounds()[path]
		if path != "windows" {
			bound = rule.Bounds()["by"]
		}
		for n := range elements {
			text, err := yaml.Marshal(nest(path, elements[:n+1]))
			require.NoError(t, err)
			assert.Equal(t, float64(n+1) <= bound.To, load(t, string(text)) == nil, "%s", text)
		}
		text, err := yaml.Marshal(nest(path, []any{}))
		require.NoError(t, err)
		assert.Error(t, load(t, string(text)), "%s", text)
		assert.Equal(t, 1.0, bound.From)
	}
}

// Every text that an editor offers is taken.
func TestChoicesAreTaken(t *testing.T) {
	for _, s := range subjects() {
		for path, bound := range s.bounds {
			for _, word := range bound.OneOf {
				if typeAt(t, s.of, path).Kind() == reflect.Map || path == "details[][]" {
					continue // these want more than the word
				}
				if path == "alerts.severity_by_score[].severity" || path == "side" {
					continue
				}
				assert.False(t, s.complains(t, path, word), "%s%s: %s", s.prefix, path, word)
			}
			if bound.OneOf != nil && typeAt(t, s.of, path).Kind() != reflect.Map {
				assert.True(t, s.complains(t, path, "nonsense"), fmt.Sprint(s.prefix, path))
			}
		}
	}
}
