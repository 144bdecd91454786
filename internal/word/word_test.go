package word

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheFirstByteIsTheLowest(t *testing.T) {
	const text = "\x01\x80\xffabcdefg"
	assert.Equal(t, binary.LittleEndian.Uint64([]byte(text)), Load64(text))
	assert.Equal(t, uint64(binary.LittleEndian.Uint32([]byte(text))), Load32(text))
}

func TestATextThatIsTooShortIsRefused(t *testing.T) {
	assert.Panics(t, func() { _ = Load64("1234567") })
	assert.Panics(t, func() { _ = Load32("123") })
}
