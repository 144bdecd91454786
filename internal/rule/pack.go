package rule

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// The built-in pack: base.yaml is what every rule is unless it says otherwise, and each file
// of pack says what one rule is besides.
var (
	//go:embed base.yaml
	base []byte
	//go:embed pack/*.yaml
	pack embed.FS
)

// PackVersion is the version of the built-in pack: the same version, the same rules. Alerts tell it.
const PackVersion = "1"

// builtinRuleset is the name of the built-in rules' ruleset.
const builtinRuleset = "exfil built-in"

// Builtin returns the rules of the built-in pack as they are without any configuration,
// sorted by id. An error means that the program was built from a damaged pack.
func Builtin() ([]Rule, error) {
	files, err := fs.Glob(pack, "pack/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("built-in rules: %w", err)
	}
	rules := make([]Rule, 0, len(files))
	for _, file := range files {
		r, err := builtin(file)
		if err != nil {
			return nil, fmt.Errorf("built-in rules: %s: %w", file, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func builtin(file string) (Rule, error) {
	text, err := pack.ReadFile(file)
	if err != nil {
		return Rule{}, err
	}
	overrides, err := parse(text)
	if err != nil {
		return Rule{}, err
	}
	id := strings.TrimSuffix(path.Base(file), ".yaml")
	o, ok := overrides[id]
	if !ok || len(overrides) != 1 {
		return Rule{}, fmt.Errorf("%w: a file of the pack holds the rule it is named after, and no other", ErrInvalid)
	}
	r, err := baseRule()
	if err != nil {
		return Rule{}, err
	}
	r.ID = id
	r.License = "Apache-2.0"
	r.RulesetName = builtinRuleset
	o.apply(&r)
	return r, r.checkDetails(id)
}

// baseRule is what every rule is before anything is said about it.
func baseRule() (Rule, error) {
	const key = "base"
	overrides, err := parse(base)
	if err != nil {
		return Rule{}, fmt.Errorf("built-in rules: base.yaml: %w", err)
	}
	o := overrides[key]
	r := Rule{MinBytes: Common, SuppressFor: Common}
	o.apply(&r)
	return r, nil
}
