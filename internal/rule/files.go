package rule

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"
)

// ErrNoFiles is wrapped by the error about a pattern that no rule file matches.
var ErrNoFiles = errors.New("no such rule file")

// ErrDuplicate is wrapped by the error about a rule that two files define.
var ErrDuplicate = errors.New("defined twice")

// maxFile bounds the size of a rule file in bytes.
const maxFile = 1 << 20

// LoadFiles reads the rule files that the patterns match (see filepath.Match); a file that
// several match is read once. A rule file is YAML: a mapping of rule ids to what the
// configuration may say under rules.<id>. Unknown keys, a rule in two files and a pattern
// without a match are errors; errors name the file, and settings by their path in it.
func LoadFiles(globs []string) (map[string]Override, error) {
	paths, err := match(globs)
	if err != nil {
		return nil, err
	}
	overrides := make(map[string]Override)
	from := make(map[string]string)
	var errs []error
	for _, path := range paths {
		read, err := loadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(read)) {
			if first, ok := from[id]; ok {
				errs = append(errs, fmt.Errorf("%s: %s: %w, first in %s; keep one of them", path, id, ErrDuplicate, first))
				continue
			}
			from[id], overrides[id] = path, read[id]
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return overrides, nil
}

func match(globs []string) ([]string, error) {
	var paths []string
	var errs []error
	for i, glob := range globs {
		found, err := filepath.Glob(glob)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("rule_files[%d]: %q is not a pattern: %w", i, glob, err))
		case len(found) == 0:
			errs = append(errs, fmt.Errorf("rule_files[%d]: %w: %q matches nothing; correct it or leave it out", i, ErrNoFiles, glob))
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	return slices.Compact(paths), errors.Join(errs...)
}

func loadFile(path string) (map[string]Override, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("rule file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("rule file: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: %w: it is larger than %d bytes; split it", path, ErrInvalid, maxFile)
	}
	overrides, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(overrides)) {
		if err := checkOverride(id, id, overrides[id]); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return overrides, errors.Join(errs...)
}

// parse reads the text of a rule file through the collector's own configuration decoder, so
// that a key means and accepts the same in a file and in the configuration.
func parse(text []byte) (map[string]Override, error) {
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(raw) == 0 {
		return nil, fmt.Errorf("%w: it holds no rule; write a rule's id and below it what to change", ErrInvalid)
	}
	overrides := make(map[string]Override, len(raw))
	if err := confmap.NewFromStringMap(raw).Unmarshal(&overrides); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return overrides, nil
}
