package flow

import (
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/otel-exfil/exfil/internal/word"
)

const (
	// MaxNameLength is how many bytes a Name has at most.
	MaxNameLength = 256

	// OverflowName is what entities are called that nobody kept apart. No Name is it, so that no source
	// can pass its own entity off as them.
	OverflowName = "_overflow"

	nameMark = "~" // before the hash of a name that was changed
	nameTail = len(nameMark) + 16
)

// Name makes a text from the network fit to name an entity or a contributor, and so to be shown to people,
// be it in terminals, browsers or files of lines: valid UTF-8 of at most MaxNameLength bytes, and without
// control characters, line breaks, escapes, overrides of the direction of writing and what cannot be seen
// at all. Each of these becomes U+FFFD. Spaces of any width stay.
//
// A text that needs no change is returned as it is, without an allocation, and keeps the memory alive that it
// is part of. One that had to be changed ends in "~" and the 64-bit hash of the whole text in hexadecimal, and
// owns its memory: so texts that differ only in what cannot be shown, or beyond the cut, stay entities of their
// own, the same after every restart. Such a hash can be aimed at, but only by who sends the names anyway, and might
// as well send the name that he wants to be taken for.
func Name(text string) string {
	if text == "" { // as most that records leave out; this much is compiled into the callers
		return text
	}
	return name(text)
}

func name(text string) string {
	if len(text) <= MaxNameLength && (isPlain(text) || isShowable(text)) && text != OverflowName {
		return text
	}
	return renamed(text)
}

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// isPlain says whether a text, which is not empty, is printable ASCII: a word at a time, the last one perhaps
// over bytes that were looked at before.
func isPlain(text string) bool {
	n := len(text)
	switch {
	case n >= 8:
		odd := oddBytes(word.Load64(text[n-8:]))
		for ; len(text) > 8; text = text[8:] {
			odd |= oddBytes(word.Load64(text))
		}
		return odd == 0
	case n >= 4:
		return oddBytes(word.Load32(text)<<32|word.Load32(text[n-4:])) == 0
	}
	first, middle, last := uint64(text[0]), uint64(text[n/2]), uint64(text[n-1])
	return oddBytes(' '*eachByte^(first^' ')<<16^(middle^' ')<<8^(last^' ')) == 0
}

// oddBytes is 0 where all bytes of a word are printable ASCII. Of bytes below 0x80, to take 0x20 away borrows from
// the next one only where it is less, and to add 1 reaches the highest bit only from 0x7F.
func oddBytes(w uint64) uint64 {
	return (w | (w - 0x20*eachByte) | (w + eachByte)) & highBits
}

func isShowable(text string) bool {
	for i, r := range text {
		switch {
		case r < utf8.RuneSelf && 0x20 <= r && r != 0x7f:
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"): // no UTF-8
			return false
		case !showable(r):
			return false
		}
	}
	return true
}

func showable(r rune) bool { return unicode.IsPrint(r) || unicode.Is(unicode.Zs, r) }

// renamed looks at no more of a text than fits, but to hash it.
func renamed(text string) string {
	var b strings.Builder
	b.Grow(MaxNameLength)
	for _, r := range text { // yields U+FFFD for what is not UTF-8
		if !showable(r) {
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > MaxNameLength-nameTail {
			break
		}
		b.WriteRune(r)
	}
	b.WriteString(nameMark)
	var sum [8]byte
	h := xxhash.Sum64String(text)
	for i := range sum {
		sum[i] = byte(h >> (56 - 8*i))
	}
	b.WriteString(hex.EncodeToString(sum[:]))
	return b.String()
}
