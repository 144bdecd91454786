package e2e

import (
	"fmt"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otel-exfil/exfil/internal/engine/enginetest"
)

// An office whose flows are told in deliveries of five minutes each. None is told in the minutes around a full hour,
// when windows close: so it is always a delivery that closes a window, and never a clock that runs on while a collector is
// restarted.
const (
	firstSlot    = 10 * time.Minute
	slot         = 5 * time.Minute
	slotsPerHour = 8
	perDay       = 24 * slotsPerHour
)

// service is what the office uses: some bytes a flow to a port in a region.
type service struct {
	port   int64
	region string
	bytes  int64
}

func services() []service {
	return []service{
		{443, "Virginia", 90_000}, {443, "Hesse", 60_000}, {443, "Leinster", 40_000}, {80, "Virginia", 20_000}, {993, "Leinster", 30_000},
		{8443, "Hesse", 50_000}, {22, "Virginia", 10_000}, {587, "Leinster", 25_000}, {123, "Hesse", 9_000}, {3478, "Virginia", 80_000},
	}
}

// theft is something that leaves in addition, some hours long.
type theft struct {
	day, hour, hours int
	host             string
	service          service
}

// thefts take hundreds of times what an hour of the office has, and so long that what one kill costs is a small part
// of them.
func thefts() []theft {
	return []theft{
		{4, 21, 8, "ws-13", service{4444, "Virginia", 60_000_000}},
		{7, 1, 7, "ws-21", service{443, "Tashkent", 60_000_000}},
		{9, 13, 6, "ws-15", service{6667, "Hesse", 60_000_000}},
		{11, 9, 8, "ws-30", service{2222, "Nairobi", 60_000_000}},
	}
}

// officeDays is how long the office is watched.
const officeDays = 13

// slotTime is the instant of the last flow of a delivery.
func slotTime(n int) time.Time {
	hours, at := n/slotsPerHour, n%slotsPerHour
	return enginetest.Monday.Add(time.Duration(hours)*hour + firstSlot + time.Duration(at)*slot)
}

// visit is a flow and where it went.
type visit struct {
	enginetest.Sent
	region string
}

// visits are the flows of a delivery, in order of time: the same whenever it is asked.
func visits(n int) []visit {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	day, clock := n/perDay, n/slotsPerHour%24
	rhythm := 0.3
	if clock >= 8 && clock < 18 && day%7 < 5 {
		rhythm = 1
	}
	var all []visit
	for i, s := range services() {
		all = append(all, visit{enginetest.Sent{
			Host: fmt.Sprintf("ws-%d", 10+(n*7+i*5)%24), Port: s.port, Bytes: int64(float64(s.bytes) * rhythm * (0.8 + 0.4*random.Float64())),
		}, s.region})
	}
	for _, t := range thefts() {
		if since := n - (t.day*24+t.hour)*slotsPerHour; since >= 0 && since < t.hours*slotsPerHour {
			all = append(all, visit{enginetest.Sent{Host: t.host, Port: t.service.port, Bytes: t.service.bytes}, t.service.region})
		}
	}
	for i := range all {
		all[i].At = slotTime(n).Add(time.Duration(i+1-len(all)) * time.Second)
	}
	return all
}

// bytesOf is what leaves in a delivery.
func bytesOf(n int) (sum int64) {
	for _, v := range visits(n) {
		sum += v.Bytes
	}
	return sum
}

// visitLogs writes a delivery as logs. That it is tried again shows in the last nanoseconds of its last flow, so that a
// state that knows of a try tells which.
func visitLogs(n, try int) plog.Logs {
	all := visits(n)
	all[len(all)-1].At = all[len(all)-1].At.Add(time.Duration(try))
	var sent []enginetest.Sent
	for _, v := range all {
		sent = append(sent, v.Sent)
	}
	ld := enginetest.ECS(sent...)
	i := 0
	for lr := range records(ld) {
		lr.Attributes().PutStr("destination.geo.region_name", all[i].region)
		i++
	}
	return ld
}

// visitTotals writes the first n deliveries as running totals of one sum. Counters tell no region.
func visitTotals(n int) []pmetric.Metrics {
	totals := map[string]int64{}
	var all []pmetric.Metrics
	for n := range n {
		md := pmetric.NewMetrics()
		metric := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		metric.SetName("obi.network.flow.bytes")
		metric.SetUnit("By")
		sum := metric.SetEmptySum()
		sum.SetIsMonotonic(true)
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for _, v := range visits(n) {
			ends := fmt.Sprint(v.Host, v.Port, v.region)
			if _, known := totals[ends]; !known { // what comes first tells nothing
				total(sum.DataPoints().AppendEmpty(), &v, v.At.Add(-time.Millisecond), 0)
			}
			totals[ends] += v.Bytes
			total(sum.DataPoints().AppendEmpty(), &v, v.At, totals[ends])
		}
		all = append(all, md)
	}
	return all
}

func total(p pmetric.NumberDataPoint, v *visit, at time.Time, bytes int64) {
	p.SetTimestamp(pcommon.NewTimestampFromTime(at))
	p.SetIntValue(bytes)
	a := p.Attributes()
	a.PutStr("src.address", "10.0.0."+v.Host[3:])
	a.PutStr("src.name", v.Host)
	a.PutStr("dst.address", "198.51.100.20")
	a.PutStr("dst.name", v.region) // one stream for each
	a.PutStr("dst.country", "US")
	a.PutInt("dst.port", v.Port)
}
