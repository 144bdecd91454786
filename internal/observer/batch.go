package observer

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/condition"
	"github.com/otel-exfil/exfil/internal/decode"
	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
	"github.com/otel-exfil/exfil/internal/stream"
)

// Batch is what was read of one delivery of logs or metrics, between the moment before the next consumer
// gets them and the moment after. It belongs to one goroutine at a time, and ends with
// either Commit or Discard.
type Batch struct {
	parts   []*part        // one a tenant; those from used on are empty, for another delivery
	used    int            // of parts
	places  map[string]int // in parts, by the tenant's name
	waiting int            // of parts, those of tenants that have no place yet
	at      *part          // of the records in hand

	scratch decode.Scratch
	records []flow.Record    // of the log record in hand
	point   flow.Record      // of the data point in hand
	matched []int32          // of the flow in hand
	record  condition.Record // that it is of

	read     int64   // log records or data points looked at
	own      int64   // log records that are alerts of our own
	reasons  []int64 // log records or data points by decode.Reason
	outcomes []int64 // flows by flow.Outcome
	repeated int64   // running totals that brought nothing new
	exempted int64   // flows that an exception kept out
	points   []int64 // flows of counters that add nothing, by stream.Outcome
}

// part is what a batch holds of a tenant.
type part struct {
	name   string
	tenant *tenant // nil: it has no place yet, which it gets once the batch is delivered

	flows    []flow.Flow // leaving ones only
	unplaced []int32     // of flows, those whose place is yet to be completed
	// excepted are the exceptions that flows fall under, in the order of flows.
	excepted []excepting

	runningTotals bool // some of flows are
	// counted are those of flows that counters tell of, in the order of flows.
	counted  []counted
	heard    []stream.Point // of counters whose flows do not leave
	findings []detector.Finding
}

// size is how much memory the part holds on to, in its longest list's elements.
func (p *part) size() int { return max(cap(p.flows), cap(p.counted), cap(p.heard)) }

// empty says whether the part tells nothing of its tenant's traffic.
func (p *part) empty() bool { return len(p.flows) == 0 && len(p.heard) == 0 }

func (p *part) reset() {
	p.name, p.tenant = "", nil
	p.flows, p.unplaced = p.flows[:0], p.unplaced[:0]
	p.excepted = p.excepted[:0]
	p.runningTotals = false
	p.counted, p.heard = p.counted[:0], p.heard[:0]
	clear(p.findings)
	p.findings = p.findings[:0]
}

// maxKeptFlows bounds the memory that a pooled batch holds on to. A batch that was larger
// goes to the garbage collector instead.
const maxKeptFlows = 32_768

func newBatch() *Batch {
	return &Batch{
		places:   make(map[string]int),
		reasons:  make([]int64, len(decode.Reasons())),
		outcomes: make([]int64, len(flow.Outcomes())),
		points:   make([]int64, len(stream.Outcomes())),
	}
}

func (b *Batch) reset() {
	for _, p := range b.parts[:b.used] {
		p.reset()
	}
	clear(b.places)
	b.used, b.waiting, b.at = 0, 0, nil
	b.records, b.point = b.records[:0], flow.Record{}
	b.record = condition.Record{}
	b.read, b.own, b.repeated, b.exempted = 0, 0, 0, 0
	clear(b.reasons)
	clear(b.outcomes)
	clear(b.points)
}

// turn takes in hand the part of the tenant of a name, that of those without room where it has none. Whatever a delivery names,
// there are no more parts than there may be tenants.
func (b *Batch) turn(name string, tenants *tenants) {
	if b.used > 0 && b.at.name == name {
		return
	}
	place, known := b.places[name]
	if !known {
		t := tenants.find(name, b.waiting)
		if t != nil && t.name() != name {
			b.turn(t.name(), tenants)
			return
		}
		place = b.add(name, t)
	}
	b.at = b.parts[place]
}

// add begins a part and returns its place.
func (b *Batch) add(name string, t *tenant) int {
	place := b.used
	if place == len(b.parts) {
		b.parts = append(b.parts, &part{})
	}
	b.used++
	b.places[name] = place
	b.parts[place].name, b.parts[place].tenant = name, t
	if t == nil {
		b.waiting++
	}
	return place
}

