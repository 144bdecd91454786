package main

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/otel-exfil/exfil/bench/load"
	"github.com/otel-exfil/exfil/internal/flow"
)

// batch is an export request, encoded once. The times of its records can be moved without encoding it again.
type batch struct {
	encoded []byte
	times   []int // where the records' times are: eight bytes each, the least first
	base    time.Time
}

// newBatch encodes flows of the minute that begins with base.
func newBatch(flows []flow.Record, base time.Time) (*batch, error) {
	ld, err := load.Encode(load.ECS, flows)
	if err != nil {
		return nil, err
	}
	b := &batch{base: base}
	if b.encoded, err = plogotlp.NewExportRequestFromLogs(ld).MarshalProto(); err != nil {
		return nil, err
	}
	if b.times, err = fields(b.encoded, 0, len(b.encoded), recordTimes...); err != nil {
		return nil, err
	}
	if len(b.times) != len(flows) {
		return nil, errors.New("a record without a time, or more than one")
	}
	return b, nil
}

// moveTo makes the batch one of the minute that begins with base.
func (b *batch) moveTo(base time.Time) {
	by := uint64(base.Sub(b.base))
	for _, at := range b.times {
		t := b.encoded[at : at+8]
		binary.LittleEndian.PutUint64(t, binary.LittleEndian.Uint64(t)+by)
	}
	b.base = base
}

// recordTimes are the fields that lead from an ExportLogsServiceRequest to the times of its records: resource_logs,
// scope_logs, log_records, time_unix_nano (opentelemetry-proto, logs/v1/logs.proto).
var recordTimes = []uint64{1, 2, 2, 1}

// The wire types of Protocol Buffers (protobuf.dev/programming-guides/encoding).
const (
	varint  = 0
	fixed64 = 1
	lengths = 2
	fixed32 = 5
)

var errEncoding = errors.New("not the encoding of a message")

// fields returns where in the message from begin to end the values of the field lie that the path leads to.
func fields(message []byte, begin, end int, path ...uint64) (found []int, err error) {
	for at := begin; at < end; {
		number, value, next, err := field(message[:end], at)
		if err != nil {
			return nil, err
		}
		at = next
		if number != path[0] {
			continue
		}
		if len(path) == 1 {
			found = append(found, value)
			continue
		}
		below, err := fields(message, value, next, path[1:]...)
		if err != nil {
			return nil, err
		}
		found = append(found, below...)
	}
	return found, nil
}

// field returns the number of the field that begins at a place, where its value begins, and where the next field does.
func field(message []byte, at int) (number uint64, value, next int, err error) {
	key, n := binary.Uvarint(message[at:])
	if n <= 0 {
		return 0, 0, 0, errEncoding
	}
	value = at + n
	switch key & 7 {
	case fixed64:
		next = value + 8
	case fixed32:
		next = value + 4
	case varint, lengths:
		v, n := binary.Uvarint(message[value:])
		if n <= 0 || v > math.MaxInt32 && key&7 == lengths {
			return 0, 0, 0, errEncoding
		}
		if next = value + n; key&7 == lengths {
			value, next = next, next+int(v)
		}
	}
	if next == 0 || next > len(message) {
		return 0, 0, 0, errEncoding
	}
	return key >> 3, value, next, nil
}
