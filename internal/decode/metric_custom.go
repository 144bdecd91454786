package decode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/otel-exfil/exfil/internal/flow"
)

// customMetric is a counter that the user describes by its names and its attributes' keys. Each
// direction is taken to have a data point of its own.
type customMetric struct {
	ends      endpoints
	rate      keys
	direction keys
	who       actors
	place     placeKeys
}

// MetricFields returns the fields that a custom input with metrics may name keys for. They are those
// of CustomFields but for the bytes, which are the data point's value, the time, which is its own, and the flow's id, as a
// counter is no single flow.
func MetricFields() []string {
	return slices.DeleteFunc(CustomFields(), func(field string) bool {
		return slices.Contains([]string{"bytes", "bytes_received", "flow_id", "time"}, field)
	})
}

func neededMetricFields() []string { return []string{"source_address", "destination_address"} }

func newCustomMetric(c *compiler, fields map[string][]string) metricFormat {
	k := func(field string) keys { return c.keys(fields[field]...) }
	return &customMetric{
		ends: endpoints{
			source: k("source_address"), sourcePort: k("source_port"),
			destination: k("destination_address"), destinationPort: k("destination_port"),
		},
		rate:      k("sampling_rate"),
		direction: k("direction"),
		who:       actors{host: k("host"), user: k("user"), process: k("process")},
		place:     placeKeys{region: k("region"), country: k("country"), city: k("city")},
	}
}

func (f *customMetric) point(s *Scratch, r *flow.Record) (reply bool, rate int64, why Reason) {
	rate, read := s.number(f.rate)
	if read == bad {
		return false, 0, BadBytes
	}
	if why := f.ends.read(s, r); why != Accepted {
		return false, 0, why
	}
	r.OneWay = true
	r.Direction = declaredDirection(s.text(f.direction))
	f.who.read(s, r)
	// Only the outside end's place is ever used, so it may stand at both.
	f.place.read(s, &r.SourcePlace)
	r.DestinationPlace = r.SourcePlace
	return false, max(1, rate), Accepted
}

// compileMetrics makes what reads the metrics of the inputs. A name that a custom input
// lists is that input's.
func compileMetrics(inputs []Input) (metrics, error) {
	c, m := newCompiler(), metrics{byName: map[string]metricFormat{}}
	if wanted(inputs, obiName) {
		format := newOBI(c)
		for _, name := range obiMetrics() {
			m.byName[name] = format
		}
	}
	for _, in := range inputs {
		if len(in.Metrics) > 0 {
			format := newCustomMetric(c, in.Fields)
			for _, name := range in.Metrics {
				m.byName[name] = format
			}
		}
	}
	m.top, m.slots = c.top, len(c.slots)
	if m.slots > maxKeys {
		return m, fmt.Errorf("inputs: %w: %d keys of metrics, at most %d can be told apart; name fewer", ErrTooMany, m.slots, maxKeys)
	}
	return m, nil
}

// Limits on the names of metrics in the configuration. OpenTelemetry allows an instrument's name
// 255 characters.
const (
	maxMetrics          = 64
	maxMetricNameLength = 255
)

// validateMetrics checks the metrics of one input whose name and fields may be wrong yet.
func validateMetrics(in Input, isBuiltin bool) error {
	switch {
	case len(in.Metrics) == 0:
		return nil
	case isBuiltin:
		return fmt.Errorf("inputs: %s: metrics: %w: the name is that of a built-in format, which knows its own metrics; give the custom input another name",
			in.Name, ErrDuplicateInput)
	case len(in.Fields) == 0:
		return fmt.Errorf("inputs: %s: fields: %w: %s; list the attributes that hold them",
			in.Name, ErrMissingField, strings.Join(neededMetricFields(), " and "))
	case len(in.Metrics) > maxMetrics:
		return fmt.Errorf("inputs: %s: metrics: %w: %d names, at most %d; name fewer", in.Name, ErrTooMany, len(in.Metrics), maxMetrics)
	}
	for i, name := range in.Metrics {
		switch {
		case strings.TrimSpace(name) == "":
			return fmt.Errorf("inputs: %s: metrics[%d]: %w: %q is blank; write a metric's name", in.Name, i, ErrBadMetric, name)
		case len(name) > maxMetricNameLength:
			return fmt.Errorf("inputs: %s: metrics[%d]: %w: %.20q… is %d bytes long; at most %d", in.Name, i, ErrBadMetric, name, len(name), maxMetricNameLength)
		case slices.Contains(in.Metrics[:i], name):
			return fmt.Errorf("inputs: %s: metrics[%d]: %w: %q is listed twice; name it once", in.Name, i, ErrBadMetric, name)
		}
	}
	for _, field := range []string{"bytes", "bytes_received", "time"} {
		if _, listed := in.Fields[field]; listed {
			return fmt.Errorf("inputs: %s: fields: %s: %w: of metrics it is the data point's own; remove %s, or remove metrics to read log records",
				in.Name, field, ErrUnknownField, field)
		}
	}
	return nil
}

// validateSharedMetrics checks that no two inputs list the same metric.
func validateSharedMetrics(inputs []Input) error {
	owner := map[string]string{}
	for _, in := range inputs {
		for i, name := range in.Metrics {
			if other, taken := owner[name]; taken {
				return fmt.Errorf("inputs: %s: metrics[%d]: %w: %q is listed by %s, too; leave it to one of them", in.Name, i, ErrBadMetric, name, other)
			}
			owner[name] = in.Name
		}
	}
	return nil
}
