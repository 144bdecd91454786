package flow

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestCountsDoNotOverflow(t *testing.T) {
	assert.EqualValues(t, 5, AddBytes(2, 3))
	assert.EqualValues(t, math.MaxInt64, AddBytes(math.MaxInt64-1, 1))
	assert.EqualValues(t, math.MaxInt64, AddBytes(math.MaxInt64-1, 2))
}

func TestWindowsBeforeTheEpochHaveTheirOwnNumbers(t *testing.T) {
	assert.EqualValues(t, -1, Window(-1, 900))
	assert.EqualValues(t, -1, Window(-900, 900))
	assert.EqualValues(t, -2, Window(-901, 900))
	assert.EqualValues(t, 0, Window(0, 900))
	assert.EqualValues(t, 0, Window(899, 900))
	assert.EqualValues(t, 1, Window(900, 900))

	h := int64(time.Hour)
	assert.EqualValues(t, -1, Window(-1, h))
	assert.EqualValues(t, -1, Window(-h, h))
	assert.EqualValues(t, 0, Window(0, h))
	assert.EqualValues(t, 0, Window(h-1, h))
}
