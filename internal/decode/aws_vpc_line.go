package decode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/otel-exfil/exfil/internal/flow"
)

// column is a column of a VPC flow log line that is read.
type column uint8

const (
	otherColumn column = iota
	sourceColumn
	destinationColumn
	packetSourceColumn
	packetDestinationColumn
	sourcePortColumn
	destinationPortColumn
	bytesColumn
	endColumn
	actionColumn
	statusColumn
	directionColumn
	columnCount
)

// columnOf returns which column AWS's name stands for.
func columnOf(name string) column {
	switch name {
	case "srcaddr":
		return sourceColumn
	case "dstaddr":
		return destinationColumn
	case "pkt-srcaddr":
		return packetSourceColumn
	case "pkt-dstaddr":
		return packetDestinationColumn
	case "srcport":
		return sourcePortColumn
	case "dstport":
		return destinationPortColumn
	case "bytes":
		return bytesColumn
	case "end":
		return endColumn
	case "action":
		return actionColumn
	case "log-status":
		return statusColumn
	case "flow-direction":
		return directionColumn
	}
	return otherColumn
}

// maxColumns bounds the columns of a line; AWS has about fifty.
const maxColumns = 128

// columns is the order of a line's columns.
type columns struct {
	at    [maxColumns]column
	count int
}

func (c *columns) set(names []string) {
	c.count = 0
	for _, name := range names {
		c.add(strings.TrimSuffix(strings.TrimPrefix(name, "${"), "}"))
	}
}

func (c *columns) add(name string) {
	if c.count < maxColumns {
		c.at[c.count] = columnOf(name)
		c.count++
	}
}

func (c *columns) has(w column) bool {
	return slices.Contains(c.at[:c.count], w)
}

// readable says which column is lacking for reading flows, if any.
func (c *columns) readable() error {
	switch {
	case !c.has(bytesColumn):
		return errors.New("bytes is missing")
	case !c.has(sourceColumn) && !c.has(packetSourceColumn):
		return errors.New("srcaddr is missing")
	case !c.has(destinationColumn) && !c.has(packetDestinationColumn):
		return errors.New("dstaddr is missing")
	}
	return nil
}

func validateColumns(names []string) error {
	if len(names) == 0 {
		return nil
	}
	if len(names) > maxColumns {
		return fmt.Errorf("%w: %d of them, at most %d are supported", ErrBadColumns, len(names), maxColumns)
	}
	var c columns
	c.set(names)
	if err := c.readable(); err != nil {
		return fmt.Errorf("%w: %w in %q; list them in the order of the flow log's format, by AWS's names",
			ErrBadColumns, err, strings.Join(names, " "))
	}
	return nil
}

// defaultColumn returns what column i of a line is that has all columns up to version 2, 3, 4
// or 5 in the order AWS documents them. Version 2 is what a flow log has by default.
func defaultColumn(i int) column {
	switch i {
	case 3:
		return sourceColumn
	case 4:
		return destinationColumn
	case 5:
		return sourcePortColumn
	case 6:
		return destinationPortColumn
	case 9:
		return bytesColumn
	case 11:
		return endColumn
	case 12:
		return actionColumn
	case 13:
		return statusColumn
	case 19:
		return packetSourceColumn
	case 20:
		return packetDestinationColumn
	case 27:
		return directionColumn
	}
	return otherColumn
}

// Columns of a line with every column up to version 2, 3, 4 and 5.
const (
	columnsOfVersion2 = 14
	columnsOfVersion3 = 21
	columnsOfVersion4 = 25
	columnsOfVersion5 = 29
)

func isDefaultCount(n int) bool {
	return n == columnsOfVersion2 || n == columnsOfVersion3 || n == columnsOfVersion4 || n == columnsOfVersion5
}

// readText reads one line, or a whole file of them. A header line sets the columns for
// the lines after it, in the same text and in later records of the same resource.
func (f *aws) readText(s *Scratch, text string, dst []flow.Record) ([]flow.Record, Reason) {
	first := UnknownFormat
	start := len(dst)
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if len(dst)-start == MaxFlows {
			return dst, TooLarge
		}
		n := len(dst)
		dst = append(dst, flow.Record{})
		why := f.line(s, line, &dst[n])
		if why != Accepted {
			dst = dst[:n]
		}
		if first == UnknownFormat || first == NotAFlow {
			first = why
		}
	}
	if len(dst) > start {
		return dst, Accepted
	}
	return dst, first
}

func (f *aws) line(s *Scratch, line string, r *flow.Record) Reason {
	if isHeader(line) {
		return s.readHeader(line)
	}
	count := strings.Count(line, " ") + 1
	order := f.columns
	if s.header {
		order = &s.lines
	}
	switch {
	case order != nil && count != order.count:
		return Malformed
	case order == nil && !startsWithVersion(line):
		return UnknownFormat
	case order == nil && !isDefaultCount(count):
		return Malformed
	}
	var texts [columnCount]string
	for i := 0; i < count; i++ {
		var t string
		t, line, _ = strings.Cut(line, " ")
		if order == nil {
			texts[defaultColumn(i)] = t
		} else {
			texts[order.at[i]] = t
		}
	}
	return readColumns(s, &texts, r)
}

// startsWithVersion says whether a line begins with a flow log's version, 2 to 99.
func startsWithVersion(line string) bool {
	t, _, _ := strings.Cut(line, " ")
	n, ok := digits(t)
	return ok && n >= 2 && n <= 99
}

// isHeader says whether a line names columns instead of holding values.
func isHeader(line string) bool {
	return line[0] >= 'a' && line[0] <= 'z' && strings.Contains(line, "srcaddr") && strings.Contains(line, "dstaddr")
}

func (s *Scratch) readHeader(line string) Reason {
	s.lines.count = 0
	for name := range strings.SplitSeq(line, " ") {
		s.lines.add(name)
	}
	s.header = s.lines.has(bytesColumn)
	return NotAFlow
}

// readColumns reads a flow from the texts of one line's columns, by column.
func readColumns(s *Scratch, t *[columnCount]string, r *flow.Record) (why Reason) {
	if why := verdict(t[statusColumn], t[actionColumn]); why != Accepted {
		return why
	}
	if transit(t[destinationColumn], t[packetDestinationColumn]) {
		return Duplicate
	}
	r.OneWay, r.Received = true, flow.UnknownBytes
	if r.Sent, why = bytesOfText(t[bytesColumn]); why != Accepted {
		return why
	}
	if r.Sent == flow.UnknownBytes {
		return NoBytes
	}
	if r.Source, why = addressOfText(t[packetSourceColumn], t[sourceColumn]); why != Accepted {
		return why
	}
	if r.Destination, why = addressOfText(t[packetDestinationColumn], t[destinationColumn]); why != Accepted {
		return why
	}
	if r.SourcePort, why = portOfText(t[sourcePortColumn]); why != Accepted {
		return why
	}
	if r.DestinationPort, why = portOfText(t[destinationPortColumn]); why != Accepted {
		return why
	}
	r.Direction = awsDirection(t[directionColumn])
	if r.Time = instantOfText(t[endColumn]); r.Time == 0 {
		r.Time = s.received
	}
	return Accepted
}
