package alert

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxValue = 256 // bytes of a name in an attribute
	maxName  = 64  // bytes of a name in a sentence
)

// value makes a name from the network fit for an attribute: valid UTF-8 and of bounded length.
func value(name string) string {
	return shorten(strings.ToValidUTF8(name, "\uFFFD"), maxValue)
}

// readable makes a name from the network fit for a sentence that people read in terminals and
// browsers: besides what value does, characters that move the cursor, break the line, turn the
// direction of writing or cannot be seen at all are replaced.
func readable(name string) string {
	return shorten(strings.Map(func(r rune) rune {
		if r == ' ' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(name, "\uFFFD")), maxName)
}

// shorten cuts a text to at most most bytes, at a character, and marks the cut.
func shorten(text string, most int) string {
	const mark = "…"
	if len(text) <= most {
		return text
	}
	end := most - len(mark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + mark
}
