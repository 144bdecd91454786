package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// namespace makes the UUIDs of rules that their authors gave none (RFC 9562, version 5).
var namespace = uuid.MustParse("6ee8763b-e40f-42a6-b13b-bcdf79a50353")

// Resolve returns the built-in rules and those that the layers add, disabled ones included,
// sorted by id. A layer maps rule ids to what it changes; later layers win over earlier
// ones. An id that is not built in makes a rule of its own and must name its key with by;
// the rest of it defaults to a rule of low severity at a threshold of 75, with a UUID
// derived from its id.
//
// The error names every wrong setting by its path below "rules" and wraps ErrInvalid or
// ErrUnknownRule.
func Resolve(layers ...map[string]Override) ([]Rule, error) {
	builtIn, err := Builtin()
	if err != nil {
		return nil, err
	}
	if err := checkLayers(layers); err != nil {
		return nil, err
	}
	rules := make(map[string]Rule, len(builtIn))
	for _, r := range builtIn {
		rules[r.ID] = r
	}
	known := strings.Join(slices.Sorted(maps.Keys(rules)), ", ")
	var errs []error
	for _, id := range idsOf(layers) {
		r, err := resolveOne(rules, id, layers)
		if errors.Is(err, ErrUnknownRule) {
			err = fmt.Errorf("%w; built in are %s; a rule of your own needs by, such as by: [host.name, destination.port]", err, known)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rules[id] = r
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return sorted(rules), nil
}

func checkLayers(layers []map[string]Override) error {
	var errs []error
	for _, layer := range layers {
		for _, id := range slices.Sorted(maps.Keys(layer)) {
			errs = append(errs, checkOverride("rules."+id, id, layer[id]))
		}
	}
	return errors.Join(errs...)
}

func checkOverride(path, id string, o Override) error {
	p := &problems{path: path}
	checkID(p, id)
	return errors.Join(append(p.errs, o.validate(path)...)...)
}

func idsOf(layers []map[string]Override) []string {
	ids := make(map[string]bool)
	for _, layer := range layers {
		for id := range layer {
			ids[id] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

func resolveOne(builtIn map[string]Rule, id string, layers []map[string]Override) (Rule, error) {
	path := pathOf(id, layers)
	r, known := builtIn[id]
	if !known {
		var err error
		if r, err = newRule(id); err != nil {
			return Rule{}, err
		}
	}
	for _, layer := range layers {
		if o, ok := layer[id]; ok {
			o.apply(&r)
		}
	}
	if len(r.By) == 0 {
		return Rule{}, &settingError{key: path, problem: fmt.Sprintf("%v %q", ErrUnknownRule, id), cause: ErrUnknownRule}
	}
	if !known {
		nameByKey(&r)
	}
	return r, r.checkDetails(path)
}

// pathOf leads to what is said of a rule: in the configuration, or in the one file that alone speaks of it.
func pathOf(id string, layers []map[string]Override) string {
	file := ""
	for _, layer := range layers {
		o, ok := layer[id]
		switch {
		case !ok:
		case o.origin == "" || file != "":
			return "rules." + id
		default:
			file = o.origin
		}
	}
	return file + ": " + id
}

// newRule is a rule of the user's own before anything is said about it but its id.
func newRule(id string) (Rule, error) {
	base, err := baseRule()
	if err != nil {
		return Rule{}, err
	}
	base.ID = id
	base.UUID = uuid.NewSHA1(namespace, []byte(id)).String()
	return base, nil
}

// nameByKey gives a user's rule that has no name or description some that say what it watches.
func nameByKey(r *Rule) {
	if r.Name == "" {
		r.Name = "Unusual volume sent by " + names(r.By)
	}
	if r.Description == "" {
		r.Description = "Far more bytes left the network than is usual for one value of " + names(r.By) + "."
	}
}

func sorted(rules map[string]Rule) []Rule {
	list := make([]Rule, 0, len(rules))
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		list = append(list, rules[id])
	}
	return list
}