// size is how much memory the batch holds on to, in elements of its longest lists.
func (b *Batch) size() int {
	n := 0
	for _, p := range b.parts {
		n += p.size()
	}
	return max(n, cap(b.records))
}

// take returns a batch that holds nothing yet, of records whose tenant nobody has named.
func (o *Observer) take() *Batch {
	b := o.batches.Get().(*Batch)
	b.scratch.Now = o.now()
	b.turn("", o.tenants)
	return b
}

// Decode reads the flows of ld without counting anything yet. Call it before ld is handed on:
// the next consumer may change it. It takes no lock and keeps nothing of ld but strings.
func (o *Observer) Decode(ld plog.Logs) *Batch {
	b := o.take()
	resources := ld.ResourceLogs()
	for i := range resources.Len() {
		resource := resources.At(i)
		if o.partition.attribute != "" {
			b.turn(o.partition.ofResource(resource.Resource()), o.tenants)
		}
		o.decoder.Resource(&b.scratch, resource.Resource())
		b.record.Resource = resource
		scopes := resource.ScopeLogs()
		for j := range scopes.Len() {
			scope := scopes.At(j)
			b.record.Scope = scope
			records := scope.LogRecords()
			b.read += int64(records.Len())
			if isOwn(scope) {
				b.own += int64(records.Len())
				continue
			}
			for k := range records.Len() {
				o.decodeRecord(b, records.At(k))
			}
		}
	}
	o.complete(b)
	b.scratch.Reset()
	b.record = condition.Record{}
	return b
}

// isOwn says whether a scope's records are alerts of this component, whichever instance wrote them.
func isOwn(scope plog.ScopeLogs) bool { return scope.Scope().Name() == alert.ScopeName }

// HasAlerts says whether the batch holds alerts of this component, which an instance before
// has written.
func (b *Batch) HasAlerts() bool { return b.own > 0 }

// AlertsOf returns a copy of what is alerts of this component in ld.
func AlertsOf(ld plog.Logs) plog.Logs {
	alerts := plog.NewLogs()
	ld.CopyTo(alerts)
	alerts.ResourceLogs().RemoveIf(func(resource plog.ResourceLogs) bool {
		resource.ScopeLogs().RemoveIf(func(scope plog.ScopeLogs) bool { return !isOwn(scope) })
		return resource.ScopeLogs().Len() == 0
	})
	return alerts
}

func (o *Observer) decodeRecord(b *Batch, lr plog.LogRecord) {
	var reason decode.Reason
	b.records, reason = o.decoder.Log(&b.scratch, lr, b.records[:0])
	b.reasons[reason]++
	b.record.Log = lr
	for i := range b.records {
		o.resolve(b, &b.records[i], &b.record)
	}
}

// resolve adds the flow of bytes that leave, if r is one, completed by its place. It was read of a log record, nil if of a
// data point.
func (o *Observer) resolve(b *Batch, r *flow.Record, log *condition.Record) {
	p := b.at
	n := len(p.flows)
	if n == cap(p.flows) {
		p.flows = slices.Grow(p.flows, 1)
	}
	f := &p.flows[:n+1][n] // it is there for good only if bytes leave
	outcome := o.scope.Resolve(r, f)
	b.outcomes[outcome]++
	if outcome != flow.Leaves {
		return
	}
	p.flows = p.flows[:n+1]
	if o.placesLater(f) {
		p.unplaced = append(p.unplaced, int32(n))
	} else if o.locator != nil {
		f.Place = o.locator.Complete(f.Place, f.Destination)
	}
	o.except(b, n, log)
	p.runningTotals = p.runningTotals || f.Total != 0
}

// placesLater says whether a flow's place is completed with those of the whole batch. Where it is looked up the processor waits
// for two or three cache lines; of one flow after the other, with nothing in between, it waits for those of several flows at a
// time. Exceptions may ask for a place at once.
func (o *Observer) placesLater(f *flow.Flow) bool {
	return o.locator != nil && (f.Place.Region == "" || f.Place.Country == "") && o.matcher.Len() == 0 && o.calendar.Len() == 0
}

// complete completes the places that were left for later.
func (o *Observer) complete(b *Batch) {
	for _, p := range b.parts[:b.used] {
		for _, i := range p.unplaced {
			f := &p.flows[i]
			f.Place = o.locator.Complete(f.Place, f.Destination)
		}
	}
}
