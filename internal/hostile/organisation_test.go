package hostile_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/goleak"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// organisation is an observer of an organisation's traffic, at a time that the test owns.
type organisation struct {
	*observer.Observer
	t    *testing.T
	now  time.Time
	told []plog.LogRecord // alerts and events so far
}

// newOrganisation watches through windows of an hour, after a warm-up of a day.
func newOrganisation(t *testing.T, changes ...func(cfg *config.Config)) *organisation {
	t.Helper()
	cfg := config.Default()
	cfg.Windows = []time.Duration{time.Hour}
	cfg.WarmUp = 24 * time.Hour
	for _, change := range changes {
		change(cfg)
	}
	require.NoError(t, cfg.Validate())
	o := &organisation{t: t, now: monday}
	var err error
	o.Observer, err = observer.New(cfg, observer.Settings{Now: func() time.Time { return o.now }})
	require.NoError(t, err)
	require.NoError(t, o.Start(context.Background()))
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

// sent is one connection from inside to outside, as Packetbeat reports it.
type sent struct {
	at          time.Time
	source      string
	destination string
	host        string
	port        int64
	region      string
	bytes       int64
}

// write makes a record of it.
func (c *sent) write(lr plog.LogRecord) {
	lr.SetTimestamp(pcommon.NewTimestampFromTime(c.at))
	a := lr.Attributes()
	a.EnsureCapacity(9)
	a.PutStr("source.ip", c.source)
	a.PutStr("destination.ip", c.destination)
	a.PutInt("destination.port", c.port)
	a.PutInt("source.bytes", c.bytes)
	a.PutInt("destination.bytes", 4000)
	a.PutStr("network.direction", "egress")
	a.PutStr("destination.geo.region_name", c.region)
	a.PutStr("destination.geo.country_iso_code", "US")
	if c.host != "" {
		a.PutStr("host.name", c.host)
	}
}

func records(connections ...sent) plog.Logs {
	ld, to := emptyBatch()
	to.EnsureCapacity(len(connections))
	for i := range connections {
		connections[i].write(to.AppendEmpty())
	}
	return ld
}

func emptyBatch() (plog.Logs, plog.LogRecordSlice) {
	ld := plog.NewLogs()
	return ld, ld.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
}

// send delivers connections in one batch, and takes the alerts.
func (o *organisation) send(connections ...sent) { o.deliver(records(connections...)) }

func (o *organisation) deliver(ld plog.Logs) {
	o.Commit(o.t.Context(), o.Decode(ld))
	o.take()
}

func (o *organisation) take() {
	_, err := o.DeliverAlerts(o.t.Context(), func(_ context.Context, ld plog.Logs) error {
		for _, rl := range ld.ResourceLogs().All() {
			for _, sl := range rl.ScopeLogs().All() {
				for _, lr := range sl.LogRecords().All() {
					o.told = append(o.told, lr)
				}
			}
		}
		return nil
	})
	require.NoError(o.t, err)
}

var (
	ports   = []int64{443, 443, 443, 443, 80, 22, 993, 8443, 123, 587}
	regions = []string{"California", "Hesse", "Île-de-France", "Victoria"}
)

// ordinary is what the office sends in an hour from now on: some hundred kilobytes to a few ports and regions.
func (o *organisation) ordinary() []sent {
	var hour []sent
	for i, port := range ports {
		for j, region := range regions {
			hour = append(hour, sent{
				at:          o.now.Add(time.Duration(i*len(regions)+j) * time.Minute),
				source:      fmt.Sprintf("10.0.0.%d", 1+i),
				destination: fmt.Sprintf("198.51.100.%d", 1+j),
				host:        fmt.Sprintf("ws-%d", i),
				port:        port,
				region:      region,
				bytes:       200_000 + 10_000*int64((o.now.Hour()*7+i*13+j*5)%11),
			})
		}
	}
	return hour
}

// work lets hours of ordinary traffic pass, each with what else is sent at its beginning. It is delivered
// when the hour is over.
func (o *organisation) work(hours int, besides ...func() []sent) {
	for range hours {
		hour := o.ordinary()
		for _, more := range besides {
			hour = append(hour, more()...)
		}
		o.now = o.now.Add(time.Hour)
		o.send(hour...)
	}
}

// closeWindow lets time pass, without traffic, until what was sent so far is in a window that is over.
func (o *organisation) closeWindow() {
	o.now = o.now.Add(90 * time.Minute)
	o.Tick()
	o.take()
}

// settled is an organisation that was watched for some days and is some minutes into an hour, so that the
// window before has closed.
func settled(t *testing.T, days int, changes ...func(cfg *config.Config)) *organisation {
	t.Helper()
	o := newOrganisation(t, changes...)
	o.work(24 * days)
	require.Empty(t, o.anomalies(), "ordinary traffic")
	o.now = o.now.Add(10 * time.Minute)
	return o
}

// theft is what a thief takes away now.
func (o *organisation) theft(port int64, region string, bytes int64) sent {
	return sent{at: o.now, source: "10.0.0.3", destination: "203.0.113.66", host: "ws-2", port: port, region: region, bytes: bytes}
}

const stolen = 800_000_000

// anomalies returns the alerts so far.
func (o *organisation) anomalies() []plog.LogRecord { return o.events(alert.EventAnomaly) }

func (o *organisation) events(name string) []plog.LogRecord {
	var found []plog.LogRecord
	for _, lr := range o.told {
		if lr.EventName() == name {
			found = append(found, lr)
		}
	}
	return found
}

// names says whether an alert has a value among its entity and the contributors to it.
func names(lr plog.LogRecord, value string) bool {
	for key, v := range lr.Attributes().All() {
		switch {
		case key == "exfil.entity.value" && v.AsString() == value:
			return true
		case v.Type() != pcommon.ValueTypeSlice:
		case slices.Contains([]string{
			"exfil.detail.values", "exfil.contributors.destination.port.values", "exfil.contributors.region.values",
			"exfil.contributors.host.name.values", "exfil.contributors.source.address.values",
			"exfil.contributors.destination.address.values",
		}, key):
			for _, e := range v.Slice().All() {
				if e.AsString() == value {
					return true
				}
			}
		}
	}
	return false
}

// found says whether an alert since the given number of them names a value.
func (o *organisation) found(since int, value string) bool {
	return slices.ContainsFunc(o.anomalies()[since:], func(lr plog.LogRecord) bool { return names(lr, value) })
}

// bodies are what the alerts say, for a failing test to show.
func bodies(alerts []plog.LogRecord) []string {
	said := make([]string, 0, len(alerts))
	for _, lr := range alerts {
		said = append(said, lr.Body().AsString())
	}
	return said[:min(len(said), 20)]
}
