package rule

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"reflect"
	"slices"
)

// digestLength is how many hexadecimal digits of the hash a digest keeps: 64 bits, so that no two states of a rule
// pack share one by chance.
const digestLength = 16

// Digest names a set of rules: 16 hexadecimal digits of the SHA-256 of all that they say. It is the same in whatever
// order the rules come, and another as soon as one says something else. What is not set does not enter it, so that
// rules keep their digest when exfil learns of a setting that they do not use; nor does an empty list, which for a rule in
// force (see Rule.Inherit) says the same as none.
func Digest(rules []Rule) string {
	ordered := slices.Clone(rules)
	slices.SortStableFunc(ordered, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })
	h := sha256.New()
	for i := range ordered {
		digest(h, reflect.ValueOf(ordered[i]))
	}
	return hex.EncodeToString(h.Sum(nil))[:digestLength]
}

// digest writes a value so that no two values are written alike: each begins with its kind and its length. Fields of
// structures go by their names, and so do fields of flows, whose numbers may change.
func digest(h hash.Hash, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		digestFields(h, v)
	case reflect.Slice:
		digestText(h, fmt.Sprintf("list of %d", v.Len()))
		for i := range v.Len() {
			digest(h, v.Index(i))
		}
	case reflect.Pointer:
		digest(h, v.Elem())
	default:
		digestText(h, fmt.Sprintf("%s %v", v.Kind(), v))
	}
}

// digestFields writes the fields of a structure that are set. An empty list is none.
func digestFields(h hash.Hash, v reflect.Value) {
	for i := range v.NumField() {
		value := v.Field(i)
		if value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0 {
			continue
		}
		digestText(h, v.Type().Field(i).Name)
		digest(h, value)
	}
	digestText(h, "end")
}

func digestText(h hash.Hash, text string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
	h.Write([]byte(text))
}
