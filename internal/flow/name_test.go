package flow

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestNamesThatPeopleGiveStayAsTheyAre(t *testing.T) {
	for _, name := range []string{
		"", "a", "laptop-17", "srv_01.example.net", "12345678", "123456789", "Île-de-France", "Türkiye", "東京都", "Région de l'Est",
		`DOMAIN\user`, "O'Brien", "name with spaces", "Hauts\u00a0de\u00a0France", "🦝", `"quoted"`, "~", "_overflowing",
		strings.Repeat("a", MaxNameLength), strings.Repeat("ü", MaxNameLength/2),
	} {
		assert.Equal(t, name, Name(name))
		assert.Zero(t, testing.AllocsPerRun(10, func() { Name(name) }), "%q", name)
	}
}

// hostile are texts that must not be shown as they are.
func hostile() []string {
	return []string{
		"two\nlines", "two\r\nlines", "a tab\there", "\x1b[2J\x1b[31mred", "\x9b31m", "bell\a", "null\x00", "delete\x7f",
		"\u202eexe.gpj", "\u2066isolate\u2069", "line\u2028separator", "para\u2029graph", "zero\u200bwidth", "\ufeffmark", "soft\u00adhyphen",
		"tag\U000e0041", "private\ue000", "broken\xff\xfe", "half\xc3", "surrogate\xed\xa0\x80", "c1\u0085", OverflowName,
		strings.Repeat("a", MaxNameLength+1), strings.Repeat("日", 1000), strings.Repeat("\x80", 1000), strings.Repeat("\x1b", 1<<20),
	}
}

func TestWhatCannotBeShownIsReplaced(t *testing.T) {
	for _, text := range hostile() {
		name := Name(text)
		assert.True(t, utf8.ValidString(name), "%q", text)
		assert.LessOrEqual(t, len(name), MaxNameLength, "%q", text)
		assert.NotEqual(t, OverflowName, name)
		for _, r := range name {
			assert.True(t, unicode.IsPrint(r), "%q has %U", name, r)
		}
		assert.Equal(t, name, Name(name), "made safe once, it stays")
		assert.Equal(t, name, Name(strings.Clone(text)), "the same text is the same name")
	}
	assert.Regexp(t, "^two\ufffdlines~[0-9a-f]{16}$", Name("two\nlines"))
}

func TestTextsThatDifferStayDifferentNames(t *testing.T) {
	long := strings.Repeat("k", 300)
	seen := map[string]string{}
	for _, text := range append(hostile(), "a\x01", "a\x02", "a\ufffd", "a", long+"1", long+"2", long[:290], "two lines") {
		name := Name(text)
		other, taken := seen[name]
		assert.False(t, taken, "%.30q and %.30q", text, other)
		seen[name] = text
	}
}

// A name that was cut must not keep the megabyte alive that it was cut from.
func TestALongTextIsLetGo(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	cost := testing.AllocsPerRun(10, func() { Name(text) })
	assert.LessOrEqual(t, cost, 2.0)
	assert.Len(t, Name(text), MaxNameLength)
}

func TestEveryByteIsJudgedAtEveryPlace(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for at := range length {
			for c := range 256 {
				text := []byte(strings.Repeat("m", length))
				text[at] = byte(c)
				want := 0x20 <= c && c < 0x7f
				if got := isPlain(string(text)); got != want {
					t.Fatalf("isPlain(%q) is %v", text, got)
				}
			}
		}
	}
}

func FuzzName(f *testing.F) {
	for _, text := range hostile() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name := Name(text)
		if len(name) > MaxNameLength || !utf8.ValidString(name) || name == OverflowName {
			t.Fatalf("%q", name)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return !showable(r) }) || Name(name) != name {
			t.Fatalf("%q is not safe", name)
		}
	})
}

func BenchmarkName(b *testing.B) {
	for _, name := range []string{"laptop-17", "Île-de-France", "ip-10-1-2-3.eu-central-1.compute.internal"} {
		b.Run(fmt.Sprint(len(name)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Name(name)
			}
		})
	}
}
