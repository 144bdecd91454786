package main

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"github.com/otel-exfil/exfil/internal/bytesize"
	"github.com/otel-exfil/exfil/internal/rule"
)

// Patterns of texts that stand for values of another kind.
const (
	durationPattern = `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^\+?0$`
	sizePattern     = `^\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*([kKmMgGtTpP][iI]?[bB]|[bB])?\s*$`
	datePattern     = `^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$`
	localPattern    = `^([0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?Z?)?)?)?$` // Z of what is not quoted
	idPattern       = `^[a-zA-Z][0-9a-zA-Z_]{0,62}(/.+)?$`
)

// expansion is what the collector replaces before it reads a value: ${env:NAME}, ${file:path}.
const expansion = `\$\{.+\}`

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[bytesize.Size]()
	dateType     = reflect.TypeFor[rule.Date]()
	localType    = reflect.TypeFor[rule.LocalTime]()
	idType       = reflect.TypeFor[component.ID]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// builder makes schemas of the types that configuration is read into, so that a key that is added there is in the
// schema by itself.
type builder struct {
	comments *comments
	// bounds are those below a type, by the type.
	bounds map[reflect.Type]map[string]rule.Bound
	// defined names the types that stand in $defs, and defs holds them.
	defined map[reflect.Type]string
	defs    map[string]*schema
	// expands says that the collector expands ${…} before it reads.
	expands bool
	// choices are texts to choose from that are no bound: keys that a mapping may have besides others, by its path.
	choices map[string]map[string]string // with what they stand for
}

// place is where in a document a value stands: the path below a type that has bounds.
type place struct {
	bounds map[string]rule.Bound
	path   string
}

func (p place) bound() rule.Bound { return p.bounds[p.path] }

func (p place) key(key string) place {
	if p.path != "" {
		key = p.path + "." + key
	}
	return place{p.bounds, key}
}

func (p place) element() place { return place{p.bounds, p.path + "[]"} }

// keyOf returns the key that a field is read from, "" for none, and whether the field's own keys stand in its place.
func keyOf(f reflect.StructField) (key string, squashed bool) {
	key, options, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
	if key == "-" {
		return "", false
	}
	return key, strings.Contains(options, "squash")
}

// value returns the schema of a type's values at a place. what is invalid if there is no default.
func (b *builder) value(t reflect.Type, at place, what reflect.Value) (*schema, error) {
	if t.Kind() == reflect.Pointer {
		return b.value(t.Elem(), at, reflect.Value{})
	}
	if name, ok := b.defined[t]; ok {
		if b.defs[name] == nil {
			b.defs[name] = &schema{} // breaks cycles
			s, err := b.structure(t, place{bounds: b.bounds[t]}, what)
			if err != nil {
				return nil, err
			}
			b.defs[name] = s
		}
		return b.orExpansion(&schema{Ref: "#/$defs/" + name}), nil
	}
	s, err := b.plain(t, at, what)
	if err != nil {
		return nil, err
	}
	s.Default = defaultOf(what)
	return s, nil
}

func (b *builder) plain(t reflect.Type, at place, what reflect.Value) (*schema, error) {
	switch t {
	case durationType:
		return b.orExpansion(duration(at.bound())), nil
	case sizeType:
		return b.orExpansion(size(at.bound())), nil
	case dateType:
		return b.orExpansion(&schema{Type: "string", Pattern: datePattern}), nil
	case localType:
		return b.orExpansion(&schema{Type: "string", Pattern: localPattern}), nil
	case idType:
		return b.orExpansion(&schema{Type: "string", Pattern: idPattern}), nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return b.textOr(t, at, what)
	case reflect.Map:
		return b.mapping(t, at)
	case reflect.Slice:
		return b.list(t, at)
	case reflect.Bool:
		return b.orExpansion(&schema{Type: "boolean"}), nil
	case reflect.String:
		return b.words(at.bound()), nil
	case reflect.Float64:
		return b.orExpansion(number("number", at.bound())), nil
	case reflect.Interface:
		return b.orExpansion(numberOrText(at.bound())), nil
	}
	if reflect.PointerTo(t).Implements(textType) {
		return &schema{Type: "string"}, nil
	}
	if t.ConvertibleTo(reflect.TypeFor[int64]()) {
		return b.orExpansion(number("integer", at.bound())), nil
	}
	return nil, fmt.Errorf("%s: %s cannot be told in a schema; teach it to plain", at.path, t)
}

// textOr is a structure that may also be read from a text.
func (b *builder) textOr(t reflect.Type, at place, what reflect.Value) (*schema, error) {
	s, err := b.structure(t, at, what)
	if err != nil {
		return nil, err
	}
	if reflect.PointerTo(t).Implements(textType) {
		word := &schema{Type: "string", Pattern: at.bound().Pattern, Enum: at.bound().OneOf}
		if len(s.Properties) == 0 {
			return b.orExpansion(word), nil
		}
		s = &schema{AnyOf: []*schema{word, s}}
	}
	return b.orExpansion(s), nil
}

func (b *builder) structure(t reflect.Type, at place, what reflect.Value) (*schema, error) {
	s := &schema{Type: []string{"object", "null"}, Properties: make(map[string]*schema), Additional: false}
	return s, b.fields(s, t, at, what)
}

