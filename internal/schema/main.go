// Command schema writes the JSON Schemas that editors check and complete configurations and rule files by. They are
// made of the types that configuration is read into, of their comments, defaults and bounds.
//
//	schema <folder>
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"

	"github.com/otel-exfil/exfil/exfilconnector"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/rule"
)

//go:generate go run . ../../schemas

// home is where the schemas of the latest version can be had.
const home = "https://github.com/otel-exfil/exfil/raw/main/schemas/"

// The schemas' files.
const (
	configFile = "exfil.schema.json"
	rulesFile  = "rules.schema.json"
)

// root is the module's folder, from this one: go generate and go test run here.
const root = "../.."

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schema <folder>")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

func write(folder string) error {
	for name, build := range map[string]func() (*schema, error){configFile: configSchema, rulesFile: rulesSchema} {
		s, err := build()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		text, err := s.encode()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func newBuilder() *builder {
	return &builder{
		comments: &comments{root: root, packages: make(map[string]map[string]string)},
		bounds: map[reflect.Type]map[string]rule.Bound{
			reflect.TypeFor[config.Config]():             config.Bounds(),
			reflect.TypeFor[rule.Override]():             rule.Bounds(),
			reflect.TypeFor[rule.ExceptionConfig]():      rule.ExceptionBounds(),
			reflect.TypeFor[rule.CalendarConfig]():       rule.CalendarBounds(),
			reflect.TypeFor[rule.ExceptionMatchConfig](): rule.MatchBounds(),
		},
		defined: map[reflect.Type]string{
			reflect.TypeFor[rule.Override]():             "rule",
			reflect.TypeFor[rule.ExceptionConfig]():      "exception",
			reflect.TypeFor[rule.CalendarConfig]():       "calendar",
			reflect.TypeFor[rule.ExceptionMatchConfig](): "match",
		},
		defs: make(map[string]*schema),
	}
}

// configSchema is that of a collector's configuration, of which only what exfil reads is looked at.
func configSchema() (*schema, error) {
	b := newBuilder()
	b.expands = true
	b.defs["expansion"] = &schema{Type: "string", Pattern: expansion, Description: "What the collector expands before it reads it."}
	var err error
	if b.choices, err = builtinRules("rules"); err != nil {
		return nil, err
	}
	at := place{bounds: b.bounds[reflect.TypeFor[config.Config]()]}
	processor, err := b.structure(reflect.TypeFor[config.Config](), at, reflect.ValueOf(*config.Default()))
	if err != nil {
		return nil, err
	}
	connector, err := b.structure(reflect.TypeFor[exfilconnector.Config](), at,
		reflect.ValueOf(exfilconnector.NewFactory().CreateDefaultConfig()).Elem())
	if err != nil {
		return nil, err
	}
	for key, property := range connector.Properties {
		if reflect.DeepEqual(property, processor.Properties[key]) {
			connector.Properties[key] = &schema{Ref: "#/$defs/processor/properties/" + key}
		}
	}
	b.defs["processor"], b.defs["connector"] = processor, connector
	component := func(name string) *schema {
		return &schema{
			Type:              []string{"object", "null"},
			PatternProperties: map[string]*schema{`^exfil(/.+)?$`: b.orExpansion(&schema{Ref: "#/$defs/" + name})},
		}
	}
	return &schema{
		Dialect: dialect, ID: home + configFile,
		Title:       "Configuration of a collector with exfil",
		Description: "Processors and connectors named exfil or exfil/… are checked, and nothing else.",
		Type:        "object",
		Properties:  map[string]*schema{"processors": component("processor"), "connectors": component("connector")},
		Defs:        b.defs,
	}, nil
}

// rulesSchema is that of a YAML rule file.
func rulesSchema() (*schema, error) {
	b := newBuilder()
	var err error
	if b.choices, err = builtinRules(""); err != nil {
		return nil, err
	}
	at := place{bounds: map[string]rule.Bound{"": {Pattern: rule.IDPattern}}}
	s, err := b.mapping(reflect.TypeFor[map[string]rule.Override](), at)
	if err != nil {
		return nil, err
	}
	s.Dialect, s.ID, s.Title = dialect, home+rulesFile, "Rule file of exfil"
	s.Description = "Rule ids, and what differs from the built-in rule of that id, or all that makes a rule of your own."
	s.Type, s.Defs = "object", b.defs
	return s, nil
}

// builtinRules are the rules that a mapping of rules at a path may name, with their names.
func builtinRules(path string) (map[string]map[string]string, error) {
	rules, err := rule.Builtin()
	if err != nil {
		return nil, err
	}
	named := make(map[string]string, len(rules))
	for _, r := range rules {
		named[r.ID] = r.Name + "."
	}
	return map[string]map[string]string{path: named}, nil
}
