package main

import (
	"bytes"
	"encoding/json"
)

// dialect is the version of JSON Schema that is written.
const dialect = "https://json-schema.org/draft/2020-12/schema"

// schema is a JSON Schema, as far as it is needed here.
type schema struct {
	Dialect     string `json:"$schema,omitempty"`
	ID          string `json:"$id,omitempty"`
	Ref         string `json:"$ref,omitempty"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Default     any    `json:"default,omitempty"`

	Type  any       `json:"type,omitempty"` // a name, or a list of names
	Const any       `json:"const,omitempty"`
	Enum  []string  `json:"enum,omitempty"`
	AnyOf []*schema `json:"anyOf,omitempty"`

	Pattern      string   `json:"pattern,omitempty"`
	Minimum      *float64 `json:"minimum,omitempty"`
	ExclusiveMin *float64 `json:"exclusiveMinimum,omitempty"`
	Maximum      *float64 `json:"maximum,omitempty"`

	Items    *schema `json:"items,omitempty"`
	MinItems *int    `json:"minItems,omitempty"`
	MaxItems *int    `json:"maxItems,omitempty"`

	Properties        map[string]*schema `json:"properties,omitempty"`
	PatternProperties map[string]*schema `json:"patternProperties,omitempty"`
	PropertyNames     *schema            `json:"propertyNames,omitempty"`
	Additional        any                `json:"additionalProperties,omitempty"` // false, or a schema
	Required          []string           `json:"required,omitempty"`

	Defs map[string]*schema `json:"$defs,omitempty"`
}

// encode writes the schema as people read it. The same schema gives the same bytes.
func (s *schema) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(s)
	return b.Bytes(), err
}
