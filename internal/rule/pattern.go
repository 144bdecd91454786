package rule

import (
	"fmt"
	"strings"

	"github.com/otel-exfil/exfil/internal/flow"
)

// maxPattern bounds the length of a pattern; no host name is longer (RFC 1035), and no name that was read.
const maxPattern = 256

// patterns checks patterns for names and returns them in lower case.
func patterns(texts []string, key string, p *problems) (lower []string) {
	for i, text := range texts {
		if text == "" || len(text) > maxPattern || strings.ContainsAny(text, `[]{}\`) {
			p.add(fmt.Sprintf("%s[%d]", key, i),
				"%q is not a pattern; write a name of at most %d characters with * for any characters and ? for one",
				text, maxPattern)
			continue
		}
		lower = append(lower, asciiLower(text))
	}
	return lower
}

// asciiLower is as wildcard takes letters, and leaves those alone that are not ASCII.
func asciiLower(text string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, text)
}

// matchesName reports whether one of the patterns, in lower case, matches a name that there is. No patterns match all.
func matchesName(patterns []string, name string) bool {
	if patterns == nil {
		return true
	}
	for _, pattern := range patterns {
		if name != "" && wildcard(pattern, name) {
			return true
		}
	}
	return false
}

// matchesHost reports whether one of the patterns, in lower case, matches the flow's host
// name, or its source address where it has none.
func matchesHost(patterns []string, f *flow.Flow) bool {
	var text [48]byte // an IPv6 address has at most 39 characters
	var address []byte
	if f.Host == "" {
		address = f.Source.AppendTo(text[:0])
	}
	for _, pattern := range patterns {
		if f.Host != "" && wildcard(pattern, f.Host) || f.Host == "" && wildcard(pattern, address) {
			return true
		}
	}
	return false
}

// wildcard reports whether the pattern matches the whole name, in which ASCII letters count
// as lower case. It goes back only to the last * it met, which suffices, so its work is
// bounded by the product of the lengths.
func wildcard[T string | []byte](pattern string, name T) bool {
	p, n := 0, 0
	star, resume := -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == lower(name[n])):
			p++
			n++
		case star >= 0:
			resume++
			p, n = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
