package baseline

// Table is the rhythm of one entity: for each slot of the day, on working days and at
// weekends, how far it lies from the level and how often it is active.
type Table [16]Cell

// Cell is one slot of a Table.
type Cell struct {
	Mean   float32 // mean deviation from the entity's level
	N      float32 // decayed number of windows behind Mean
	Active float32 // decayed number of occurrences of the slot with traffic
	Total  float32 // decayed number of occurrences
}

// Pass tells the table that a window of slot has ended, with or without traffic.
func (t *Table) Pass(slot Slot, active bool) {
	c := &t[slot.Day]
	c.Active *= cellKeep
	c.Total = c.Total*cellKeep + 1
	if active {
		c.Active++
	}
}

// deviation of the slot from the level, shrunk to none.
func (c *Cell) deviation() float64 {
	return float64(c.N) * float64(c.Mean) / (float64(c.N) + slotStrength)
}

func (c *Cell) learn(deviation float64) {
	c.N = c.N*cellKeep + 1
	c.Mean += (float32(deviation) - c.Mean) / c.N
}

// Shape is the rhythm that the entities of one space share; detail keys are too many
// and too sparse for tables of their own, and follow it at their own rate.
type Shape struct {
	day  [16]shapeCell
	week [56]shapeCell
}

type shapeCell struct{ mean, n float64 }

const (
	shapeMemory    = 1500 // windows after which a cell forgets as it learns
	shapeStrength  = 20.0 // pseudo-windows that shrink a cell to its parent
	shapeClip      = 2.0  // residuals beyond this are cut
	shapeRateAlone = 3.0  // pseudo-observations of following the shape at rate one
	shapeRateKeep  = 0.998
	shapeMinOwn    = 8   // own windows before an entity's residuals speak of the shape
	shapeShrink    = 5.0 // pseudo-windows that slow the first steps of a cell
)

// at is the shape's value in a slot: the slot of the week, shrunk to that of the day.
func (h *Shape) at(slot Slot) float64 {
	d, w := h.day[slot.Day], h.week[slot.Week]
	day := d.mean * d.n / (d.n + shapeStrength)
	return (w.n*w.mean + shapeStrength*day) / (w.n + shapeStrength)
}

// shapeRate is how strongly an entity follows the shape, 1 where it has not shown yet.
func (s *Series) shapeRate() float64 {
	return clip((float64(s.ShapeXY)+shapeRateAlone)/(float64(s.ShapeXX)+shapeRateAlone), 0, 3)
}

// shapeBatch sums the residuals of one window.
type shapeBatch struct {
	n         int64
	day, week fixed
}

func (b *shapeBatch) add(h *Shape, slot Slot, residual float64) {
	b.n++
	b.day += toFixed(clip(residual-h.day[slot.Day].mean, -shapeClip, shapeClip))
	b.week += toFixed(clip(residual-h.week[slot.Week].mean, -shapeClip, shapeClip))
}

func (h *Shape) learn(b shapeBatch, slot Slot) {
	for _, c := range []struct {
		cell *shapeCell
		sum  fixed
	}{{&h.day[slot.Day], b.day}, {&h.week[slot.Week], b.week}} {
		if b.n == 0 {
			return
		}
		c.cell.n += float64(b.n)
		c.cell.mean += c.sum.float() / (c.cell.n + shapeShrink)
		c.cell.n = min(c.cell.n, shapeMemory)
	}
}
