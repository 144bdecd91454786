package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otel-exfil/exfil/bench/traffic"
)

// event is the name of the log records that are alerts.
const event = "exfil.anomaly"

// alert is what the demo shows of an alert.
type alert struct {
	time     time.Time
	rule     string // id
	field    string
	entity   string
	actual   int64 // bytes
	usual    int64 // at most, bytes
	score    float64
	hosts    []string // largest first
	update   bool     // of an earlier alert, with the whole window's bytes
	sentence string
	record   plog.LogRecord
}

// readAlerts reads what the file exporter wrote, a JSON document of OTLP logs a line, and
// returns the alerts in it in the order of their time. A file that is not there has none.
func readAlerts(path string) ([]alert, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the alerts: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	var alerts []alert
	for r, n := bufio.NewReader(file), 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the alerts: %w", err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			logs, parsing := new(plog.JSONUnmarshaler).UnmarshalLogs(line)
			if parsing != nil {
				return nil, fmt.Errorf("read the alerts, line %d of %s: %w", n, path, parsing)
			}
			alerts = append(alerts, alertsIn(logs)...)
		}
		if err != nil {
			break
		}
	}
	slices.SortStableFunc(alerts, func(a, b alert) int { return a.time.Compare(b.time) })
	return alerts, nil
}

func alertsIn(logs plog.Logs) []alert {
	var alerts []alert
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				if record.EventName() == event {
					alerts = append(alerts, newAlert(record))
				}
			}
		}
	}
	return alerts
}

func newAlert(r plog.LogRecord) alert {
	attribute := func(key string) pcommon.Value {
		if v, ok := r.Attributes().Get(key); ok {
			return v
		}
		return pcommon.NewValueEmpty()
	}
	a := alert{
		time:     r.Timestamp().AsTime(),
		rule:     attribute("exfil.rule.id").AsString(),
		field:    attribute("exfil.entity.field").AsString(),
		entity:   attribute("exfil.entity.value").AsString(),
		actual:   attribute("exfil.bytes.actual").Int(),
		usual:    attribute("exfil.bytes.usual").Int(),
		score:    attribute("exfil.score").Double(),
		sentence: r.Body().AsString(),
		record:   r,
	}
	_, a.update = r.Attributes().Get("exfil.update_of")
	if hosts := attribute("exfil.contributors.host.name.values"); hosts.Type() == pcommon.ValueTypeSlice {
		for _, h := range hosts.Slice().All() {
			a.hosts = append(a.hosts, h.AsString())
		}
	}
	return a
}

// of reports whether the alert may be about the theft: it came while the window of the
// theft was open, and names who stole.
func (a alert) of(t traffic.Theft) bool {
	return !a.time.Before(t.Start) && a.time.Before(t.End().Add(window)) && slices.Contains(a.hosts, t.Host)
}

// answers reports whether the alert is the one that was sought, and in time.
func (a alert) answers(s sought) bool {
	return a.rule == s.rule && a.entity == s.entity && a.of(s.theft) && a.time.Before(s.theft.Start.Add(window))
}

var errMissed = errors.New("unnoticed")

// missed returns an error that names the thefts that raised no alert as they should.
func missed(alerts []alert, all []sought) error {
	var errs []error
	for _, s := range all {
		if !slices.ContainsFunc(alerts, func(a alert) bool { return a.answers(s) }) {
			errs = append(errs, fmt.Errorf("%w: the theft %s by %s on %s: no alert of %s for %s within %s",
				errMissed, s.theft.Name, s.theft.Host, s.theft.Start.Format(time.DateTime), s.rule, s.entity, window))
		}
	}
	return errors.Join(errs...)
}
