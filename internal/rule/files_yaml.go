package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"
)

// readYAML reads the text of a rule file and checks each rule by itself. The errors are all that is wrong, each with
// its line where there is one.
func readYAML(text []byte) (map[string]Override, []error) {
	documents, err := decodeYAML(text)
	if err != nil {
		return nil, []error{err}
	}
	overrides := make(map[string]Override)
	var errs []error
	for _, d := range documents {
		for _, id := range slices.Sorted(maps.Keys(d.raw)) {
			if _, ok := overrides[id]; ok {
				errs = append(errs, d.locate(id, fmt.Errorf("%w: %s: %w; keep one of them", ErrInvalid, id, ErrDuplicate)))
				continue
			}
			o, problems := d.override(id)
			errs = append(errs, problems...)
			overrides[id] = o
		}
	}
	if len(errs) == 0 && len(overrides) == 0 {
		errs = append(errs, fmt.Errorf("%w: it holds no rule; write a rule's id and below it what to change", ErrInvalid))
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return overrides, nil
}

// document is one of the YAML documents of a file: rule ids and what is said of them.
type document struct {
	root *yaml.Node
	raw  map[string]any
}

func decodeYAML(text []byte) ([]document, error) {
	var documents []document
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		d := document{root: new(yaml.Node)}
		err := decoder.Decode(d.root)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err == nil {
			err = d.root.Decode(&d.raw)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		documents = append(documents, d)
	}
}

// override reads what is said of one rule through the collector's own configuration decoder, so that a key means and
// accepts the same in a file and in the configuration.
func (d document) override(id string) (Override, []error) {
	var read map[string]Override
	if err := confmap.NewFromStringMap(map[string]any{id: d.raw[id]}).Unmarshal(&read); err != nil {
		return Override{}, d.told(err)
	}
	o := read[id]
	p := &problems{path: id}
	checkID(p, id)
	p.errs = append(p.errs, o.validate(id)...)
	for i, err := range p.errs {
		var setting *settingError
		if errors.As(err, &setting) {
			p.errs[i] = d.locate(setting.key, err)
		}
	}
	return o, p.errs
}

// complaint is a line of the decoder's errors: where, and what is wrong.
var complaint = regexp.MustCompile(`^'\[([^\]]*)\]([^']*)' (.*)$`)

// told takes the decoder's error apart, which tells of several keys in lines.
func (d document) told(err error) []error {
	var errs []error
	for _, line := range strings.Split(err.Error(), "\n") {
		match := complaint.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		path, problem := match[1]+match[2], match[3]
		unknown, ok := strings.CutPrefix(problem, "has invalid keys: ")
		if !ok {
			errs = append(errs, d.locate(path, &settingError{key: path, problem: problem}))
			continue
		}
		for _, key := range strings.Split(unknown, ", ") {
			key = join(path, key)
			errs = append(errs, d.locate(key, &settingError{key: key, problem: "there is no such key; correct it or remove it"}))
		}
	}
	if len(errs) == 0 {
		errs = append(errs, fmt.Errorf("%w: %w", ErrInvalid, err))
	}
	return errs
}

// locate says in which line the setting of a path stands, or the part of it that is there.
func (d document) locate(path string, err error) error {
	line := 0
	node := d.root
	for _, step := range steps(path) {
		if node = child(node, step, &line); node == nil {
			break
		}
	}
	if line == 0 {
		return err
	}
	return fmt.Errorf("line %d: %w", line, err)
}

// steps takes a path such as a.details[0] apart: a, details, 0.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// child returns what a step leads to, nil if nothing, and sets the line in which it stands.
func child(node *yaml.Node, step string, line *int) *yaml.Node {
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				*line = node.Content[i].Line
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			*line = node.Content[i].Line
			return node.Content[i]
		}
	}
	return nil
}

// parse reads the text of a rule file.
func parse(text []byte) (map[string]Override, error) {
	overrides, errs := readYAML(text)
	return overrides, errors.Join(errs...)
}
