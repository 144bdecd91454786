package rule

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoFiles is wrapped by the error about a pattern that no rule file matches.
var ErrNoFiles = errors.New("no such rule file")

// ErrDuplicate is wrapped by the error about a rule that two files define.
var ErrDuplicate = errors.New("defined twice")

// maxFile bounds the size of a rule file in bytes.
const maxFile = 1 << 20

// LoadFiles reads the rule files that the patterns match (see filepath.Match); a file that
// several match is read once. A rule file is YAML: a mapping of rule ids to what the
// configuration may say under rules.<id>, in one document or several. A file whose name ends in .toml
// holds one rule in the layout of detection-rules repositories, see readPrebuilt. Unknown keys of YAML,
// a rule in two files and a pattern without a match are errors; errors name the file, settings by their
// path in it and, in YAML, the line.
func LoadFiles(globs []string) (map[string]Override, error) {
	paths, err := match(globs)
	if err != nil {
		return nil, err
	}
	overrides := make(map[string]Override)
	var errs []error
	for _, path := range paths {
		read, err := loadFile(path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(read)) {
			if first, ok := overrides[id]; ok {
				errs = append(errs, fmt.Errorf("%s: %s: %w, first in %s; keep one of them", path, id, ErrDuplicate, first.origin))
				continue
			}
			o := read[id]
			o.origin = path
			overrides[id] = o
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
		for _, path := range found {
			paths = append(paths, filepath.Clean(path))
		}
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
	read := readYAML
	if strings.EqualFold(filepath.Ext(path), ".toml") {
		read = readPrebuilt
	}
	overrides, errs := read(text)
	for i := range errs {
		errs[i] = fmt.Errorf("%s: %w", path, errs[i])
	}
	return overrides, errors.Join(errs...)
}
