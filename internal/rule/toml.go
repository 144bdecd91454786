package rule

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// table is a table of TOML, which is asked for values of a type. One of another type is a problem, one that is not there is none.
type table struct {
	problems *problems
	path     string
	values   map[string]any
}

func tableOf(p *problems, path string, v any) table {
	values, ok := v.(map[string]any)
	if !ok {
		p.add(path, "it is %s; write a table", kindOf(v))
	}
	return table{problems: p, path: path, values: values}
}

func (t table) key(key string) string { return join(t.path, key) }

func (t table) add(key, format string, args ...any) { t.problems.add(t.key(key), format, args...) }

// refused says whether the value of a key was complained of.
func (t table) refused(key string) bool {
	return slices.ContainsFunc(t.problems.errs, func(err error) bool {
		var setting *settingError
		return errors.As(err, &setting) && (setting.key == t.key(key) || strings.HasPrefix(setting.key, t.key(key)+"["))
	})
}

func (t table) text(key string) *string { return as[string](t, key, "a text") }

func (t table) flag(key string) *bool { return as[bool](t, key, "true or false") }

func (t table) whole(key string) *int {
	n := as[int64](t, key, "a whole number")
	if n == nil {
		return nil
	}
	return new(int(min(max(*n, math.MinInt32), math.MaxInt32))) // no key's range is wider
}

func (t table) number(key string) *float64 {
	if n, ok := t.values[key].(int64); ok {
		return new(float64(n))
	}
	return as[float64](t, key, "a number")
}

func as[T any](t table, key, kind string) *T {
	v, ok := t.values[key]
	if !ok {
		return nil
	}
	value, ok := v.(T)
	if !ok {
		t.add(key, "it is %s; write %s", kindOf(v), kind)
		return nil
	}
	return &value
}

// texts returns a list of texts, nil where there is none.
func (t table) texts(key string) []string {
	v, ok := t.values[key]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		t.add(key, "it is %s; write a list of texts", kindOf(v))
		return nil
	}
	texts := make([]string, 0, len(list))
	for i, v := range list {
		text, ok := v.(string)
		if !ok {
			t.add(fmt.Sprintf("%s[%d]", key, i), "it is %s; write a text", kindOf(v))
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

func (t table) tables(key string) []table {
	v, ok := t.values[key]
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		t.add(key, "it is %s; write a list of tables, as [[%s]]", kindOf(v), t.key(key))
		return nil
	}
	tables := make([]table, 0, len(list))
	for i, v := range list {
		tables = append(tables, tableOf(t.problems, t.key(fmt.Sprintf("%s[%d]", key, i)), v))
	}
	return tables
}

// kindOf names the type of a value of TOML.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case bool:
		return "true or false"
	case map[string]any:
		return "a table"
	case []any:
		return "a list"
	default:
		return "a date or time"
	}
}

// said returns nil for a text that says nothing.
func said(text string) *string {
	if text == "" {
		return nil
	}
	return new(text)
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