func (b *builder) fields(s *schema, t reflect.Type, at place, what reflect.Value) error {
	for i := range t.NumField() {
		f := t.Field(i)
		var value reflect.Value
		if what.IsValid() {
			value = what.Field(i)
		}
		key, squashed := keyOf(f)
		if squashed {
			if err := b.fields(s, f.Type, at, value); err != nil {
				return err
			}
			continue
		}
		if key == "" || !f.IsExported() {
			continue
		}
		property, err := b.value(f.Type, at.key(key), value)
		if err != nil {
			return err
		}
		if property.Description, err = b.describe(t, f); err != nil {
			return err
		}
		if r := rangeOf(f.Type, at.key(key).bound()); r != "" {
			property.Description = strings.TrimSpace(property.Description + " " + r)
		}
		s.Properties[key] = property
		if at.key(key).bound().Required {
			s.Required = append(s.Required, key)
		}
	}
	return nil
}

// describe says what a field is, or what its type is where nothing is said of the field.
func (b *builder) describe(t reflect.Type, f reflect.StructField) (string, error) {
	if said, err := b.comments.of(t, f.Name); said != "" || err != nil {
		return said, err
	}
	of := f.Type
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	return b.comments.of(of, "")
}

func (b *builder) mapping(t reflect.Type, at place) (*schema, error) {
	element, err := b.value(t.Elem(), place{at.bounds, at.path + ".*"}, reflect.Value{})
	if err != nil {
		return nil, err
	}
	s := &schema{Type: []string{"object", "null"}, Additional: element}
	if bound := at.bound(); bound.Pattern != "" || bound.OneOf != nil {
		s.PropertyNames = &schema{Pattern: bound.Pattern, Enum: bound.OneOf}
	}
	for name, meaning := range b.choices[at.path] {
		if s.Properties == nil {
			s.Properties = make(map[string]*schema)
		}
		choice := *element
		choice.Description = meaning
		s.Properties[name] = &choice
	}
	return b.orExpansion(s), nil
}

// list is a list; one of texts may be written as a text with commas between them, so that a single one needs no brackets.
func (b *builder) list(t reflect.Type, at place) (*schema, error) {
	items, err := b.value(t.Elem(), at.element(), reflect.Value{})
	if err != nil {
		return nil, err
	}
	s := &schema{Type: "array", Items: items}
	bound := at.bound()
	if bound.From > 0 {
		s.MinItems = new(int(bound.From))
	}
	if bound.To > 0 && !math.IsInf(bound.To, 1) {
		s.MaxItems = new(int(bound.To))
	}
	if t.Elem() == reflect.TypeFor[string]() {
		return &schema{AnyOf: []*schema{s, {Type: "string"}}}, nil
	}
	return b.orExpansion(s), nil
}

// words is a text, of a choice or a pattern.
func (b *builder) words(bound rule.Bound) *schema {
	s := &schema{Type: "string", Pattern: bound.Pattern, Enum: bound.OneOf}
	if bound.Pattern == "" && bound.OneOf == nil {
		return s
	}
	return b.orExpansion(s)
}

// orExpansion allows what the collector expands in the place of any value.
func (b *builder) orExpansion(s *schema) *schema {
	if !b.expands {
		return s
	}
	expanded := &schema{Ref: "#/$defs/expansion"}
	if s.AnyOf != nil {
		return &schema{AnyOf: append(slices.Clone(s.AnyOf), expanded)}
	}
	return &schema{AnyOf: []*schema{s, expanded}}
}

func number(kind string, bound rule.Bound) *schema {
	s := &schema{Type: kind}
	if bound.From == 0 && bound.To == 0 {
		return s
	}
	if bound.Above {
		s.ExclusiveMin = new(bound.From)
	} else {
		s.Minimum = new(bound.From)
	}
	if !math.IsInf(bound.To, 1) {
		s.Maximum = new(bound.To)
	}
	return s
}

func numberOrText(bound rule.Bound) *schema {
	if bound.To == 0 && bound.Pattern == "" {
		return &schema{}
	}
	return &schema{AnyOf: []*schema{number("integer", bound), {Type: "string", Pattern: bound.Pattern}}}
}

func size(bound rule.Bound) *schema {
	return &schema{AnyOf: []*schema{number("integer", bound), {Type: "string", Pattern: sizePattern}}}
}

// duration is a text; no pattern can compare it with its bounds. A plain number would be nanoseconds, and only 0 is meant so.
func duration(bound rule.Bound) *schema {
	s := &schema{Type: "string", Pattern: durationPattern}
	if bound.From > 0 {
		return s
	}
	return &schema{AnyOf: []*schema{s, {Const: 0}}}
}

// rangeOf says between which values a duration or a size is, which the schema itself cannot.
func rangeOf(t reflect.Type, bound rule.Bound) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != durationType || bound.To == 0 || math.IsInf(bound.To, 1) {
		return ""
	}
	return fmt.Sprintf("From %s to %s.", rule.FormatSpan(time.Duration(bound.From)), rule.FormatSpan(time.Duration(bound.To)))
}

// defaultOf returns a default as people write it, nil where there is none, or where it stands with the keys below.
func defaultOf(v reflect.Value) any {
	if !v.IsValid() {
		return nil
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		return rule.FormatSpan(value)
	case bytesize.Size:
		return value.String()
	}
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return v.Interface()
	case reflect.String:
		if v.Len() > 0 {
			return v.String()
		}
	case reflect.Slice:
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			list = append(list, elementOf(v.Index(i)))
		}
		return list
	}
	return nil
}

// elementOf returns an element of a default list; a structure with nothing but a name is the name.
func elementOf(v reflect.Value) any {
	if v.Kind() == reflect.Struct {
		if name := v.FieldByName("Name"); name.IsValid() {
			return name.String()
		}
	}
	return defaultOf(v)
}
