package exfilprocessor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/otel-exfil/exfil/internal/alert"
	"github.com/otel-exfil/exfil/internal/config"
	"github.com/otel-exfil/exfil/internal/observer"
)

// downstream is a next consumer that keeps what it accepts: data and alerts apart.
type downstream struct {
	mu           sync.Mutex
	data         []plog.Logs
	alerts       []plog.LogRecord
	refuseData   error
	refuseAlerts error
	refusals     int
	vandal       bool          // changes what it is given, as a consumer may that says so
	hang         chan struct{} // if not nil, alerts hang until their context ends; it is told when one does
}

func (d *downstream) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

func (d *downstream) ConsumeLogs(ctx context.Context, ld plog.Logs) error {
	isAlert := ld.ResourceLogs().Len() > 0 &&
		ld.ResourceLogs().At(0).ScopeLogs().At(0).Scope().Name() == alert.ScopeName
	if isAlert && d.hang != nil {
		d.hang <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.refuseData
	if isAlert {
		err = d.refuseAlerts
	}
	kept := plog.NewLogs()
	ld.CopyTo(kept)
	if d.vandal {
		ld.ResourceLogs().RemoveIf(func(plog.ResourceLogs) bool { return true })
	}
	switch {
	case err != nil:
		d.refusals++
		return err
	case isAlert:
		records := kept.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for i := range records.Len() {
			d.alerts = append(d.alerts, records.At(i))
		}
	default:
		d.data = append(d.data, kept)
	}
	return nil
}

// anomalies returns the entities that were alerted on, in order.
func (d *downstream) anomalies() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var entities []string
	for _, lr := range d.alerts {
		if lr.EventName() == alert.EventAnomaly {
			value, _ := lr.Attributes().Get("exfil.entity.value")
			entities = append(entities, value.AsString())
		}
	}
	return entities
}

// statuses returns the health events, in order.
func (d *downstream) statuses() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, lr := range d.alerts {
		if lr.EventName() == alert.EventHealth {
			status, _ := lr.Attributes().Get("exfil.health.status")
			all = append(all, status.AsString())
		}
	}
	return all
}

func (d *downstream) delivered() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.data)
}

func (d *downstream) set(change func(d *downstream)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

var errRefused = errors.New("the next consumer is full")

// hands are those of a clock that a test moves. Its ticks never come by themselves: a test
// ticks an engine where it wants to.
type hands struct {
	mu  sync.Mutex
	now time.Time
}

func (h *hands) time() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hands) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *hands) clock() clock {
	return clock{
		now:   h.time,
		every: func(time.Duration) (<-chan time.Time, func()) { return nil, func() {} },
	}
}

// monday is a time from which the traffic of the tests begins.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// quick is a configuration whose warm-up is over after a day of windows of an hour.
func quick() *Config {
	cfg := config.Default()
	cfg.Windows = []time.Duration{time.Hour}
	cfg.WarmUp = 24 * time.Hour
	return cfg
}

// world is a processor between a test's traffic and a downstream.
type world struct {
	t         *testing.T
	hands     *hands
	telemetry *componenttest.Telemetry
	factory   processor.Factory
	next      *downstream
	processor processor.Logs
}

func newWorld(t *testing.T, cfg *Config) *world {
	t.Helper()
	w := &world{t: t, hands: &hands{now: monday.Add(100 * 24 * time.Hour)}, telemetry: componenttest.NewTelemetry(), next: &downstream{}}
	t.Cleanup(func() { require.NoError(t, w.telemetry.Shutdown(context.Background())) })
	w.factory = newFactory(w.hands.clock())
	w.processor = w.instance(cfg, w.next)
	require.NoError(t, w.processor.Start(context.Background(), componenttest.NewNopHost()))
	return w
}

func (w *world) instance(cfg *Config, next consumer.Logs) processor.Logs {
	w.t.Helper()
	p, err := w.factory.CreateLogs(context.Background(), w.settings(), cfg, next)
	require.NoError(w.t, err)
	return p
}

func (w *world) settings() processor.Settings {
	set := processortest.NewNopSettings(w.factory.Type())
	set.TelemetrySettings = w.telemetry.NewTelemetrySettings()
	set.ID = component.NewID(w.factory.Type())
	return set
}

func (w *world) consume(ld plog.Logs) {
	w.t.Helper()
	require.NoError(w.t, w.processor.ConsumeLogs(context.Background(), ld))
}

func (w *world) shutdown() {
	w.t.Helper()
	require.NoError(w.t, w.processor.Shutdown(context.Background()))
}

// tick lets the engine look at the time.
func (w *world) tick() { engineOf(w.processor).tick(context.Background()) }

// stats returns what the engine did so far.
func (w *world) stats() observer.Stats { return engineOf(w.processor).observer.Stats() }

// engineOf returns the engine of an instance.
func engineOf(p processor.Logs) *engine { return p.(*logsProcessor).engine }

// sent is one connection as Packetbeat reports it.
type sent struct {
	at    time.Time
	host  string
	port  int64
	bytes int64
	id    string // flow.id of a running total; "": none
	final bool
}

// ecs writes connections as a batch of ECS records.
func ecs(connections ...sent) plog.Logs {
	ld := plog.NewLogs()
	resource := ld.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "packetbeat")
	records := resource.ScopeLogs().AppendEmpty().LogRecords()
	for i, c := range connections {
		lr := records.AppendEmpty()
		lr.SetTimestamp(pcommon.NewTimestampFromTime(c.at))
		a := lr.Attributes()
		a.PutStr("source.ip", fmt.Sprintf("10.0.0.%d", 1+i%200))
		a.PutInt("source.port", 50_000)
		a.PutStr("destination.ip", "198.51.100.20")
		a.PutInt("destination.port", c.port)
		a.PutStr("destination.geo.region_name", "California")
		a.PutStr("destination.geo.country_iso_code", "US")
		a.PutInt("source.bytes", c.bytes)
		a.PutInt("destination.bytes", 4000)
		a.PutStr("network.direction", "egress")
		a.PutStr("network.transport", "tcp")
		a.PutStr("host.name", c.host)
		if c.id != "" {
			a.PutStr("flow.id", c.id)
			a.PutBool("flow.final", c.final)
		}
	}
	return ld
}

// ordinary returns, hour by hour, some days of an office's traffic to a few ports.
func ordinary(days int) []plog.Logs {
	var hours []plog.Logs
	for hour := range 24 * days {
		at := monday.Add(time.Duration(hour) * time.Hour)
		var connections []sent
		for i, port := range []int64{443, 443, 443, 80, 22, 993, 8443, 123} {
			connections = append(connections, sent{
				at:    at.Add(time.Duration(i) * time.Minute),
				host:  fmt.Sprintf("ws-%d", i),
				port:  port,
				bytes: 200_000 + 10_000*int64((hour*7+i*13)%11),
			})
		}
		hours = append(hours, ecs(connections...))
	}
	return hours
}

// afterDays is a moment within the first hour after so many days.
func afterDays(days int) time.Time {
	return monday.Add(time.Duration(days)*24*time.Hour + 20*time.Minute)
}

// theft is 800 MB to a port that was never used.
func theft(days int) plog.Logs {
	return ecs(sent{at: afterDays(days), host: "ws-3", port: 4444, bytes: 800_000_000})
}
