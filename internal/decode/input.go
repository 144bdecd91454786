package decode

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Auto is the input that stands for all built-in formats.
const Auto = "auto"

// Input is one configured source format.
type Input struct {
	// Name is that of a built-in format (see Formats) or, with Fields, any other.
	Name string
	// Fields lists, by field (see CustomFields), the keys to try in order. A nested
	// key is written with dots.
	Fields map[string][]string
	// Columns is the order of the columns of aws_vpc lines in a custom format, under AWS's
	// own names, with or without "${}".
	Columns []string
	// Metrics makes a custom format one of metrics, those of these names, whose data points'
	// attributes Fields names and whose values are the bytes.
	Metrics []string
}

// What New finds wrong with inputs; its errors wrap one of these.
var (
	ErrUnknownFormat  = errors.New("unknown input format")
	ErrDuplicateInput = errors.New("input listed twice")
	ErrUnknownField   = errors.New("unknown field of a custom input")
	ErrMissingField   = errors.New("custom input without a needed field")
	ErrBadKey         = errors.New("key cannot be used")
	ErrBadColumns     = errors.New("columns cannot be used")
	ErrBadMetric      = errors.New("metric cannot be used")
	ErrTooMany        = errors.New("too many inputs or keys")
)

// builtin is a format that is known by name.
type builtin struct {
	name    string
	compile func(*compiler) format
}

// builtins lists the formats, the most specific first: where a record shows signs of two,
// the earlier one reads it.
func builtins(columns []string) []builtin {
	return []builtin{
		{"aws_vpc", func(c *compiler) format { return newAWS(c, columns) }},
		{"gcp_vpc", newGCP},
		{"zeek", newZeek},
		{"suricata", newSuricata},
		{"goflow2", newGoflow2},
		{"netflow", newNetflow},
		{"ecs", newECS},
		{"otel", newOTel},
		{"azure_vnet", newAzure}, // no other has its keys, but "records" alone is a weak sign
	}
}

// obiName is the built-in format of metrics.
const obiName = "obi"

// Formats returns what Input.Name may be: "auto" and the built-in formats.
func Formats() []string {
	names := []string{Auto}
	for _, b := range builtins(nil) {
		names = append(names, b.name)
	}
	return append(names, obiName)
}

// maxInputs is the number of bits in entry.formats.
const maxInputs = 64

// New makes a decoder of the inputs; of "auto" where there are none. Custom inputs
// come before built-in formats, so that a key they name is theirs.
func New(inputs []Input) (*Decoder, error) {
	if err := validate(inputs); err != nil {
		return nil, err
	}
	c, d := newCompiler(), &Decoder{}
	d.SetKey(newKey())
	for _, in := range inputs {
		if len(in.Fields) > 0 && len(in.Metrics) == 0 {
			d.add(c, newCustom(c, in.Fields))
		}
	}
	for _, b := range builtins(columnsOf(inputs)) {
		if wanted(inputs, b.name) {
			d.add(c, b.compile(c))
		}
	}
	d.message = c.keys("message")
	d.top, d.slots = c.top, len(c.slots)
	if d.slots > maxKeys {
		return nil, fmt.Errorf("inputs: %w: %d keys, at most %d can be told apart; name fewer", ErrTooMany, d.slots, maxKeys)
	}
	var err error
	if d.metrics, err = compileMetrics(inputs); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Decoder) add(c *compiler, f format) {
	d.formats = append(d.formats, f)
	if l, ok := f.(lineFormat); ok {
		d.lines = append(d.lines, l)
	}
	c.format++
}

func wanted(inputs []Input, name string) bool {
	return len(inputs) == 0 || slices.ContainsFunc(inputs, func(in Input) bool {
		return len(in.Fields) == 0 && (in.Name == name || in.Name == Auto)
	})
}

func columnsOf(inputs []Input) []string {
	for _, in := range inputs {
		if len(in.Columns) > 0 {
			return in.Columns
		}
	}
	return nil
}

func validate(inputs []Input) error {
	if n := len(inputs) + len(Formats()); n > maxInputs {
		return fmt.Errorf("inputs: %w: %d inputs, at most %d; name fewer", ErrTooMany, len(inputs), maxInputs-len(Formats()))
	}
	known := Formats()
	seen := map[string]bool{}
	for _, in := range inputs {
		if seen[in.Name] {
			return fmt.Errorf("inputs: %w: %q; name it once", ErrDuplicateInput, in.Name)
		}
		seen[in.Name] = true
		if err := validateInput(in, known); err != nil {
			return err
		}
	}
	return validateSharedMetrics(inputs)
}

func validateInput(in Input, known []string) error {
	builtin := slices.Contains(known, in.Name)
	switch {
	case in.Name == "":
		return fmt.Errorf("inputs: %w: an input has no name; use one of %s, or any name together with fields",
			ErrUnknownFormat, strings.Join(known, ", "))
	case len(in.Fields) > 0 && builtin:
		return fmt.Errorf("inputs: %s: fields: %w: the name is that of a built-in format, which brings its own keys; give the custom input another name",
			in.Name, ErrDuplicateInput)
	case len(in.Fields) == 0 && len(in.Metrics) == 0 && !builtin:
		return fmt.Errorf("inputs: %w %q; use one of %s, or give it fields", ErrUnknownFormat, in.Name, strings.Join(known, ", "))
	case len(in.Columns) > 0 && in.Name != "aws_vpc":
		return fmt.Errorf("inputs: %s: columns: %w: only aws_vpc has columns; remove them", in.Name, ErrBadColumns)
	}
	if err := validateColumns(in.Columns); err != nil {
		return fmt.Errorf("inputs: %s: columns: %w", in.Name, err)
	}
	if err := validateMetrics(in, builtin); err != nil {
		return err
	}
	return validateFields(in)
}

func validateFields(in Input) error {
	if len(in.Fields) == 0 {
		return nil
	}
	for _, field := range slices.Sorted(maps.Keys(in.Fields)) {
		if !slices.Contains(CustomFields(), field) {
			return fmt.Errorf("inputs: %s: fields: %w %q; known are %s", in.Name, ErrUnknownField, field, strings.Join(CustomFields(), ", "))
		}
		for _, key := range in.Fields[field] {
			if err := validateKey(key); err != nil {
				return fmt.Errorf("inputs: %s: fields: %s: %w", in.Name, field, err)
			}
		}
	}
	needed := neededFields()
	if len(in.Metrics) > 0 {
		needed = neededMetricFields()
	}
	for _, field := range needed {
		if len(in.Fields[field]) == 0 {
			return fmt.Errorf("inputs: %s: fields: %w: %s; list the keys that hold it", in.Name, ErrMissingField, field)
		}
	}
	return nil
}

func validateKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: it is empty; name an attribute", ErrBadKey)
	case len(key) > maxKeyLength:
		return fmt.Errorf("%w: %.20q… is %d bytes long; at most %d are supported", ErrBadKey, key, len(key), maxKeyLength)
	case strings.Count(key, ".") >= maxSegments:
		return fmt.Errorf("%w: %q is nested deeper than %d; use a transform to flatten it", ErrBadKey, key, maxSegments)
	}
	return nil
}
