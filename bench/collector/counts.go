package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// counts is what a collector says itself of what it was sent.
type counts struct {
	received int64 // records that its receiver accepted

	// What exfil says; 0 where there is none.
	read         int64 // records that it could read
	future, late int64 // flows that came too early or too late to count in a window
	windows      int64 // that have closed
	entities     int64 // that are known, of each rule: those of a key that several rules have count for each of them
	alerts       int64
}

// scrape asks a collector.
func scrape(ctx context.Context, address string) (c counts, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	if err != nil {
		return c, err
	}
	req.Close = true // no connection stays open
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c, fmt.Errorf("the collector's metrics: %s", resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return c, err
	}
	return parseCounts(string(text))
}

// parseCounts reads Prometheus' text format.
func parseCounts(text string) (c counts, err error) {
	for line := range strings.Lines(text) {
		name, value, _ := cutLast(strings.TrimSpace(line), " ")
		name, labels, _ := strings.Cut(name, "{")
		var sum *int64
		switch name {
		case "otelcol_receiver_accepted_log_records":
			sum = &c.received
		case "otelcol_exfil_records":
			if strings.Contains(labels, `outcome="accepted"`) {
				sum = &c.read
			}
		case "otelcol_exfil_future_flows":
			sum = &c.future
		case "otelcol_exfil_late_flows":
			sum = &c.late
		case "otelcol_exfil_windows_closed":
			sum = &c.windows
		case "otelcol_exfil_entities":
			sum = &c.entities
		case "otelcol_exfil_alerts":
			sum = &c.alerts
		}
		if sum == nil {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return c, fmt.Errorf("the collector's metrics: %w", err)
		}
		*sum += int64(v)
	}
	return c, nil
}
