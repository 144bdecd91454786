package geo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"runtime"
	"slices"

	"github.com/oschwald/maxminddb-golang/v2"
)

// schema reads one layout of records.
type schema[T any] interface {
	// decode reads a record. An error means that the record is damaged.
	decode(maxminddb.Result) (T, error)
}

// database is one MaxMind DB file in memory, checked, with what its records say. It
// never changes.
type database[T comparable] struct {
	path   string
	reader *maxminddb.Reader
	// values are the distinct things that records say, which are far fewer than the
	// records: many differ only in what nobody asks for here, such as coordinates.
	values []T
	// index finds a record's value by the record's offset in the file.
	index map[uint32]uint32
}

// newDatabase reads and checks all of content. choose finds the schema, or says why there is none.
func newDatabase[T comparable](ctx context.Context, path string, content []byte, choose func(*maxminddb.Reader) (schema[T], error)) (*database[T], error) {
	reader, err := maxminddb.OpenBytes(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w%s", ErrDamaged, err, hint(content))
	}
	s, err := choose(reader)
	if err != nil {
		return nil, err
	}
	d := &database[T]{path: path, reader: reader, index: make(map[uint32]uint32)}
	if err := d.load(ctx, s); err != nil {
		return nil, err
	}
	return d, nil
}

// hint says what a file that is no MaxMind DB seems to be instead.
func hint(content []byte) string {
	switch {
	case len(content) == 0:
		return " (the file is empty)"
	case bytes.HasPrefix(content, []byte{0x1f, 0x8b}), bytes.HasPrefix(content, []byte("PK\x03\x04")):
		return " (the file is compressed: unpack it first)"
	}
	return ""
}

// leaves walks the search tree and yields the result of each network that has a record. An
// error is the last thing it yields. It ends also in a damaged tree.
func leaves(reader *maxminddb.Reader) iter.Seq2[maxminddb.Result, error] {
	// A binary tree of n nodes has n+1 leaves. A writer may share a branch; very many more
	// leaves mean that damaged nodes share theirs, and the walk would take for ever.
	limit := 4 * (uint64(reader.Metadata.NodeCount) + 1)
	return func(yield func(maxminddb.Result, error) bool) {
		var n uint64
		for result := range reader.Networks(maxminddb.IncludeNetworksWithoutData()) {
			if n++; n > limit {
				yield(result, fmt.Errorf("%w: the search tree branches more often than it has nodes", ErrDamaged))
				return
			}
			if err := result.Err(); err != nil {
				yield(result, fmt.Errorf("%w: %w", ErrDamaged, err))
				return
			}
			if result.Found() && !yield(result, nil) {
				return
			}
		}
	}
}

// A walk makes way, for whoever has something to do, after so many networks and after so many records: some milliseconds. On a
// machine with a single processor deliveries would else wait for as long as the runtime lets a goroutine go on, ten milliseconds
// and more.
const (
	walkedAtOnce  = 4096
	decodedAtOnce = 256
)

// load walks the whole search tree and decodes every record once.
//
// The library's own Verify is not used: it refuses databases that it reads well (those
// of ip-location-db, for their empty description), and takes three times as long.
func (d *database[T]) load(ctx context.Context, s schema[T]) error {
	seen := 0
	positions := make(map[T]uint32) // in values
	for result, err := range leaves(d.reader) {
		if err != nil {
			return err
		}
		if seen++; seen%walkedAtOnce == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			runtime.Gosched()
		}
		offset := uint32(result.Offset()) // fits: see maxFileSize
		if _, ok := d.index[offset]; ok {
			continue
		}
		if len(d.index)%decodedAtOnce == 0 {
			runtime.Gosched()
		}
		value, err := s.decode(result)
		if err != nil {
			return fmt.Errorf("%w: record of %v: %w", ErrDamaged, result.Prefix(), err)
		}
		position, ok := positions[value]
		if !ok {
			position = uint32(len(d.values))
			positions[value] = position
			d.values = append(d.values, value)
		}
		d.index[offset] = position
	}
	d.values = slices.Clip(d.values)
	return nil
}

// lookup returns nil for an address that is not in the database. The value is shared.
func (d *database[T]) lookup(a netip.Addr) *T {
	position, ok := d.position(d.reader.Lookup(a))
	if !ok {
		return nil
	}
	return &d.values[position]
}

// position returns where in values that of a result is; false: there is none.
func (d *database[T]) position(r maxminddb.Result) (position uint32, ok bool) {
	if r.Found() { // it is not, with an error, for IPv6 in a database of IPv4
		position, ok = d.index[uint32(r.Offset())]
	}
	return position, ok
}

func (d *database[T]) source(key string) Source {
	m := d.reader.Metadata
	return Source{Key: key, Path: d.path, Type: m.DatabaseType, Built: m.BuildTime().UTC()}
}

// databases are asked in turn.
type databases[T comparable] []*database[T]

func (ds databases[T]) lookup(a netip.Addr) *T {
	for _, d := range ds {
		if v := d.lookup(a); v != nil {
			return v
		}
	}
	return nil
}

// find returns the first database that has an IPv4 address, by its number, and where in its values; len(ds) if none has it.
// Whole says that this is the same for its whole /24.
func (ds databases[T]) find(a netip.Addr) (number, position int, whole bool) {
	whole = true
	for number, d := range ds {
		result := d.reader.Lookup(a)
		network := result.Prefix() // what the result holds for, found or not
		whole = whole && network.Addr().Is4() && network.Bits() <= blockBits
		if at, ok := d.position(result); ok {
			return number, int(at), whole
		}
	}
	return len(ds), 0, false
}

// probeRecords is how many records are looked at to tell a schema: the first ones may
// be nearly empty.
const probeRecords = 1000

// errNoRecords is the probe's verdict on a database without any.
var errNoRecords = errors.New("it holds no records")

// probe shows the first records to recognise, as far as they are maps, until that says
// true. The error tells why it never did.
func probe(reader *maxminddb.Reader, recognise func(map[string]any) bool) error {
	shown := 0
	for result, err := range leaves(reader) {
		if err != nil {
			return err
		}
		var record any
		if err := result.Decode(&record); err != nil {
			return fmt.Errorf("%w: record of %v: %w", ErrDamaged, result.Prefix(), err)
		}
		fields, ok := record.(map[string]any)
		if ok && recognise(fields) {
			return nil
		}
		if shown++; shown == probeRecords {
			break
		}
	}
	if shown == 0 {
		return fmt.Errorf("%w: %w", ErrUnsuitable, errNoRecords)
	}
	return fmt.Errorf("%w: it is of type %q, whose records have another layout", ErrUnsuitable, reader.Metadata.DatabaseType)
}
