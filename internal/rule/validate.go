package rule

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/otel-exfil/exfil/internal/flow"
)

// ErrInvalid is wrapped by every error about the value of a setting.
var ErrInvalid = errors.New("invalid setting")

// ErrUnknownRule is wrapped by the error about a rule that is neither built in nor defined.
var ErrUnknownRule = errors.New("no such rule")

const (
	maxFields      = 4
	maxDetails     = 8
	maxMaxEntities = 10_000_000
	day            = 24 * time.Hour
	week           = 7 * day
)

// settingError is the error about one setting, named by its path in the configuration.
type settingError struct {
	key     string
	problem string
	cause   error // what else than ErrInvalid it is; nil if nothing
}

func (e *settingError) Error() string { return e.key + ": " + e.problem }

func (e *settingError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrInvalid}
	}
	return []error{ErrInvalid, e.cause}
}

// problems collects the errors about the settings below one path.
type problems struct {
	path string
	errs []error
}

func (p *problems) add(key, format string, args ...any) {
	p.errs = append(p.errs, &settingError{key: join(p.path, key), problem: fmt.Sprintf(format, args...)})
}

func (p *problems) wrap(key string, cause error) {
	p.errs = append(p.errs, &settingError{key: join(p.path, key), problem: cause.Error(), cause: cause})
}

func join(path, key string) string {
	switch {
	case path == "":
		return key
	case key == "":
		return path
	}
	return path + "." + key
}

func (p *problems) err() error { return errors.Join(p.errs...) }

// IDPattern is what a rule's id matches, of at most maxID characters.
const IDPattern = `^[a-z][a-z0-9]*(_[a-z0-9]+)*$`

var idSyntax = regexp.MustCompile(IDPattern)

// maxID bounds the length of a rule's id.
const maxID = 64

func checkID(p *problems, id string) {
	if len(id) > maxID || !idSyntax.MatchString(id) {
		p.add("", "%q is not a rule id; write lower_snake_case of at most %d letters and digits, such as %q",
			id, maxID, "large_upload_by_user")
	}
}

// validate returns all that is wrong with what o names, each value by itself; path leads to it in the configuration.
func (o *Override) validate(path string) []error {
	p := &problems{path: path}
	o.checkKeys(p)
	checkScore(p, "threshold", o.Threshold)
	if o.AlertBudget != nil && !(*o.AlertBudget > 0 && !math.IsInf(*o.AlertBudget, 1)) {
		p.add("alert_budget", "%v is not a number of false alarms a week; write one above 0, such as 1", *o.AlertBudget)
	}
	if o.MinBytes != nil && *o.MinBytes < 0 {
		p.add("min_bytes", "%d is negative; write 0 or a size such as 1MiB", int64(*o.MinBytes))
	}
	if o.MaxEntities != nil && (*o.MaxEntities < 1 || *o.MaxEntities > maxMaxEntities) {
		p.add("max_entities", "%d is out of 1..%d", *o.MaxEntities, maxMaxEntities)
	}
	if o.SuppressFor != nil && (*o.SuppressFor < 0 || *o.SuppressFor > 4*week) {
		p.add("suppress_for", "%v is out of 0s..%v", *o.SuppressFor, 4*week)
	}
	parseGrouping(p, "suppress_by", o.SuppressBy)
	if o.Windows != nil {
		if err := CheckSpans(o.Windows); err != nil {
			p.wrap("windows", err)
		}
	}
	o.checkMetadata(p)
	return p.errs
}

// The checks of what rule files of other layouts say, too, under keys of theirs.

func checkScore(p *problems, key string, score *float64) {
	// Written so that NaN is refused.
	if score != nil && !(*score >= 0 && *score <= 100) {
		p.add(key, "%v is out of 0..100", *score)
	}
}

func checkRiskScore(p *problems, key string, score *int) {
	if score != nil && (*score < 0 || *score > 100) {
		p.add(key, "%d is out of 0..100", *score)
	}
}

func checkSeverity(p *problems, key string, severity *string) {
	if severity != nil && Severity(*severity).Rank() < 0 {
		p.add(key, "%q is none of low, medium, high, critical", *severity)
	}
}

func checkUUID(p *problems, key string, text *string) {
	if text == nil {
		return
	}
	if _, err := uuid.Parse(*text); err != nil || len(*text) != 36 {
		p.add(key, "%q is not a UUID; write it as 01234567-89ab-4cde-8f01-23456789abcd", *text)
	}
}

