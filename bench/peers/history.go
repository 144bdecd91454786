package peers

import (
	"cmp"
	"slices"
)

// history is what one entity has sent lately, window by window; windows without traffic are left out.
type history struct {
	points []point // ascending by window
}

type point struct {
	window, bytes int64
}

// add appends a window and forgets those that are older than keep windows before it.
func (h *history) add(window, bytes, keep int64) {
	old, _ := h.find(window - keep)
	h.points = append(h.points[:copy(h.points, h.points[old:])], point{window, bytes})
}

// find returns the index of the first point at or after a window, and whether it is of that window.
func (h *history) find(window int64) (int, bool) {
	return slices.BinarySearchFunc(h.points, window, func(p point, w int64) int { return cmp.Compare(p.window, w) })
}

// between returns the points from one window on until before another.
func (h *history) between(from, to int64) []point {
	i, _ := h.find(from)
	j, _ := h.find(to)
	return h.points[i:j]
}

// at returns the bytes of a window, 0 for one without traffic.
func (h *history) at(window int64) int64 {
	if i, ok := h.find(window); ok {
		return h.points[i].bytes
	}
	return 0
}

// sized returns s with at least n elements, the new ones zero.
func sized[T any](s []T, n int32) []T {
	if int(n) > len(s) {
		s = append(s, make([]T, int(n)-len(s))...)
	}
	return s
}
