// Package decode reads flows out of OpenTelemetry log records and metrics. It knows the formats
// of flow sources, one file each, and takes a record's values from its attributes,
// its body and its resource, in this order, whether their keys are flat, dotted or
// nested. What cannot be read is named by a Reason, never an error: a record is data.
package decode

import (
	"math/bits"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/flow"
)

// format reads the flows of a record whose values have been gathered.
type format interface {
	// read appends what it finds to dst.
	read(s *Scratch, dst []flow.Record) ([]flow.Record, Reason)
}

// lineFormat reads flows from text that is not JSON.
type lineFormat interface {
	// readText is asked for text in which no keys were found; it declines text of
	// another kind with UnknownFormat.
	readText(s *Scratch, text string, dst []flow.Record) ([]flow.Record, Reason)
}

// single reads a format with one flow in a record.
type single interface {
	record(s *Scratch, r *flow.Record) Reason
}

// one makes a format of a single.
type one struct{ single }

func (o one) read(s *Scratch, dst []flow.Record) ([]flow.Record, Reason) {
	n := len(dst)
	dst = append(dst, flow.Record{})
	if why := o.record(s, &dst[n]); why != Accepted {
		return dst[:n], why
	}
	return dst, Accepted
}

// Decoder reads the configured formats. It is immutable and safe for concurrent use;
// what changes is in the Scratch of each caller.
type Decoder struct {
	top     *level
	slots   int
	formats []format // by bit of entry.formats, the most specific first
	lines   []lineFormat
	message keys // where shippers put a line that they did not parse
	metrics metrics

	key      Key
	identity identity // under the key
}

// Resource begins the records of one resource: Log fills in from it what they do not have.
// It is to be called for each ResourceLogs.
func (d *Decoder) Resource(s *Scratch, res pcommon.Resource) {
	s.header, s.identity = false, &d.identity
	s.fit(d.slots)
	s.gather(d.top, res.Attributes())
	s.keepResource()
}

// Log appends the flows of a record to dst and says what became of it. Accepted comes
// with at least one flow, TooLarge with MaxFlows and every other reason with none. Each
// flow has valid, unmapped addresses without zone and byte counts from 0 to
// MaxBytes, or flow.UnknownBytes for one of the two. Names and ids are whatever the record says, and alias it:
// flow.Scope makes them safe. In the steady state it does not allocate but to grow dst.
func (d *Decoder) Log(s *Scratch, lr plog.LogRecord, dst []flow.Record) ([]flow.Record, Reason) {
	s.fit(d.slots)
	s.gather(d.top, lr.Attributes())
	body := lr.Body()
	if body.Type() == pcommon.ValueTypeMap {
		s.gather(d.top, body.Map())
	}
	if s.formats == 0 {
		return d.text(s, lr, body, dst)
	}
	s.inherit()
	s.stamp(lr)
	return d.formats[bits.TrailingZeros64(s.formats)].read(s, dst)
}

// text reads a record without known keys: a line of a log that is not JSON, if anything.
func (d *Decoder) text(s *Scratch, lr plog.LogRecord, body pcommon.Value, dst []flow.Record) ([]flow.Record, Reason) {
	t := strings.TrimSpace(body.Str())
	if t == "" {
		t = strings.TrimSpace(s.longText(d.message))
	}
	if t == "" {
		return dst, UnknownFormat
	}
	if t[0] == '{' || t[0] == '[' {
		return dst, UnparsedJSON
	}
	s.stamp(lr)
	for _, f := range d.lines {
		if out, why := f.readText(s, t, dst); why != UnknownFormat {
			return out, why
		}
	}
	return dst, UnknownFormat
}
