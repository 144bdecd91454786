package enginetest

import (
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/internal/config"
)

// Monday is a time from which the traffic of the tests begins.
var Monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Quick is a configuration whose warm-up is over after a day of windows of an hour.
func Quick() *config.Config {
	cfg := config.Default()
	cfg.Windows = []time.Duration{time.Hour}
	cfg.WarmUp = 24 * time.Hour
	return cfg
}

// Sent is one connection as Packetbeat reports it.
type Sent struct {
	At    time.Time
	Host  string
	Port  int64
	Bytes int64
	ID    string // flow.id of a running total; "": none
	Final bool
}

// ECS writes connections as a batch of ECS records.
func ECS(connections ...Sent) plog.Logs {
	ld := plog.NewLogs()
	resource := ld.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "packetbeat")
	records := resource.ScopeLogs().AppendEmpty().LogRecords()
	for i, c := range connections {
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(c.At))
		a := lr.Attributes()
		a.PutStr("source.ip", address(i))
		a.PutInt("source.port", 50_000)
		a.PutStr("destination.ip", "198.51.100.20")
		a.PutInt("destination.port", c.Port)
		a.PutStr("destination.geo.region_name", "California")
		a.PutStr("destination.geo.country_iso_code", "US")
		a.PutInt("source.bytes", c.Bytes)
		a.PutInt("destination.bytes", 4000)
		a.PutStr("network.direction", "egress")
		a.PutStr("network.transport", "tcp")
		a.PutStr("host.name", c.Host)
		if c.ID != "" {
			a.PutStr("flow.id", c.ID)
			a.PutBool("flow.final", c.Final)
		}
	}
	return ld
}

// address is that of the i-th connection of a batch, inside.
func address(i int) string { return fmt.Sprintf("10.0.0.%d", 1+i%200) }

// Connections returns, hour by hour, some days of an office's traffic to a few ports.
func Connections(days int) [][]Sent {
	var hours [][]Sent
	for hour := range 24 * days {
		at := Monday.Add(time.Duration(hour) * time.Hour)
		var connections []Sent
		for i, port := range []int64{443, 443, 443, 80, 22, 993, 8443, 123} {
			connections = append(connections, Sent{
				At:    at.Add(time.Duration(i) * time.Minute),
				Host:  fmt.Sprintf("ws-%d", i),
				Port:  port,
				Bytes: 200_000 + 10_000*int64((hour*7+i*13)%11),
			})
		}
		hours = append(hours, connections)
	}
	return hours
}

// Ordinary is Connections as batches of ECS records.
func Ordinary(days int) []plog.Logs {
	var hours []plog.Logs
	for _, connections := range Connections(days) {
		hours = append(hours, ECS(connections...))
	}
	return hours
}

// AfterDays is a moment within the first hour after so many days.
func AfterDays(days int) time.Time {
	return Monday.Add(time.Duration(days)*24*time.Hour + 20*time.Minute)
}

// Theft is 800 MB to a port that was never used.
func Theft(days int) Sent {
	return Sent{At: AfterDays(days), Host: "ws-3", Port: 4444, Bytes: 800_000_000}
}
