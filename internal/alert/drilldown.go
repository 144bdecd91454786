package alert

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otel-exfil/exfil/internal/detector"
	"github.com/otel-exfil/exfil/internal/flow"
)

// ErrDrilldown is wrapped by the error about a template that makes no address.
var ErrDrilldown = errors.New("no template of an address")

// Drilldown makes the address at which an analyst goes on with an alert, out of a template whose placeholders, such as
// {{start}}, stand for what the alert tells.
type Drilldown struct {
	texts  []string // around the values, one more than there are
	values []func(a *Anomaly) string
}

// placeholders are what a template may ask for.
var placeholders = map[string]func(a *Anomaly) string{
	"start":    func(a *Anomaly) string { return a.Finding.WindowStart.UTC().Format(time.RFC3339) },
	"end":      func(a *Anomaly) string { return a.Finding.WindowEnd.UTC().Format(time.RFC3339) },
	"start_ms": func(a *Anomaly) string { return strconv.FormatInt(a.Finding.WindowStart.UnixMilli(), 10) },
	"end_ms":   func(a *Anomaly) string { return strconv.FormatInt(a.Finding.WindowEnd.UnixMilli(), 10) },
	"rule":     func(a *Anomaly) string { return a.Finding.Rule },
	"field":    func(a *Anomaly) string { return strings.Join(fieldNames(a.Finding.Fields), keySeparator) },
	"value":    func(a *Anomaly) string { return value(strings.Join(a.Finding.Values, keySeparator)) },
	"source":   func(a *Anomaly) string { return largestOf(&a.Finding, flow.SourceAddress) },
	"host":     func(a *Anomaly) string { return largestOf(&a.Finding, flow.Host) },
	"uid":      func(a *Anomaly) string { return a.UID },
}

// Placeholders lists what a template of a Drilldown may ask for.
func Placeholders() []string { return slices.Sorted(maps.Keys(placeholders)) }

// largestOf returns the value of a field that the entity has, or the contributor of the most bytes; "" where none is known.
func largestOf(f *detector.Finding, field flow.Field) string {
	if all := named(f, field); len(all) > 0 {
		return value(all[0])
	}
	return ""
}

// ParseDrilldown reads a template: an http or https address in which whatever varies stands behind the host. Its
// error wraps ErrDrilldown.
func ParseDrilldown(template string) (*Drilldown, error) {
	d := &Drilldown{}
	rest := template
	for {
		text, after, found := strings.Cut(rest, "{{")
		d.texts = append(d.texts, text)
		if !found {
			break
		}
		name, next, closed := strings.Cut(after, "}}")
		read, known := placeholders[strings.TrimSpace(name)]
		switch {
		case !closed:
			return nil, fmt.Errorf("%w: %q has a placeholder that is not closed; write }} behind it", ErrDrilldown, template)
		case !known:
			return nil, fmt.Errorf("%w: {{%s}} is unknown; write one of %s", ErrDrilldown, name, strings.Join(Placeholders(), ", "))
		}
		d.values, rest = append(d.values, read), next
	}
	return d, d.check(template)
}

// check wants an address whose host is the template's own: whoever chooses names must not choose where analysts go.
func (d *Drilldown) check(template string) error {
	u, err := url.Parse(strings.Join(d.texts, "x"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%w: %q is no address; write one such as https://siem.example/search?from={{start}}&to={{end}}", ErrDrilldown, template)
	}
	_, behind, _ := strings.Cut(d.texts[0], "://")
	if len(d.values) > 0 && !strings.ContainsAny(behind, "/?#") {
		return fmt.Errorf("%w: %q has a placeholder in its host; write it behind the host, as in https://siem.example/{{rule}}", ErrDrilldown, template)
	}
	return nil
}

// url returns the address for an alert. Values are escaped so that they stand for themselves in paths, queries and
// fragments alike.
func (d *Drilldown) url(a *Anomaly) string {
	var b strings.Builder
	b.WriteString(d.texts[0])
	for i, read := range d.values {
		b.WriteString(strings.ReplaceAll(url.QueryEscape(read(a)), "+", "%20"))
		b.WriteString(d.texts[i+1])
	}
	return b.String()
}
