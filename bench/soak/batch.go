package main

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

const (
	batchRecords = 250
	// reportedTwice of a batch's records are running totals, as Packetbeat reports: one so far, then the
	// last one.
	reportedTwice = 12
)

// batch is a delivery of ECS records that is filled again and again.
type batch struct {
	logs  plog.Logs
	slots []slot
	turn  int
}

// slot is a record and its attributes.
type slot struct {
	record                                                  plog.LogRecord
	host, source, destination, port, bytes, region, country pcommon.Value
	id, final                                               pcommon.Value // of a running total
	last                                                    connection    // that a running total told of
}

func newBatch() *batch {
	b := &batch{logs: plog.NewLogs(), slots: make([]slot, batchRecords)}
	records := b.logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.EnsureCapacity(batchRecords)
	for i := range b.slots {
		b.slots[i] = newSlot(records.AppendEmpty(), i < reportedTwice)
	}
	return b
}

func newSlot(lr plog.LogRecord, total bool) slot {
	a := lr.Attributes()
	a.EnsureCapacity(16)
	a.PutStr("event.kind", "event")
	a.PutStr("event.action", "network_flow")
	a.PutStr("network.transport", "tcp")
	a.PutStr("network.direction", "egress")
	a.PutStr("process.name", "agent")
	a.PutInt("destination.bytes", 4000)
	a.PutInt("source.port", 50_000)
	s := slot{
		record:      lr,
		host:        a.PutEmpty("host.name"),
		source:      a.PutEmpty("source.ip"),
		destination: a.PutEmpty("destination.ip"),
		port:        a.PutEmpty("destination.port"),
		bytes:       a.PutEmpty("source.bytes"),
		region:      a.PutEmpty("destination.geo.region_name"),
		country:     a.PutEmpty("destination.geo.country_iso_code"),
	}
	if total {
		s.id, s.final = a.PutEmpty("flow.id"), a.PutEmpty("flow.final")
	}
	return s
}

// fill fills the batch with connections that were made until a time.
func (b *batch) fill(o *organisation, until time.Time) {
	b.turn++
	var c connection
	for i := range b.slots {
		s := &b.slots[i]
		if i >= reportedTwice {
			o.connect(&c, until)
			s.write(&c)
			continue
		}
		ends := b.turn%2 == 0
		if ends {
			s.last.at, s.last.bytes = until, 2*s.last.bytes
		} else {
			o.connect(&s.last, until)
			s.id.SetStr(fmt.Sprintf("%d-%d", b.turn, i))
		}
		s.final.SetBool(ends)
		s.write(&s.last)
	}
}

func (s *slot) write(c *connection) {
	s.record.SetTimestamp(pcommon.NewTimestampFromTime(c.at))
	s.host.SetStr(c.from.name)
	s.source.SetStr(c.from.address)
	s.destination.SetStr(c.to.address)
	s.port.SetInt(c.port)
	s.bytes.SetInt(c.bytes)
	s.region.SetStr(c.to.region)
	s.country.SetStr(c.to.country)
}