func checkThreats(p *problems, key string, threats []Threat) {
	for i, threat := range threats {
		if threat.Framework == "" || threat.Tactic.ID == "" {
			p.add(fmt.Sprintf("%s[%d]", key, i), "it needs a framework and a tactic.id, such as MITRE ATT&CK and TA0010")
		}
	}
}

func (o *Override) checkKeys(p *problems) {
	if o.By != nil {
		checkFields(p, "by", o.By)
	}
	if len(o.Details) > maxDetails {
		p.add("details", "%d keys; at most %d", len(o.Details), maxDetails)
		return
	}
	for i, names := range o.Details {
		checkFields(p, fmt.Sprintf("details[%d]", i), names)
	}
}

func checkFields(p *problems, key string, names []string) {
	if len(names) == 0 || len(names) > maxFields {
		p.add(key, "%d fields; name one to %d", len(names), maxFields)
		return
	}
	seen := make(map[flow.Field]bool, len(names))
	for i, name := range names {
		f, err := flow.ParseField(name)
		switch {
		case err != nil:
			p.wrap(fmt.Sprintf("%s[%d]", key, i), err)
		case seen[f]:
			p.add(fmt.Sprintf("%s[%d]", key, i), "%q is named twice", name)
		}
		seen[f] = true
	}
}

func (o *Override) checkMetadata(p *problems) {
	checkSeverity(p, "severity", o.Severity)
	checkRiskScore(p, "risk_score", o.RiskScore)
	checkUUID(p, "uuid", o.UUID)
	if o.Name != nil && strings.TrimSpace(*o.Name) == "" {
		p.add("name", "it is empty; leave the key out to keep the rule's own name")
	}
	if o.Version != nil && strings.TrimSpace(*o.Version) == "" {
		p.add("version", "it is empty; leave the key out to keep the rule's own version")
	}
	if o.Reference != nil && *o.Reference != "" && !isAddress(*o.Reference) {
		p.add("reference", "%q is not an address; write it with https://", *o.Reference)
	}
	checkThreats(p, "threat", o.Threat)
	for i, related := range o.Related {
		if related.ID == "" {
			p.add(fmt.Sprintf("related[%d].id", i), "it is missing")
		}
	}
}

func isAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// CheckSpans says what is wrong with the spans of windows: there must be at least one, each
// of whole seconds and dividing a day evenly so that windows begin at the same hours every
// day, none twice, and each longer one a multiple of the shorter ones so that they nest.
func CheckSpans(spans []time.Duration) error {
	if len(spans) == 0 {
		return errors.New("no window is named; write for example [3h]")
	}
	sorted := slices.Clone(spans)
	slices.Sort(sorted)
	for i, span := range sorted {
		switch {
		case span < time.Minute || span > day || day%span != 0:
			return fmt.Errorf("%v does not divide a day evenly into windows of a minute or more; write one of 15m, 1h, 3h, 6h, 24h or alike", span)
		case i > 0 && span == sorted[i-1]:
			return fmt.Errorf("%v is named twice", span)
		case i > 0 && span%sorted[i-1] != 0:
			return fmt.Errorf("%v is not a multiple of %v, so their windows do not nest; write for example [1h, 3h]", span, sorted[i-1])
		}
	}
	return nil
}

// FormatSpan writes a duration as configuration does, without the zero units that time.Duration adds: 3h,
// 15m and 1h30m, not 3h0m0s.
func FormatSpan(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// checkDetails says which detail keys do not fit the rule's own key: the entity of a detail's
// finding is read from the detail, so it must contain the whole key, and more.
func (r *Rule) checkDetails(path string) error {
	p := &problems{path: path}
	for i, detail := range r.Details {
		key := fmt.Sprintf("details[%d]", i)
		for _, f := range r.By {
			if !slices.Contains(detail, f) {
				p.add(key, "[%s] lacks %s, which the rule is by; add it, or set details to []", names(detail), f)
			}
		}
		if len(detail) <= len(r.By) {
			p.add(key, "[%s] is no finer than by: [%s]; add a field or leave it out", names(detail), names(r.By))
		}
		for j, other := range r.Details[:i] {
			if sameFields(detail, other) {
				p.add(key, "[%s] is the same as details[%d]; leave one out", names(detail), j)
			}
		}
	}
	return p.err()
}

func sameFields(a, b []flow.Field) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func names(fields []flow.Field) string {
	text := make([]string, len(fields))
	for i, f := range fields {
		text[i] = f.String()
	}
	return strings.Join(text, ", ")
}
