package traffic

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Series is a real background: bytes by key and time, at equal steps.
type Series struct {
	Step time.Duration // usual distance between two rows
	Keys []string      // sorted
	Rows []Row         // in the order of time
}

// Row is what was measured in the step that begins at Time.
type Row struct {
	Time  time.Time
	Bytes []int64 // by key, in the order of Series.Keys; -1: not measured
}

// ErrSeries is wrapped by every error about a series that cannot be read.
var ErrSeries = errors.New("series of bytes")

const (
	mostCells = 50_000_000 // of a series: far more than a year of minutes, for a hundred keys
	mostBytes = 1 << 60    // in one cell
	unknown   = -1
)

// ReadSeries reads a CSV file, compressed with gzip or not, whose first row names the
// columns. It is either wide, a time and then a column of bytes for each key, or, if its
// columns are a time, a key and "bytes" or "value", long, with a row for each key and time. Times
// are RFC 3339, "2006-01-02 15:04:05" in UTC, or Unix seconds. An empty cell is not
// measured. What is measured of one key at one time adds up: where clocks are put forward, a whole hour
// may bear one time. What cannot be read gives an error that wraps [ErrSeries] and names the row.
func ReadSeries(path string) (Series, error) {
	f, err := os.Open(path)
	if err != nil {
		return Series{}, fmt.Errorf("%w: %w", ErrSeries, err)
	}
	defer f.Close()
	s, err := DecodeSeries(f)
	if err != nil {
		return Series{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// DecodeSeries is ReadSeries on what a file holds.
func DecodeSeries(r io.Reader) (Series, error) {
	plain, err := uncompressed(r)
	if err != nil {
		return Series{}, fmt.Errorf("%w: %w", ErrSeries, err)
	}
	rows := csv.NewReader(plain)
	rows.ReuseRecord, rows.TrimLeadingSpace = true, true
	header, err := rows.Read()
	if err != nil {
		return Series{}, fmt.Errorf("%w: no first row that names the columns: %w", ErrSeries, err)
	}
	if len(header) < 2 {
		return Series{}, fmt.Errorf("%w: %d column; give a time and bytes at least", ErrSeries, len(header))
	}
	t := newTable(header)
	for n := 2; ; n++ {
		record, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return t.series()
		}
		if err == nil {
			err = t.add(record)
		}
		if err != nil {
			return Series{}, fmt.Errorf("%w: row %d: %w", ErrSeries, n, err)
		}
	}
}

// The two bytes that every gzip file begins with (RFC 1952), and the mark that some
// programs put before a text in UTF-8.
const (
	gzipMagic     = "\x1f\x8b"
	byteOrderMark = "\xef\xbb\xbf"
)

func uncompressed(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	if magic, _ := b.Peek(len(gzipMagic)); string(magic) == gzipMagic {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		b = bufio.NewReader(z)
	}
	if mark, _ := b.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		if _, err := b.Discard(len(byteOrderMark)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// table gathers cells as they come.
type table struct {
	long  bool
	keys  []string       // in the order in which they came
	index map[string]int // of a key
	cells map[int64]map[int]int64
	count int
}

func newTable(header []string) *table {
	t := &table{index: map[string]int{}, cells: map[int64]map[int]int64{}}
	last := strings.ToLower(header[len(header)-1])
	t.long = len(header) == 3 && (last == "bytes" || last == "value")
	if !t.long {
		for _, key := range header[1:] {
			t.key(strings.TrimSpace(key))
		}
	}
	return t
}

func (t *table) key(name string) int {
	i, known := t.index[name]
	if !known {
		i = len(t.keys)
		t.keys, t.index[name] = append(t.keys, strings.Clone(name)), i
	}
	return i
}

func (t *table) add(record []string) error {
	at, err := parseTime(record[0])
	if err != nil {
		return err
	}
	if t.long {
		return t.set(at, t.key(record[1]), record[2])
	}
	if len(t.keys) != len(record)-1 {
		return errors.New("two columns have the same name; give each key one of its own")
	}
	for i, cell := range record[1:] {
		if err := t.set(at, i, cell); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) set(at time.Time, key int, cell string) error {
	bytes, err := parseBytes(cell)
	if err != nil {
		return fmt.Errorf("key %q: %w", t.keys[key], err)
	}
	row := t.cells[at.UnixNano()]
	if row == nil {
		row = map[int]int64{}
		t.cells[at.UnixNano()] = row
	}
	if t.count++; t.count > mostCells {
		return fmt.Errorf("more than %d cells; cut the series into parts", mostCells)
	}
	switch before, again := row[key]; {
	case !again || before == unknown:
		row[key] = bytes
	case bytes != unknown && before > mostBytes-bytes:
		return fmt.Errorf("key %q: more than 2^60 bytes at %s", t.keys[key], at.Format(time.RFC3339))
	case bytes != unknown:
		row[key] = before + bytes
	}
	return nil
}

func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	if s, err := strconv.ParseInt(text, 10, 64); err == nil && s > 0 && s < math.MaxInt64/int64(time.Second) {
		return time.Unix(s, 0).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("time %q; give RFC 3339, 2006-01-02 15:04:05 or Unix seconds", text)
}

func parseBytes(cell string) (int64, error) {
	if cell = strings.TrimSpace(cell); cell == "" {
		return unknown, nil
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil || !(v >= 0 && v <= mostBytes) {
		return 0, fmt.Errorf("bytes %q; give a number from 0 to 2^60", cell)
	}
	return int64(v), nil
}

// series puts the cells in order.
func (t *table) series() (Series, error) {
	if len(t.cells) < 2 {
		return Series{}, fmt.Errorf("%w: %d times; give two at least", ErrSeries, len(t.cells))
	}
	if len(t.cells) > mostCells/len(t.keys) {
		return Series{}, fmt.Errorf("%w: %d keys at %d times; cut the series into parts", ErrSeries, len(t.keys), len(t.cells))
	}
	s := Series{Keys: slices.Sorted(slices.Values(t.keys))}
	for at := range t.cells {
		s.Rows = append(s.Rows, Row{Time: time.Unix(0, at).UTC()})
	}
	slices.SortFunc(s.Rows, func(a, b Row) int { return a.Time.Compare(b.Time) })
	for i := range s.Rows {
		r := &s.Rows[i]
		for _, key := range s.Keys {
			bytes, measured := t.cells[r.Time.UnixNano()][t.index[key]]
			if !measured {
				bytes = unknown
			}
			r.Bytes = append(r.Bytes, bytes)
		}
	}
	s.Step = usualStep(s.Rows)
	return s, nil
}

// usualStep is the median of the distances between rows, the lower of two: neither a gap nor a clock that was
// set changes it.
func usualStep(rows []Row) time.Duration {
	steps := make([]time.Duration, len(rows)-1)
	for i := range steps {
		steps[i] = rows[i+1].Time.Sub(rows[i].Time)
	}
	slices.Sort(steps)
	return steps[(len(steps)-1)/2]
}
