package rule

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/otel-exfil/exfil/internal/flow"
)

func TestADigestNamesRulesWhateverTheirOrder(t *testing.T) {
	rules, err := Builtin()
	require.NoError(t, err)
	digest := Digest(rules)
	assert.Regexp(t, `^[0-9a-f]{16}$`, digest)

	before := slices.Clone(rules)
	slices.Reverse(rules)
	assert.Equal(t, digest, Digest(rules))
	slices.Reverse(rules)
	assert.Equal(t, before, rules, "the caller's list is left as it is")

	assert.NotEqual(t, digest, Digest(rules[1:]), "one rule less")
	assert.NotEqual(t, digest, Digest(nil))
	assert.Equal(t, Digest([]Rule{{ID: "a"}}), Digest([]Rule{{ID: "a", Details: [][]flow.Field{}, Tags: []string{}}}),
		"an empty list is none")
}

// The same layers give the same digest, and Go walks each of the maps in another order every time.
func TestADigestDoesNotDependOnTheOrderOfFilesAndMaps(t *testing.T) {
	one := configured(t, "rules: {a: {by: [host.name]}, b: {by: [user.name]}, unusual_region: {threshold: 80}}")
	two := configured(t, "rules: {unusual_region: {threshold: 80}, b: {by: [user.name]}, a: {by: [host.name]}}")
	digests := map[string]bool{}
	for range 20 {
		for _, layers := range []map[string]Override{one, two} {
			rules, err := Resolve(layers)
			require.NoError(t, err)
			digests[Digest(rules)] = true
		}
	}
	assert.Len(t, digests, 1)
}

// Each field of a rule is changed in turn, down to the last technique of the last tactic.
func TestADigestChangesWithEveryField(t *testing.T) {
	whole := Rule{
		By: []flow.Field{flow.Host}, Details: [][]flow.Field{{flow.Host, flow.User}}, Tags: []string{"a", "b"},
		Related: []Related{{}}, Threat: []Threat{{Technique: []Behaviour{{}}}},
	}
	seen := map[string]string{Digest([]Rule{whole}): "nothing"}
	changed := 0
	eachField(t, "Rule", reflect.ValueOf(&whole).Elem(), func(name string) {
		changed++
		digest := Digest([]Rule{whole})
		assert.Empty(t, seen[digest], "%s and %s change the same", name, seen[digest])
		seen[digest] = name
	})
	assert.GreaterOrEqual(t, changed, 34)
}

// eachField changes one scalar below v after another, tells of it, and changes it back. Lists are lengthened, too.
func eachField(t *testing.T, name string, v reflect.Value, told func(string)) {
	before := reflect.ValueOf(v.Interface())
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			eachField(t, name+"."+v.Type().Field(i).Name, v.Field(i), told)
		}
		return
	case reflect.Slice:
		for i := range v.Len() {
			eachField(t, fmt.Sprintf("%s[%d]", name, i), v.Index(i), told)
		}
		longer := reflect.MakeSlice(v.Type(), v.Len()+1, v.Len()+1)
		reflect.Copy(longer, v)
		v.Set(longer)
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float64:
		v.SetFloat(v.Float() + 0.1)
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint8:
		v.SetUint(v.Uint() + 1)
	default:
		require.Failf(t, "a kind that no rule had", "%s is a %s; change it here, and look whether digest writes it", name, v.Kind())
	}
	told(name)
	v.Set(before)
}

// A text cannot be moved from one field or element into the next.
func TestADigestKnowsWhereATextStands(t *testing.T) {
	assert.NotEqual(t, Digest([]Rule{{Tags: []string{"ab", "c"}}}), Digest([]Rule{{Tags: []string{"a", "bc"}}}))
	assert.NotEqual(t, Digest([]Rule{{Name: "a"}}), Digest([]Rule{{Description: "a"}}))
	assert.NotEqual(t, Digest([]Rule{{ID: "a"}, {ID: "a"}}), Digest([]Rule{{ID: "a"}}))
	assert.NotEqual(t,
		Digest([]Rule{{Threat: []Threat{{Technique: []Behaviour{{ID: "a"}}}, {}}}}),
		Digest([]Rule{{Threat: []Threat{{}, {Technique: []Behaviour{{ID: "a"}}}}}}))
}

// Who has two alerts of one version has alerts of one pack.
func TestTheVersionOfThePackMovesWithIt(t *testing.T) {
	text, err := os.ReadFile("testdata/pack.digest")
	require.NoError(t, err)
	rules, err := Builtin()
	require.NoError(t, err)
	assert.Equal(t, strings.TrimSpace(string(text)), PackVersion+" "+Digest(rules),
		"the built-in rules say something else: if this version was released, raise PackVersion; then write the line to testdata/pack.digest")
}
